/** Stand-ins for the browser's side of the wire. Used by tests alone. */
import type { Environment, Stream } from '../connection'
import type { Source } from '../shared-stream'
import type { Document } from '../types/document'

export class FakeStream extends EventTarget {
  closed = false

  constructor(readonly url: string) {
    super()
  }

  close() {
    this.closed = true
  }

  open() {
    this.dispatchEvent(new Event('open'))
  }

  fail() {
    this.dispatchEvent(new Event('error'))
  }

  send(name: string, data: unknown) {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }))
  }
}

export class FakeServer implements Environment {
  streams: FakeStream[] = []
  asked: Request[] = []
  isHidden = false
  answer: () => Response | Promise<Response> = () => new Response(null, { status: 503 })

  restAfterMs = 30_000

  openStream = (source: Source): Stream => {
    const stream = new FakeStream(source.url())
    this.streams.push(stream)
    return stream
  }

  fetch: typeof fetch = async (input, init) => {
    this.asked.push(new Request(new URL(input as string, 'http://fake'), init))
    return this.answer()
  }

  hidden = () => this.isHidden

  get stream(): FakeStream {
    return this.streams.at(-1)!
  }
}

/** A document with nothing in it but its age. */
export function emptyDocument(revision: number, at: number): Document {
  const timestamp = new Date(at).toISOString()
  return {
    dashboard: { system: null, workers: null, queue: null, jobs: null },
    agents_workers: { agents: null },
    analytics: null,
    logs: null,
    timestamp,
    meta: { version: 4, revision, as_of: timestamp, stale: false, interval_ms: 5000, fresh_ms: 15_000, sections: {} },
  }
}
