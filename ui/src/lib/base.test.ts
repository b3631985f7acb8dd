import { afterEach, expect, test } from 'vitest'
import { setBase, to, within } from './base'

afterEach(() => setBase(''))

test('at the root paths are addresses', () => {
  expect(to('/jobs?state=running')).toBe('/jobs?state=running')
  expect(within('/jobs/7')).toBe('/jobs/7')
})

test('below a path of a proxy addresses have it', () => {
  setBase('/ops/agentos')
  expect(to('/')).toBe('/ops/agentos/')
  expect(within('/ops/agentos/')).toBe('/')
  expect(within('/ops/agentos')).toBe('/')
  expect(within('/ops/agentos/jobs/7')).toBe('/jobs/7')
  expect(within('/ops/agentostic/jobs')).toBeNull()
  expect(within('/grafana')).toBeNull()
})

test('links in components are made by `to`', () => {
  const sources = import.meta.glob<string>('../**/*.svelte', { query: '?raw', import: 'default', eager: true })
  expect(Object.keys(sources).length).toBeGreaterThan(40)
  for (const [file, text] of Object.entries(sources))
    expect(text.match(/(?:href|action|src)=(?:"\/|\{`\/|\{'\/)[^>]*/g), file).toBeNull()
})
