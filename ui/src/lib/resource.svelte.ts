import { ApiError } from './api'

/** Something asked from the API: the last value stays while the next one is under way or has failed. */
export class Resource<T> {
  value = $state.raw<T | null>(null)
  error = $state.raw<ApiError | null>(null)
  loading = $state(false)
  #abort: AbortController | null = null

  /** Asks anew; an earlier question still under way is dropped. Returns what drops this one. */
  load(ask: (signal: AbortSignal) => Promise<T>): () => void {
    this.#abort?.abort()
    const abort = new AbortController()
    this.#abort = abort
    this.loading = true
    ask(abort.signal).then(
      (value) => this.#finish(abort, () => ((this.value = value), (this.error = null))),
      (error) =>
        this.#finish(abort, () => (this.error = error instanceof ApiError ? error : new ApiError(0, String(error)))),
    )
    return () => abort.abort()
  }

  #finish(abort: AbortController, apply: () => void) {
    if (abort.signal.aborted) return
    this.loading = false
    apply()
  }
}
