/** Tabs of one browser: node has the channel, the locks are made here. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { answerMs, SharedStream } from './shared-stream'
import { FakeStream } from './testing/fakes'

/** Locks as the standard has them, as far as they are used here. */
class FakeLocks {
  #held: { reject: (cause: Error) => void } | null = null
  #queue: (() => void)[] = []

  request = (_: string, options: LockOptions, hold: () => Promise<void>) =>
    new Promise<void>((resolve, reject) => {
      const take = () => {
        if (options.signal?.aborted) return this.#next()
        const mine = { reject }
        this.#held = mine
        hold().then(() => {
          resolve()
          if (this.#held === mine) this.#next()
        }, reject)
      }
      options.signal?.addEventListener('abort', () => reject(new Error('aborted')))
      if (options.steal) {
        this.#held?.reject(new Error('stolen'))
        take()
      } else if (this.#held) this.#queue.push(take)
      else take()
    })

  #next() {
    this.#held = null
    this.#queue.shift()?.()
  }
}

let streams: FakeStream[]
let read: number
let tabs: SharedStream[]
let received: Map<SharedStream, string[]>

function tab(revision: number | null): SharedStream {
  const shared = new SharedStream(
    'test',
    { url: () => `?revision=${revision}`, whole: revision === null },
    (url) => {
      const stream = new FakeStream(url)
      streams.push(stream)
      return stream as unknown as EventSource
    },
    () => (read++, Promise.resolve('{"whole":true}')),
  )
  const events: string[] = []
  for (const name of ['open', 'error', 'snapshot', 'patch', 'beat', 'end'])
    shared.addEventListener(name, (e) => events.push(`${name} ${(e as MessageEvent).data ?? ''}`.trim()))
  received.set(shared, events)
  tabs.push(shared)
  return shared
}

beforeEach(() => {
  streams = []
  read = 0
  tabs = []
  received = new Map()
  vi.stubGlobal('navigator', { locks: new FakeLocks() })
})
afterEach(() => {
  for (const tab of tabs) tab.close()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** Waits until a tab has received an event. */
const receives = (tab: SharedStream, event: string) => vi.waitFor(() => expect(received.get(tab)).toContain(event))

test('the first tab has the stream, the others hear what it receives', async () => {
  const [first, second, third] = [tab(1), tab(1), tab(1)]
  streams[0]!.open()
  streams[0]!.send('patch', { from: 1, to: 2 })
  for (const tab of [first, second, third]) await receives(tab, 'patch {"from":1,"to":2}')
  expect(streams).toHaveLength(1)
})

test('a tab that opens later learns that the stream is open', async () => {
  tab(1)
  streams[0]!.open()
  await receives(tab(1), 'open')
  expect([streams.length, read]).toEqual([1, 0])
})

test('a tab without a document reads it once, and then receives what came meanwhile', async () => {
  tab(1)
  streams[0]!.open()
  const late = tab(null)
  await vi.waitFor(() => expect(read).toBe(1))
  streams[0]!.send('patch', { from: 7, to: 8 })
  await receives(late, 'patch {"from":7,"to":8}')
  expect(received.get(late)).toEqual(['snapshot {"whole":true}', 'open', 'patch {"from":7,"to":8}'])
})

test('a stream that is still connecting is waited for', async () => {
  vi.useFakeTimers()
  tab(1)
  const second = tab(1)
  const channel = new BroadcastChannel('test')
  const answered = new Promise((resume) => (channel.onmessage = resume))
  channel.postMessage({ event: 'ask' })
  await answered
  channel.close()
  await vi.advanceTimersByTimeAsync(answerMs)
  expect(streams).toHaveLength(1)
  expect(received.get(second)).toEqual([])
})

test('when the tab with the stream closes, the next one opens its own from where it is', async () => {
  const [first, second] = [tab(1), tab(5)]
  first.close()
  await vi.waitFor(() => expect(streams).toHaveLength(2))
  expect(streams[0]!.closed).toBe(true)
  expect(streams[1]!.url).toBe('?revision=5')
  streams[1]!.open()
  await receives(second, 'open')
})

test('a session that ends ends in all tabs', async () => {
  const [, second] = [tab(1), tab(1)]
  streams[0]!.send('end', { reason: 'session' })
  await receives(second, 'end {"reason":"session"}')
})

test('a lost stream is the own trouble of the tab that had it', async () => {
  const [first, second] = [tab(1), tab(1)]
  streams[0]!.open()
  await receives(second, 'open')
  streams[0]!.fail()
  expect(received.get(first)).toContain('error')
  first.close()
  await vi.waitFor(() => expect(streams).toHaveLength(2))
  expect(received.get(second)).not.toContain('error')
})

test('a tab that is stuck loses the stream to one that is not', async () => {
  vi.useFakeTimers()
  const stuck = new FakeLocks()
  vi.stubGlobal('navigator', { locks: stuck })
  let lost = false
  void stuck.request('test', {}, () => new Promise<void>(() => {})).catch(() => (lost = true))
  const second = tab(3)
  expect(streams).toHaveLength(0)
  await vi.advanceTimersByTimeAsync(answerMs)
  expect(lost).toBe(true)
  streams[0]!.open()
  expect(received.get(second)).toContain('open')
})

test('a tab from which the stream is taken says so', async () => {
  const first = tab(1)
  void navigator.locks.request('test', { steal: true }, () => new Promise<void>(() => {}))
  await receives(first, 'error')
  expect(streams[0]!.closed).toBe(true)
})

test('a closed tab neither receives nor opens anything', async () => {
  const [first, second, third] = [tab(1), tab(1), tab(1)]
  second.close()
  first.close()
  await vi.waitFor(() => expect(streams).toHaveLength(2))
  streams[1]!.send('beat', {})
  await receives(third, 'beat {}')
  expect(received.get(second)).not.toContain('beat {}')
})
