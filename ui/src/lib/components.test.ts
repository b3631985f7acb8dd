import { expect, test } from 'vitest'
import { components } from './components'
import type { System } from './types/document'

test('the database first, then what connects the servers, then the rest by name', () => {
  const part = { status: 'ok', detail: '', took_ms: null } as const
  const system = {
    components: {
      warmer: part,
      zebra: part,
      cache: part,
      'postgres link': part,
      apple: part,
      redis: part,
      database: part,
    },
  } as unknown as System
  expect(components(system).map(([name]) => name)).toEqual([
    'database',
    'redis',
    'postgres link',
    'cache',
    'warmer',
    'apple',
    'zebra',
  ])
  expect(components(null)).toEqual([])
})
