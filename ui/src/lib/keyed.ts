import type { Keyed, Maybe } from './types/document'

/** The entities of an object keyed by id, ascending by their order. */
export function ordered<T extends { order: number }>(items: Maybe<Keyed<T>>): T[] {
  return items ? Object.values(items).sort((a, b) => a.order - b.order) : []
}
