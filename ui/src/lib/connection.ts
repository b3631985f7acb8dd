/**
 * Keeps documents coming: by the server's event stream while it flows, by polling while it does not. It holds no data;
 * what arrives goes to the Receiver.
 *
 *   connecting → live ⇄ polling ⇄ offline; ended is final (the session is over).
 *
 * A page that is hidden, from the start or for long, rests: it has no stream and polls seldom. Browsers open only six
 * connections to a server over HTTP/1.1, all tabs together: see shared-stream.ts.
 *
 * Timings: the server beats every 10 s, so 15 s of silence means the stream is cut even when the socket says otherwise.
 */
import { to } from './base'
import { parseJson } from './exact'
import { SharedStream, type Source } from './shared-stream'
import type { Document, Maybe, Served } from './types/document'

export type Link = 'connecting' | 'live' | 'polling' | 'offline' | 'ended'

export interface Patch {
  from: number
  to: number
  patch: unknown
}

export interface Receiver {
  /** The revision held, or null when there is nothing to build on. */
  revision(): number | null
  /** A whole document. `served` is known for polled ones only. */
  snapshot(doc: Document, served: Served | null): void
  /** A step from one revision to the next. False: it does not fit, send everything. */
  patch(patch: Patch): boolean
  /** The server's clock, as just received. */
  serverTime(at: string): void
  linked(link: Link, problem: string | null): void
  sessionEnded(): void
}

/** What a connection needs of an EventSource. */
export interface Stream {
  addEventListener(event: string, listener: (event: Event) => void): void
  close(): void
}

export interface Environment {
  openStream(source: Source): Stream
  fetch(path: string, init?: RequestInit): Promise<Response>
  hidden(): boolean
  /** How long a page is hidden before it rests. */
  restAfterMs: number
}

/** The browser's own: one stream for all tabs of a viewer. Without locks, which only secure origins have, each visible tab has one. */
export function browser(viewer: string): Environment {
  const shared = (navigator as Partial<Navigator>).locks !== undefined
  const open = (path: string) => new EventSource(to(path))
  const text = async () => {
    const response = await fetch(to(documentPath), { cache: 'no-store', signal: AbortSignal.timeout(requestTimeoutMs) })
    if (!response.ok) throw new Error(`${response.status}`)
    return response.text()
  }
  return {
    openStream: (source) =>
      shared ? new SharedStream(`${to(streamPath)} ${viewer}`, source, open, text) : open(source.url()),
    fetch: (path, init) => fetch(to(path), init),
    hidden: () => document.hidden,
    restAfterMs: shared ? 30_000 : 2_000,
  }
}

const streamPath = '/api/admin/stream'
const documentPath = '/api/admin/ssot'

export const silenceMs = 15_000
export const pollMs = 5_000
export const hiddenPollMs = 30_000
export const requestTimeoutMs = 10_000
const backoffMs = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000]
const gapWindowMs = 5_000

export class Connection {
  #stream: Stream | null = null
  #silence: Timer
  #retry: Timer
  #poll: Timer
  #rest: Timer
  #resting = false
  #failures = 0
  #lastGap = -Infinity
  #lastBeat: number | null = null
  #polling = false
  #etag: string | null = null
  #link: Link = 'connecting'

  constructor(
    private readonly receiver: Receiver,
    private readonly env: Environment,
  ) {}

  /** Opens the stream, of a page that is seen. Without a document to show, asks for one at once as well. */
  start() {
    this.#resting = this.env.hidden()
    const empty = this.receiver.revision() === null
    if (!this.#resting) this.#open()
    if (empty) this.#startPolling()
    else if (this.#resting) this.#pollLater()
  }

  /** Ends everything; nothing is called any more. */
  stop() {
    this.#link = 'ended'
    this.#closeStream()
    clearTimeout(this.#retry)
    clearTimeout(this.#rest)
    this.#stopPolling()
  }

  /** The page is no longer looked at. */
  hide() {
    clearTimeout(this.#rest)
    if (this.#link === 'ended') return
    this.#rest = setTimeout(() => {
      this.#resting = true
      this.#fail()
    }, this.env.restAfterMs)
  }

  /** The page is looked at again, or the network is back: do not sit out the backoff. */
  wake() {
    clearTimeout(this.#rest)
    this.#resting = false
    if (this.#link === 'ended' || this.#link === 'live') return
    this.#failures = 0
    this.#open()
    this.#stopPolling()
    this.#startPolling()
  }

  /** `whole`: what is held is of no use. */
  #open(whole = this.receiver.revision() === null) {
    this.#closeStream()
    clearTimeout(this.#retry)
    const source: Source = {
      whole,
      url: () => streamPath + (source.whole ? '' : `?revision=${this.receiver.revision()}`),
    }
    const stream = this.env.openStream(source)
    this.#stream = stream
    this.#lastBeat = null
    this.#armSilence()
    const on = (name: string, handle: (data: string) => void) =>
      stream.addEventListener(name, (event) => {
        if (stream === this.#stream) handle((event as MessageEvent<string>).data)
      })
    on('open', () => this.#flowing())
    on('error', () => this.#fail())
    on('snapshot', (data) => {
      this.#flowing(true)
      source.whole = false
      this.receiver.snapshot(parseJson<Document>(data), null)
    })
    on('patch', (data) => {
      this.#flowing(true)
      if (!this.receiver.patch(parseJson<Patch>(data))) this.#gap()
    })
    on('beat', (data) => {
      this.#flowing(true)
      this.#beat(JSON.parse(data) as { revision: number; now: string })
    })
    on('end', (data) => {
      if ((JSON.parse(data) as { reason: string }).reason === 'session') this.#endSession()
      else this.#fail()
    })
  }

  #flowing(proven = false) {
    if (proven) this.#failures = 0
    this.#armSilence()
    this.#stopPolling()
    this.#say('live')
  }

  /** A beat that names a revision we still lack by the next beat: a patch was lost on the way. */
  #beat(beat: { revision: number; now: string }) {
    this.receiver.serverTime(beat.now)
    const held = this.receiver.revision()
    const missed = this.#lastBeat !== null && (held === null || held < this.#lastBeat)
    this.#lastBeat = beat.revision
    if (missed) this.#gap()
  }

  #gap() {
    const again = Date.now() - this.#lastGap < gapWindowMs
    this.#lastGap = Date.now()
    if (again) this.#fail()
    else this.#open(true)
  }

  #fail() {
    this.#closeStream()
    const wait = backoffMs[Math.min(this.#failures++, backoffMs.length - 1)]!
    clearTimeout(this.#retry)
    if (!this.#resting) this.#retry = setTimeout(() => this.#open(), wait)
    this.#startPolling()
  }

  #armSilence() {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => this.#fail(), silenceMs)
  }

  #closeStream() {
    clearTimeout(this.#silence)
    this.#stream?.close()
    this.#stream = null
  }

  #startPolling() {
    if (this.#polling) return
    this.#polling = true
    void this.#ask()
  }

  #pollLater() {
    this.#polling = true
    this.#poll = setTimeout(() => void this.#ask(), this.env.hidden() ? hiddenPollMs : pollMs)
  }

  #stopPolling() {
    this.#polling = false
    clearTimeout(this.#poll)
  }

  async #ask() {
    clearTimeout(this.#poll)
    try {
      const response = await this.env.fetch(documentPath, {
        headers: this.#etag ? { 'If-None-Match': this.#etag } : {},
        cache: 'no-store',
        signal: AbortSignal.timeout(requestTimeoutMs),
      })
      if (response.status === 401) return this.#endSession()
      const doc = response.status === 200 ? parseJson<Document>(await response.text()) : null
      if (!this.#polling) return // the stream was quicker
      if (doc) {
        this.#etag = response.headers.get('ETag')
        this.receiver.snapshot(doc, servedBy(response.headers))
      }
      if (this.#link === 'offline' && !this.#resting) {
        this.#failures = 0 // the server is back: the stream need not wait out its pause
        this.#open()
      }
      if (doc || response.status === 304) this.#say('polling')
      else this.#say('polling', await problemOf(response))
    } catch (cause) {
      if (!this.#polling) return
      const slow = cause instanceof DOMException && cause.name === 'TimeoutError'
      this.#say('offline', slow ? 'The server does not answer.' : 'The server cannot be reached.')
    }
    if (this.#polling) this.#pollLater()
  }

  #endSession() {
    this.stop()
    this.receiver.sessionEnded()
  }

  #say(link: Link, problem: string | null = null) {
    this.#link = link
    this.receiver.linked(link, problem)
  }
}

type Timer = ReturnType<typeof setTimeout> | undefined

/** Reads the RFC 9211 header: `agentos; hit; detail=memory` → rung "memory". */
export function servedBy(headers: Headers): Served {
  const status = headers.get('Cache-Status') ?? ''
  const detail = /detail="?([\w .-]+)"?/.exec(status)?.[1]
  return { rung: detail ?? 'server', age_s: Number(headers.get('Age') ?? 0), stale: /stale|last[ -]good/.test(status) }
}

async function problemOf(response: Response): Promise<string> {
  const body = (await response.json().catch(() => null)) as Maybe<{ detail?: string; title?: string }>
  return body?.detail ?? body?.title ?? `The server answered ${response.status}.`
}
