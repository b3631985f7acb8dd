/**
 * Lists of the fleet that are too long for the document: read page by page from the API, searched there, and read again every few
 * seconds while they are looked at.
 */
import { untrack } from 'svelte'
import { ApiError, ask } from './api'
import type { AgentConfig } from './types/api'
import type { Agent, QueueItem, Worker } from './types/document'

export interface Query {
  q: string
  state: string
}

interface Page<T> {
  rows: T[]
  total: number
  matched: number
  next: string | null
}

type Ask<T> = (query: Query, limit: number, cursor: string | null, signal: AbortSignal) => Promise<Page<T>>

const pageRows = 50
const mostRows = 500
const quietMs = 5_000

export class Paged<T> {
  rows = $state.raw<T[]>([])
  /** How many rows pass the filter; null before the first answer. */
  matched = $state<number | null>(null)
  next = $state<string | null>(null)
  loading = $state(false)
  error = $state.raw<ApiError | null>(null)
  #query: Query = { q: '', state: '' }
  #abort: AbortController | null = null
  #askedAt = 0

  constructor(private readonly page: Ask<T>) {}

  /** Shows the first page of what fits. Returns what drops the question. */
  find(query: Query): () => void {
    this.#query = query
    return untrack(() => this.#ask(pageRows, null, (page) => page.rows))
  }

  more() {
    if (this.next && !this.loading) this.#ask(pageRows, this.next, (page) => [...this.rows, ...page.rows])
  }

  /** Called with every new document: reads what is shown again, at most every few seconds. */
  follow() {
    untrack(() => {
      if (this.loading || document.hidden || Date.now() - this.#askedAt < quietMs || this.rows.length > mostRows) return
      this.reload()
    })
  }

  /** Reads what is shown again. */
  reload() {
    this.#ask(Math.min(mostRows, Math.max(pageRows, this.rows.length)), null, (page) => page.rows)
  }

  #ask(limit: number, cursor: string | null, take: (page: Page<T>) => T[]): () => void {
    this.#abort?.abort()
    const abort = new AbortController()
    this.#abort = abort
    this.#askedAt = Date.now()
    this.loading = true
    this.page(this.#query, limit, cursor, abort.signal)
      .then((page) => {
        if (abort.signal.aborted) return
        this.rows = take(page)
        this.matched = page.matched
        this.next = page.next
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

function pathOf(list: string, { q, state }: Query, limit: number, cursor: string | null): string {
  const params = new URLSearchParams({ limit: String(limit) })
  if (q.trim()) params.set('q', q.trim())
  if (state) params.set('state', state)
  if (cursor) params.set('cursor', cursor)
  return `/api/${list}?${params}`
}

type Answer<Name extends string, T> = Omit<Page<T>, 'rows'> & Record<Name, T[]>

export const agentsPage: Ask<Agent> = async (query, limit, cursor, signal) => {
  const path = pathOf('agents', query, limit, cursor)
  const { agents, ...page } = await ask<Answer<'agents', AgentConfig>>('GET', path, { signal })
  return { ...page, rows: agents.map(asAgent) }
}

export const queuesPage: Ask<QueueItem> = async (query, limit, cursor, signal) => {
  const path = pathOf('queues', query, limit, cursor)
  const { queues, ...page } = await ask<Answer<'queues', QueueItem>>('GET', path, { signal })
  return { ...page, rows: queues }
}

export const workersPage: Ask<Worker> = async (query, limit, cursor, signal) => {
  const path = pathOf('workers', query, limit, cursor)
  const { workers, ...page } = await ask<Answer<'workers', Worker>>('GET', path, { signal })
  return { ...page, rows: workers }
}

/** Some names of a list that a text may stand for. */
export function namesIn(page: Ask<{ name: string }>) {
  return async (text: string, signal: AbortSignal) => {
    const { rows } = await page({ q: text, state: '' }, 20, null, signal)
    return rows.map(({ name }) => name)
  }
}

/** An agent as the document has it. Of one whose status is not known there is no figure. */
export function asAgent({ status, ...config }: AgentConfig): Agent {
  return { ...config, ...(status ?? { state: 'unknown' }) } as Agent
}
