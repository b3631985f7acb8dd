/** One page of the job list, kept true while it is looked at: its rows follow the document, newer jobs are counted. */
import { untrack } from 'svelte'
import { live } from './app'
import { ApiError, listJobs, pageSize } from './api'
import { noFilters, type JobFilters } from './filters'
import type { JobPage } from './types/api'
import type { Job } from './types/document'

const quietMs = 4_000

/** A page of the list as it was shown. */
export interface Kept {
  rows: Job[]
  next: string | null
  searched: number | null
  searchCut: number
  order: JobPage['order']
}

export class JobList {
  loading = $state(true)
  error = $state.raw<ApiError | null>(null)
  next = $state<string | null>(null)
  /** How many jobs were searched before the time limit was reached. */
  searched = $state<number | null>(null)
  /** Of how many the arguments were searched in part. */
  searchCut = $state(0)
  /** What the rows are in the order of, latest first. */
  order = $state<JobPage['order']>('created')
  /** Jobs that fit and are newer than the first row. */
  newer = $state(0)
  #rows = $state.raw<Job[]>([])
  #filters: JobFilters | null = null
  #cursor: string | null = null
  #abort: AbortController | null = null
  #askedAt = 0

  /** The rows, each in the newest state known of it. */
  get jobs(): Job[] {
    const jobs = live.doc?.dashboard.jobs
    return this.#rows.map((row) => fresher(row, jobs?.running[row.id] ?? jobs?.newest[row.id]))
  }

  /** Shows the page of these filters. Returns what drops the question. */
  show(filters: JobFilters, cursor: string | null): () => void {
    this.#filters = filters
    this.#cursor = cursor
    this.newer = 0
    this.loading = true
    return this.#ask((page) => {
      this.#rows = page.jobs
      this.next = page.next ?? null
      this.searched = page.search_bounded ? (page.searched ?? null) : null
      this.searchCut = page.search_cut ?? 0
      this.order = page.order
    })
  }

  /** What is shown, to be shown again by recall. */
  keep(): Kept {
    return { rows: this.#rows, next: this.next, searched: this.searched, searchCut: this.searchCut, order: this.order }
  }

  /** Shows again what was kept, at once; the next document brings it up to date. */
  recall(kept: Kept, filters: JobFilters, cursor: string | null) {
    this.#abort?.abort()
    this.#filters = filters
    this.#cursor = cursor
    this.#rows = kept.rows
    this.next = kept.next
    this.searched = kept.searched
    this.searchCut = kept.searchCut
    this.order = kept.order
    this.newer = 0
    this.#askedAt = 0
    this.loading = false
    this.error = null
  }

  /** Shows nothing, and asks for nothing. */
  clear() {
    this.#abort?.abort()
    this.recall({ rows: [], next: null, searched: null, searchCut: 0, order: 'created' }, noFilters, null)
    this.#filters = null
  }

  /** Shows the same page as it is now. */
  reload() {
    if (this.#filters) this.show(this.#filters, this.#cursor)
  }

  remove(ids: string[]) {
    this.#rows = this.#rows.filter(({ id }) => !ids.includes(id))
  }

  /** Called with every new document: asks again, at most every few seconds, when the rows may have moved on. */
  follow() {
    untrack(() => this.#follow())
  }

  #follow() {
    if (!this.#filters || this.loading || this.error || document.hidden || Date.now() - this.#askedAt < quietMs) return
    const top = this.order === 'ended' ? undefined : this.#rows[0]
    const newest = Object.values(live.doc?.dashboard.jobs?.newest ?? {}).some((job) => !top || job.order < top.order)
    const moving = this.#rows.some(({ finalized_at }) => finalized_at == null)
    if (!moving && !(newest && this.#cursor === null)) return
    this.#ask((page) => {
      const known = Object.fromEntries(page.jobs.map((job) => [job.id, job]))
      this.#rows = this.#rows.map((row) => known[row.id] ?? row)
      if (this.#cursor === null) this.newer = newerThan(this.#rows, page)
    })
  }

  #ask(take: (page: JobPage) => void): () => void {
    this.#abort?.abort()
    const abort = new AbortController()
    this.#abort = abort
    this.#askedAt = Date.now()
    listJobs(this.#filters!, this.#cursor, Date.now(), abort.signal)
      .then((page) => {
        if (abort.signal.aborted) return
        take(page)
        this.error = null
      })
      .catch((error: unknown) => {
        if (!abort.signal.aborted) this.error = error instanceof ApiError ? error : new ApiError(0, String(error))
      })
      .finally(() => {
        if (!abort.signal.aborted) this.loading = false
      })
    return () => abort.abort()
  }
}

/** How many jobs of a page come before all rows that are shown. */
function newerThan(rows: Job[], { jobs, order }: JobPage): number {
  const known = new Set(rows.map(({ id }) => id))
  const first = jobs.findIndex(({ id }) => known.has(id))
  const before = first < 0 ? jobs : jobs.slice(0, first)
  return order === 'ended' ? before.length : before.filter(({ order }) => !rows[0] || order < rows[0].order).length
}

/** "3 newer jobs", "50+ newer jobs". */
export function newerWords(n: number): string {
  return `${n >= pageSize ? `${pageSize}+` : n} newer ${n === 1 ? 'job' : 'jobs'}`
}

/** Which of two views of a job is the later one: more attempts, then finished, then as listed. */
function fresher(row: Job, seen: Job | undefined): Job {
  if (!seen || (seen.attempt ?? 0) < (row.attempt ?? 0)) return row
  return seen.attempt === row.attempt && row.finalized_at != null && seen.finalized_at == null ? row : seen
}
