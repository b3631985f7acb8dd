/** Every call to the JSON API. Failures are ApiError; an ended session leads to the login page. */
import { to } from './base'
import { memberText, parseJson } from './exact'
import { toQuery, type JobFilters } from './filters'
import { toLogin } from './session.svelte'
import type { AgentConfig, ErrorPage, JobDetail, JobPage, LogPage, NewJob, Problem, RunPage, Text } from './types/api'
import type { Job } from './types/document'

/** What the server said went wrong (RFC 9457), or that it could not be asked. */
export class ApiError extends Error {
  constructor(
    /** 0: no answer came. */
    readonly status: number,
    /** What is wrong and what to do, for the reader. */
    readonly detail: string,
    /** Names the request in the server's log; empty when there was no answer. */
    readonly requestId = '',
  ) {
    super(detail)
  }
}

export const pageSize = 50
export const logPage = 500

export function listJobs(
  filters: JobFilters,
  cursor: string | null,
  now: number,
  signal?: AbortSignal,
): Promise<JobPage> {
  const query = toQuery(filters, now)
  query.set('limit', String(pageSize))
  if (cursor) query.set('cursor', cursor)
  return ask('GET', `/api/jobs?${query}`, { signal })
}
/** Where a job is: its id may have slashes in it. */
const jobPath = (id: string) => `/api/jobs/${encodeURIComponent(id)}`
export function getJob(id: string, signal?: AbortSignal): Promise<JobDetail> {
  return ask('GET', jobPath(id), { signal, asText: 'args_json' })
}
/** What a job's own answer has only the beginning of. */
export function getArgs(id: string): Promise<Text> {
  return ask('GET', `${jobPath(id)}/args`)
}
export function getResult(run: string): Promise<Text> {
  return ask('GET', `/api/runs/${encodeURIComponent(run)}/result`)
}
export function getRuns(id: string, cursor: string): Promise<RunPage> {
  return ask('GET', `${jobPath(id)}/runs?cursor=${encodeURIComponent(cursor)}&limit=50`)
}
export function getErrors(id: string, before: number): Promise<ErrorPage> {
  return ask('GET', `${jobPath(id)}/errors?before=${before}&limit=50`)
}
/** The arguments are JSON as it was typed. */
export function enqueue({ args, ...job }: NewJob): Promise<Job> {
  return ask('POST', '/api/jobs', { json: `{"args":${args},${JSON.stringify(job).slice(1)}` })
}
export type JobAction = 'retry' | 'cancel' | 'delete'
export function actOnJob(id: string, action: JobAction): Promise<Job | void> {
  return action === 'delete' ? ask('DELETE', jobPath(id)) : ask('POST', `${jobPath(id)}/${action}`)
}
/** The log of one attempt after a line; waits up to `wait` seconds for the next one. */
export function readLog(run: string, after: number, wait: number, signal?: AbortSignal): Promise<LogPage> {
  return ask('GET', `/api/runs/${encodeURIComponent(run)}/logs?after=${after}&limit=${logPage}&wait=${wait}`, {
    signal,
    timeoutMs: 15_000 + wait * 1000,
  })
}

export function getAgent(name: string, signal?: AbortSignal): Promise<AgentConfig> {
  return ask('GET', `/api/agents/${encodeURIComponent(name)}`, { signal, asText: 'args' })
}
export function setPaused(kind: 'agents' | 'queues', name: string, paused: boolean): Promise<void> {
  return ask('POST', `/api/${kind}/${encodeURIComponent(name)}/${paused ? 'pause' : 'resume'}`)
}

interface Options {
  body?: unknown
  /** The body as text. */
  json?: string
  /** The member of the answer that stays text: JSON of users. */
  asText?: string
  signal?: AbortSignal
  timeoutMs?: number
}

export async function ask<T>(
  method: string,
  path: string,
  { body, json = JSON.stringify(body), asText, signal, timeoutMs = 15_000 }: Options = {},
): Promise<T> {
  const timeout = AbortSignal.timeout(timeoutMs)
  let response: Response
  try {
    response = await fetch(to(path), {
      method,
      headers: json === undefined ? {} : { 'Content-Type': 'application/json' },
      body: json,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    })
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new ApiError(0, timeout.aborted ? 'The server took too long to answer.' : 'The server cannot be reached.')
  }
  if (response.status === 401) toLogin()
  if (!response.ok) throw await problemOf(response)
  if (response.status === 204) return undefined as T
  const text = await response.text()
  const answer = parseJson<T>(text)
  return asText ? { ...answer, [asText]: memberText(text, asText) } : answer
}

async function problemOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => ({}))) as Partial<Problem>
  const places = (body.errors ?? []).map(({ location, message }) => `${location}: ${message}`).join('; ')
  const detail = places || (body.detail ?? body.title ?? `The server answered ${response.status}.`)
  return new ApiError(response.status, detail, body.request_id ?? response.headers.get('X-Request-Id') ?? '')
}

/** The words for whatever a call threw. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
