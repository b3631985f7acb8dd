/**
 * One event stream for all tabs of a browser. A browser opens only six connections to a server over HTTP/1.1, all tabs
 * together, and a stream takes one for good: with one each, the seventh tab gets no answer at all.
 *
 * The tab that holds the lock `name` has the stream and hands on what it hears to the others over the channel of that name.
 * When it closes, rests or loses its stream, the lock passes to the tab that waited longest, which opens one from the revision
 * it has. What a tab misses meanwhile shows as a gap, as on any stream; it is filled by reading the document once.
 */
export interface Source {
  /** The stream's address as of now: it names the revision held. */
  url(): string
  /** Whether nothing is held to build on: the whole document is needed. */
  whole: boolean
}

interface Message {
  event: string
  data?: string
}

const events = ['snapshot', 'patch', 'beat', 'end']
/** A tab that holds the lock and does not answer for so long is stuck: the lock is taken from it. */
export const answerMs = 3_000

export class SharedStream extends EventTarget {
  #channel: BroadcastChannel
  #stream: EventSource | null = null
  #waiting = new AbortController()
  #open = false
  #closed = false
  #release = () => {}
  #unanswered: ReturnType<typeof setTimeout>
  /** What others hear while the whole document is on its way. */
  #held: Message[] | null = null

  constructor(
    name: string,
    private readonly source: Source,
    private readonly openStream: (url: string) => EventSource,
    private readonly readDocument: () => Promise<string>,
  ) {
    super()
    this.#channel = new BroadcastChannel(name)
    this.#channel.onmessage = ({ data }) => this.#hear(data as Message)
    this.#unanswered = setTimeout(() => {
      this.#waiting.abort()
      this.#lock(name, { steal: true })
    }, answerMs)
    this.#lock(name, { signal: this.#waiting.signal })
    this.#channel.postMessage({ event: 'ask' } satisfies Message)
  }

  close() {
    this.#closed = true
    clearTimeout(this.#unanswered)
    this.#channel.close()
    this.#waiting.abort()
    this.#stream?.close()
    this.#release()
  }

  #lock(name: string, options: LockOptions) {
    navigator.locks
      .request(name, options, () => this.#lead())
      .catch(() => {
        if (!this.#stream) return // waited in vain
        this.#stream.close() // another tab has taken the lock
        this.#notify({ event: 'error' })
      })
  }

  /** Holds the lock, and the stream, until it is closed. */
  async #lead() {
    if (this.#closed) return
    clearTimeout(this.#unanswered)
    this.#held = null
    const stream = this.openStream(this.source.url())
    this.#stream = stream
    stream.addEventListener('open', () => {
      this.#open = true
      this.#pass({ event: 'open' })
    })
    stream.addEventListener('error', () => this.#notify({ event: 'error' })) // the others' turn comes with the lock
    for (const event of events) {
      stream.addEventListener(event, (e) => this.#pass({ event, data: (e as MessageEvent<string>).data }))
    }
    await new Promise<void>((released) => (this.#release = released))
  }

  #pass(message: Message) {
    if (!this.#closed) this.#channel.postMessage(message)
    this.#notify(message)
  }

  #hear(message: Message) {
    if (message.event === 'ask') {
      if (this.#stream) this.#channel.postMessage({ event: this.#open ? 'open' : 'here' } satisfies Message)
      return
    }
    if (this.#stream) return // of one from which the lock was taken
    clearTimeout(this.#unanswered)
    if (message.event === 'open' && this.source.whole && !this.#held) void this.#catchUp()
    if (this.#held) this.#held.push(message)
    else this.#notify(message)
  }

  async #catchUp() {
    this.#held = []
    const data = await this.readDocument().catch(() => null)
    const missed = this.#held
    this.#held = null
    if (this.#closed || this.#stream || !missed) return
    if (data === null) return this.#notify({ event: 'error' })
    this.#notify({ event: 'snapshot', data })
    for (const message of missed) this.#notify(message)
  }

  #notify({ event, data }: Message) {
    if (this.#closed) return
    this.dispatchEvent(data === undefined ? new Event(event) : new MessageEvent(event, { data }))
  }
}
