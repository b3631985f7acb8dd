/** What the job list shows, kept in the address: a filtered list can be linked, reloaded and gone back to. */
import { jobStates, type JobState } from './types/document'

export interface JobFilters {
  /** Empty: all. */
  states: JobState[]
  agent: string
  queue: string
  text: string
  /** A span back from now, or '' with optional fixed bounds. */
  range: Range | ''
  /** Fixed bounds, RFC 3339; only without a range. */
  since: string
  until: string
}

export const ranges = { '15m': 900, '1h': 3600, '6h': 21_600, '24h': 86_400, '7d': 604_800 } as const
export type Range = keyof typeof ranges

export const noFilters: JobFilters = { states: [], agent: '', queue: '', text: '', range: '', since: '', until: '' }

/** Reads the address; what it does not understand is left out. */
export function fromUrl(params: URLSearchParams): JobFilters {
  const states = (params.get('state') ?? '').split(',').filter((s): s is JobState => jobStates.includes(s as JobState))
  const range = params.get('range') ?? ''
  return {
    states,
    agent: params.get('agent') ?? '',
    queue: params.get('queue') ?? '',
    text: params.get('q') ?? '',
    range: range in ranges ? (range as Range) : '',
    since: moment(params.get('since')),
    until: moment(params.get('until')),
  }
}

/** The address of a list; only what differs from "all jobs" is in it. */
export function toUrl(filters: JobFilters, cursor: string | null = null): string {
  const params = common(filters)
  if (filters.range) params.set('range', filters.range)
  else setBounds(params, filters.since, filters.until)
  if (cursor) params.set('cursor', cursor)
  return params.size ? `/jobs?${params}` : '/jobs'
}

/** The query for the API; a span back from now becomes a fixed bound. */
export function toQuery(filters: JobFilters, now: number): URLSearchParams {
  const params = common(filters)
  if (filters.range) params.set('since', new Date(now - ranges[filters.range] * 1000).toISOString())
  else setBounds(params, filters.since, filters.until)
  return params
}

export function isFiltered(filters: JobFilters): boolean {
  return toUrl(filters) !== '/jobs'
}

function common(filters: JobFilters): URLSearchParams {
  const params = new URLSearchParams()
  if (filters.states.length) params.set('state', filters.states.join(','))
  if (filters.agent) params.set('agent', filters.agent)
  if (filters.queue) params.set('queue', filters.queue)
  if (filters.text.trim()) params.set('q', filters.text.trim())
  return params
}

function setBounds(params: URLSearchParams, since: string, until: string) {
  if (since) params.set('since', since)
  if (until) params.set('until', until)
}

function moment(text: string | null): string {
  return text && Number.isFinite(Date.parse(text)) ? new Date(text).toISOString() : ''
}
