import type { Component, Maybe, System } from './types/document'

const first = ['database', 'redis', 'postgres link', 'cache', 'warmer']

/** What the system consists of, the most important first. */
export function components(system: Maybe<System>): [string, Component][] {
  const rank = (name: string) => (first.includes(name) ? first.indexOf(name) : first.length)
  return Object.entries(system?.components ?? {}).sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0))
}
