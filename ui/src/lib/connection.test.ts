import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  Connection,
  hiddenPollMs,
  pollMs,
  servedBy,
  silenceMs,
  type Link,
  type Patch,
  type Receiver,
} from './connection'
import { emptyDocument, FakeServer } from './testing/fakes'
import type { Document } from './types/document'

class FakeReceiver implements Receiver {
  held: number | null = 100
  fits = true
  snapshots: Document[] = []
  patches: Patch[] = []
  links: Link[] = []
  problem: string | null = null
  times: string[] = []
  ended = false

  revision = () => this.held
  snapshot = (doc: Document) => {
    this.snapshots.push(doc)
    this.held = doc.meta.revision
  }
  patch = (patch: Patch) => {
    this.patches.push(patch)
    if (this.fits) this.held = patch.to
    return this.fits
  }
  serverTime = (at: string) => void this.times.push(at)
  linked = (link: Link, problem: string | null) => {
    this.links.push(link)
    this.problem = problem
  }
  sessionEnded = () => void (this.ended = true)
}

const now = Date.parse('2026-11-23T12:00:00Z')
const beat = (revision: number) => ({ revision, now: new Date().toISOString() })

let server: FakeServer
let receiver: FakeReceiver
let connection: Connection

beforeEach(() => {
  vi.useFakeTimers({ now })
  server = new FakeServer()
  receiver = new FakeReceiver()
  connection = new Connection(receiver, server)
})

afterEach(() => {
  connection.stop()
  vi.useRealTimers()
})

/** Lets promises that are ready go on. */
const answered = () => vi.advanceTimersByTimeAsync(0)

describe('while the stream flows', () => {
  test('it resumes from the revision of the page and asks for nothing else', async () => {
    connection.start()
    server.stream.open()
    server.stream.send('patch', { from: 100, to: 101, patch: {} })
    await answered()
    expect(server.stream.url).toBe('/api/admin/stream?revision=100')
    expect(receiver.patches).toHaveLength(1)
    expect(receiver.links.at(-1)).toBe('live')
    expect(server.asked).toHaveLength(0)
  })

  test('a page without a document asks for one at once', async () => {
    receiver.held = null
    server.answer = () => Response.json(emptyDocument(7, now))
    connection.start()
    await answered()
    expect(server.stream.url).toBe('/api/admin/stream')
    expect(receiver.snapshots).toHaveLength(1)
  })

  test('beats keep it alive', async () => {
    connection.start()
    server.stream.open()
    for (let i = 0; i < 6; i++) {
      await vi.advanceTimersByTimeAsync(10_000)
      server.stream.send('beat', beat(100))
    }
    expect(receiver.links.at(-1)).toBe('live')
    expect(receiver.times).toHaveLength(6)
    expect(server.streams).toHaveLength(1)
  })

  test('a gap reconnects at once for the whole document', async () => {
    connection.start()
    server.stream.open()
    const first = server.stream
    receiver.fits = false
    first.send('patch', { from: 150, to: 151, patch: {} })
    expect(first.closed).toBe(true)
    expect(server.stream.url).toBe('/api/admin/stream')
    server.stream.send('snapshot', emptyDocument(151, now))
    expect(receiver.held).toBe(151)
  })

  test('gap upon gap is a failure: it polls and backs off instead of spinning', async () => {
    connection.start()
    receiver.fits = false
    server.stream.send('patch', { from: 150, to: 151, patch: {} })
    server.stream.send('patch', { from: 152, to: 153, patch: {} })
    expect(server.streams).toHaveLength(2)
    await answered()
    expect(server.asked).toHaveLength(1)
  })

  test('a revision named by one beat and still lacking at the next is a gap', () => {
    connection.start()
    server.stream.open()
    server.stream.send('beat', beat(120))
    expect(server.streams).toHaveLength(1)
    server.stream.send('beat', beat(120))
    expect(server.stream.url).toBe('/api/admin/stream')
  })

  test('events of a stream that was given up are ignored', () => {
    connection.start()
    const old = server.stream
    old.open()
    old.fail()
    old.send('patch', { from: 100, to: 101, patch: {} })
    expect(receiver.patches).toHaveLength(0)
  })
})

describe('when the stream is cut', () => {
  test('it polls at once and every five seconds, with the tag of the last answer', async () => {
    const answers = [
      () =>
        Response.json(emptyDocument(200, now), {
          headers: { ETag: '"200"', 'Cache-Status': 'agentos; hit; detail=memory' },
        }),
      () => new Response(null, { status: 304 }),
    ]
    server.answer = () => (answers.shift() ?? (() => new Response(null, { status: 304 })))()
    connection.start()
    server.stream.fail()
    await answered()
    expect(receiver.links.at(-1)).toBe('polling')
    await vi.advanceTimersByTimeAsync(pollMs)
    expect(server.asked.map((request) => request.headers.get('If-None-Match'))).toEqual([null, '"200"'])
    expect(receiver.snapshots).toHaveLength(1)
  })

  test('silence counts as cut', async () => {
    connection.start()
    server.stream.open()
    const silent = server.stream
    await vi.advanceTimersByTimeAsync(silenceMs)
    expect(silent.closed).toBe(true)
    expect(server.asked).toHaveLength(1)
  })

  test('it goes back to the stream with growing pauses, and stops polling once it flows', async () => {
    server.answer = () => new Response(null, { status: 304 })
    connection.start()
    const waits: number[] = []
    for (let i = 0; i < 4; i++) {
      const from = Date.now()
      const opened = server.streams.length
      server.stream.fail()
      while (server.streams.length === opened) await vi.advanceTimersByTimeAsync(500)
      waits.push(Date.now() - from)
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000])
    server.stream.send('beat', beat(100))
    const asked = server.asked.length
    await vi.advanceTimersByTimeAsync(9_000)
    expect(server.asked).toHaveLength(asked)
    expect(receiver.links.at(-1)).toBe('live')
  })

  test('an unreachable server is reported, and polled further', async () => {
    server.answer = () => Promise.reject(new TypeError('fetch failed'))
    connection.start()
    server.stream.fail()
    await answered()
    expect(receiver.links.at(-1)).toBe('offline')
    expect(receiver.problem).toBe('The server cannot be reached.')
    server.answer = () => Response.json(emptyDocument(300, now))
    await vi.advanceTimersByTimeAsync(pollMs)
    expect(receiver.held).toBe(300)
    expect(receiver.problem).toBeNull()
  })

  test('a server that is back has its stream at once, however long the pause has grown', async () => {
    server.answer = () => Promise.reject(new TypeError('fetch failed'))
    connection.start()
    for (let i = 0; i < 5; i++) {
      server.stream.fail()
      await vi.advanceTimersByTimeAsync(15_000)
    }
    server.stream.fail()
    const opened = server.streams.length
    server.answer = () => new Response(null, { status: 304 })
    await vi.advanceTimersByTimeAsync(pollMs)
    expect(server.streams.length).toBe(opened + 1)
  })

  test('the words of a problem are handed on', async () => {
    server.answer = () => Response.json({ detail: 'Nothing was collected yet.' }, { status: 503 })
    connection.start()
    server.stream.fail()
    await answered()
    expect(receiver.problem).toBe('Nothing was collected yet.')
  })

  test('a hidden page polls less often', async () => {
    server.answer = () => new Response(null, { status: 304 })
    connection.start()
    server.isHidden = true
    server.stream.fail()
    await answered()
    const asked = server.asked.length
    await vi.advanceTimersByTimeAsync(pollMs * 2)
    expect(server.asked).toHaveLength(asked)
    await vi.advanceTimersByTimeAsync(hiddenPollMs)
    expect(server.asked.length).toBeGreaterThan(asked)
  })

  test('a page hidden for long gives its stream back, and has it again when looked at', async () => {
    server.answer = () => new Response(null, { status: 304 })
    connection.start()
    server.stream.open()
    server.isHidden = true
    connection.hide()
    for (let i = 0; i < 3; i++) {
      await vi.advanceTimersByTimeAsync(server.restAfterMs / 3)
      server.stream.send('beat', beat(100))
    }
    expect(server.stream.closed).toBe(true)
    expect(server.asked).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(hiddenPollMs * 4)
    expect(server.streams).toHaveLength(1)
    expect(server.asked).toHaveLength(5)
    server.isHidden = false
    connection.wake()
    server.stream.open()
    expect(server.streams).toHaveLength(2)
    expect(receiver.links.at(-1)).toBe('live')
  })

  test('a page that is hidden from the start has no stream until it is looked at', async () => {
    server.isHidden = true
    server.answer = () => new Response(null, { status: 304 })
    connection.start()
    await vi.advanceTimersByTimeAsync(hiddenPollMs - 1)
    expect([server.streams.length, server.asked.length]).toEqual([0, 0])
    await vi.advanceTimersByTimeAsync(hiddenPollMs * 2)
    expect([server.streams.length, server.asked.length]).toEqual([0, 2])
    server.isHidden = false
    connection.wake()
    expect(server.stream.url).toBe('/api/admin/stream?revision=100')
    server.stream.open()
    expect(receiver.links.at(-1)).toBe('live')
  })

  test('a hidden page without a document asks for one, and has no stream', async () => {
    server.isHidden = true
    receiver.held = null
    server.answer = () => Response.json(emptyDocument(7, now))
    connection.start()
    await answered()
    expect(receiver.held).toBe(7)
    expect(server.streams).toHaveLength(0)
  })

  test('a page hidden for a moment keeps its stream', async () => {
    connection.start()
    server.stream.open()
    connection.hide()
    await vi.advanceTimersByTimeAsync(5_000)
    connection.wake()
    await vi.advanceTimersByTimeAsync(9_000)
    server.stream.send('beat', beat(100))
    await vi.advanceTimersByTimeAsync(server.restAfterMs / 3)
    expect(server.streams).toHaveLength(1)
    expect(server.stream.closed).toBe(false)
  })

  test('a page that is looked at again does not wait', async () => {
    server.answer = () => new Response(null, { status: 304 })
    connection.start()
    for (let i = 0; i < 5; i++) {
      server.stream.fail()
      await vi.advanceTimersByTimeAsync(1)
    }
    const opened = server.streams.length
    connection.wake()
    expect(server.streams).toHaveLength(opened + 1)
  })

  test('a server that stops is waited for', async () => {
    connection.start()
    server.stream.open()
    server.stream.send('end', { reason: 'shutdown' })
    expect(receiver.ended).toBe(false)
    await vi.advanceTimersByTimeAsync(1000)
    expect(server.streams).toHaveLength(2)
  })
})

describe('when the session is over', () => {
  test('by the stream', () => {
    connection.start()
    server.stream.send('end', { reason: 'session' })
    expect(receiver.ended).toBe(true)
    expect(server.stream.closed).toBe(true)
  })

  test('by a 401, and then nothing is asked any more', async () => {
    server.answer = () => new Response(null, { status: 401 })
    connection.start()
    server.stream.fail()
    await answered()
    expect(receiver.ended).toBe(true)
    const [asked, opened] = [server.asked.length, server.streams.length]
    await vi.advanceTimersByTimeAsync(120_000)
    expect([server.asked.length, server.streams.length]).toEqual([asked, opened])
  })
})

test.each([
  ['agentos; hit; detail=memory', { rung: 'memory', age_s: 3, stale: false }],
  ['agentos; hit; detail="last good"', { rung: 'last good', age_s: 3, stale: true }],
  ['', { rung: 'server', age_s: 3, stale: false }],
])('reads Cache-Status %s', (header, expected) => {
  expect(servedBy(new Headers({ 'Cache-Status': header, Age: '3' }))).toEqual(expected)
})
