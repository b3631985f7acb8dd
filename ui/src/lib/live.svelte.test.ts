import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Connection } from './connection'
import { Live } from './live.svelte'
import { emptyDocument, FakeServer } from './testing/fakes'
import type { Boot } from './types/document'

const now = Date.parse('2026-11-23T12:00:00Z')
const boot = (age_s = 0, at = now): Boot => ({
  me: { name: 'admin', role: 'admin' },
  fleet: true,
  acts: true,
  version: '1',
  base: '',
  now: new Date(at).toISOString(),
  served: { rung: 'memory', age_s, stale: false },
})

beforeEach(() => void vi.useFakeTimers({ now }))
afterEach(() => void vi.useRealTimers())

describe('patches', () => {
  test('build on the revision held', () => {
    const live = new Live()
    live.boot(boot(), emptyDocument(100, now), now)
    const fits = live.patch({
      from: 100,
      to: 105,
      patch: { dashboard: { queue: { pending: 3 } }, meta: { revision: 105 } },
    })
    expect(fits).toBe(true)
    expect(live.doc?.dashboard.queue?.pending).toBe(3)
    expect(live.revision()).toBe(105)
  })

  test('already known are passed over', () => {
    const live = new Live()
    live.boot(boot(), emptyDocument(100, now), now)
    expect(live.patch({ from: 90, to: 100, patch: { analytics: {} } })).toBe(true)
    expect(live.doc?.analytics).toBeNull()
  })

  test.each([
    ['from a later revision', { from: 101, to: 102, patch: {} }],
    ['that end elsewhere than they say', { from: 100, to: 102, patch: { meta: { revision: 103 } } }],
  ])('%s ask for everything', (_, patch) => {
    const live = new Live()
    live.boot(boot(), emptyDocument(100, now), now)
    expect(live.patch(patch)).toBe(false)
  })

  test('without a document ask for everything', () => {
    expect(new Live().patch({ from: 1, to: 2, patch: {} })).toBe(false)
  })
})

describe('age', () => {
  test('is counted by the server’s clock, whatever the browser’s says', () => {
    const live = new Live()
    const ahead = 90_000
    live.boot(boot(0.4, now + ahead + 400), emptyDocument(1, now + ahead), now)
    expect(live.since(new Date(now + ahead).toISOString())).toBe(400)
    vi.advanceTimersByTime(2_000)
    expect(live.since(new Date(now + ahead).toISOString())).toBe(2_400)
  })

  test('of a section that is overdue is its own: the server is not silent, and nothing else is older for it', () => {
    const live = new Live()
    const doc = emptyDocument(1, now)
    const late = new Date(now - 90_000).toISOString()
    Object.assign(doc.meta, { as_of: late, stale: true })
    const meta = { took_ms: 1, every_ms: 5000, error: null, overdue: false }
    doc.meta.sections.agents = { ...meta, as_of: doc.timestamp }
    doc.meta.sections.queue = { ...meta, as_of: late, error: 'no answer', overdue: true }
    live.boot(boot(90, now + 1_000), doc, now)
    expect(live.silent).toBe(false)
    expect(live.since(doc.timestamp)).toBe(1_000)
    expect(live.since(late)).toBe(91_000)
    expect([live.section('agents').stale, live.section('queue').stale]).toEqual([false, true])
    expect(live.overdue).toEqual({ names: ['queue'], asOf: late })
  })

  test('of something unknown is unknown', () => {
    expect(new Live().since(null)).toBeNull()
    expect(new Live().since(undefined)).toBeNull()
  })

  test('is never negative', () => {
    const live = new Live()
    live.boot(boot(), emptyDocument(1, now), now)
    expect(live.since(new Date(now + 5_000).toISOString())).toBe(0)
    expect(live.until(new Date(now - 5_000).toISOString())).toBe(0)
  })

  test('beyond what the document allows makes it stale', () => {
    const live = new Live()
    live.boot(boot(), emptyDocument(1, now), now)
    expect([live.silent, live.stale]).toEqual([false, false])
    vi.advanceTimersByTime(15_001)
    expect([live.silent, live.stale]).toEqual([true, true])
  })
})

describe('sections', () => {
  const section = (meta: object) => {
    const live = new Live()
    const doc = emptyDocument(1, now)
    doc.meta.sections.queue = {
      as_of: new Date(now).toISOString(),
      took_ms: 1,
      every_ms: 5000,
      error: null,
      overdue: false,
      ...meta,
    }
    live.boot(boot(), doc, now)
    return live.section('queue')
  }

  test('in time are neither stale nor missing', () => {
    expect(section({})).toMatchObject({ stale: false, missing: false, error: null })
  })

  test('overdue or failed are stale, with the reason', () => {
    expect(section({ overdue: true }).stale).toBe(true)
    expect(section({ error: 'database is locked' })).toMatchObject({ stale: true, error: 'database is locked' })
  })

  test('never collected are missing, also when a patch dropped the null', () => {
    expect(section({ as_of: null }).missing).toBe(true)
    expect(section({ as_of: undefined }).missing).toBe(true)
  })
})

test('a session that ends stops everything and says so', async () => {
  const ended = vi.fn()
  const live = new Live(ended)
  const server = new FakeServer()
  live.boot(boot(), emptyDocument(1, now), now)
  live.connect((receiver) => Promise.resolve(new Connection(receiver, server)))
  await vi.waitUntil(() => server.streams.length)
  server.stream.send('end', { reason: 'session' })
  expect(ended).toHaveBeenCalledOnce()
  expect(live.link).toBe('ended')
})

describe('the leader', () => {
  const withParts = (...names: string[]) => {
    const doc = emptyDocument(1, now)
    doc.meta.publisher = 'web-01:2210'
    const components = Object.fromEntries(names.map((name) => [name, { status: 'ok', detail: '', took_ms: null }]))
    doc.dashboard.system = { components } as unknown as NonNullable<typeof doc.dashboard.system>
    const live = new Live()
    live.boot(boot(), doc, now)
    return live
  }

  test.each([[['database', 'redis']], [['database', 'postgres link']]])('is known of servers joined by %s', (names) => {
    expect(withParts(...names).leader).toBe('web-01:2210')
  })

  test('goes without saying of a server alone, and before there is a document', () => {
    expect(withParts('database', 'cache').leader).toBeUndefined()
    expect(new Live().leader).toBeUndefined()
  })
})
