import { untrack } from 'svelte'
import { logPage, readLog, wordsOf } from './api'
import type { LogLine } from './types/document'

const waitS = 10
const retryMs = 3_000
const limit = 10_050

/** The log of one attempt, followed while it runs. */
export class RunLog {
  lines = $state.raw<LogLine[]>([])
  done = $state(false)
  loaded = $state(false)
  error = $state<string | null>(null)
  /** Older lines were dropped from the page. */
  cut = $state(false)

  /** Reads and follows until the run ends. Returns what stops it. */
  follow(run: string): () => void {
    const abort = new AbortController()
    void untrack(() => this.#loop(run, abort.signal)) // callers are effects; what it reads is none of theirs
    return () => abort.abort()
  }

  async #loop(run: string, signal: AbortSignal) {
    let after = this.lines.at(-1)?.id ?? 0
    while (!signal.aborted && !this.done) {
      try {
        await seen()
        // The first page comes at once; then each question waits for the next line.
        const page = await whileSeen(signal, (signal) => readLog(run, after, this.loaded ? waitS : 0, signal))
        if (signal.aborted) return
        if (!page) continue
        if (page.lines.length) this.lines = [...this.lines, ...page.lines].slice(-limit)
        this.cut = this.cut || this.lines.length === limit
        after = page.next
        this.done = page.done && page.lines.length < logPage
        this.loaded = true
        this.error = null
      } catch (error) {
        if (signal.aborted) return
        this.error = wordsOf(error)
        await new Promise((resume) => setTimeout(resume, retryMs))
      }
    }
  }
}

/** Drops the question, with null for an answer, when the page is hidden. */
async function whileSeen<T>(signal: AbortSignal, ask: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  const hidden = new AbortController()
  const onHide = () => document.hidden && hidden.abort()
  document.addEventListener('visibilitychange', onHide)
  try {
    return await ask(AbortSignal.any([signal, hidden.signal]))
  } catch (error) {
    if (hidden.signal.aborted) return null
    throw error
  } finally {
    document.removeEventListener('visibilitychange', onHide)
  }
}

/** A hidden page does not follow: a waiting question takes one of the browser's few connections. */
function seen(): Promise<void> {
  if (!document.hidden) return Promise.resolve()
  return new Promise((resume) => document.addEventListener('visibilitychange', () => resume(), { once: true }))
}
