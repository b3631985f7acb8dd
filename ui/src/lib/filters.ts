/** What the job list shows, kept in the address: a filtered list can be linked, reloaded and gone back to. */
import { to } from './base'
import { nearest } from './nearest'
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
  /** When the jobs ended, likewise; only with states of ended jobs. */
  ended: Range | ''
  endedSince: string
  endedUntil: string
}

export const ranges = { '15m': 900, '1h': 3600, '6h': 21_600, '24h': 86_400, '7d': 604_800 } as const
export type Range = keyof typeof ranges

export const noFilters: JobFilters = {
  states: [],
  agent: '',
  queue: '',
  text: '',
  range: '',
  since: '',
  until: '',
  ended: '',
  endedSince: '',
  endedUntil: '',
}

/** The parameters of the job list's address. */
export const jobParams = [
  'state',
  'agent',
  'queue',
  'q',
  'range',
  'since',
  'until',
  'ended',
  'ended_since',
  'ended_until',
  'cursor',
]

/** Reads the address; what it does not understand is left out: see problemsOf. */
export function fromUrl(params: URLSearchParams): JobFilters {
  const states = (params.get('state') ?? '').split(',').filter((s): s is JobState => jobStates.includes(s as JobState))
  return {
    states,
    agent: params.get('agent') ?? '',
    queue: params.get('queue') ?? '',
    text: params.get('q') ?? '',
    range: span(params.get('range')),
    since: moment(params.get('since')),
    until: moment(params.get('until')),
    ended: span(params.get('ended')),
    endedSince: moment(params.get('ended_since')),
    endedUntil: moment(params.get('ended_until')),
  }
}

/** What in the address makes no sense, in words. The page shows that, and no jobs: never more than was asked for. */
export function problemsOf(params: URLSearchParams): string[] {
  const problems: string[] = []
  const wrong = (name: string, value: string, known: readonly string[], what: string) => {
    const near = nearest(value, known)
    problems.push(
      `${name}=${value} is ${what}${near ? `: did you mean ${near}?` : `; there are: ${known.join(', ')}.`}`,
    )
  }
  for (const name of new Set(params.keys())) {
    const values = params.getAll(name)
    const value = values[0]!
    const near = nearest(name, jobParams)
    if (!jobParams.includes(name))
      problems.push(
        `There is no filter “${name}”${near ? `: did you mean ${near}?` : `; there are: ${jobParams.join(', ')}.`}`,
      )
    else if (values.length > 1)
      problems.push(
        `${name} is given ${values.length} times: give it once${name === 'state' ? ', its values separated by commas' : ''}.`,
      )
    else if (value === '') continue
    else if (name === 'state') {
      for (const state of value.split(','))
        if (!jobStates.includes(state as JobState)) wrong(name, state, jobStates, 'no state of a job')
    } else if (name === 'range' || name === 'ended') {
      if (!span(value)) wrong(name, value, Object.keys(ranges), 'no span of time')
    } else if (/since$|until$/.test(name) && !moment(value))
      problems.push(`${name}=${value} is no time: write it like 2026-11-29T14:30:00Z.`)
  }
  const ended = [...params.keys()].find((name) => name.startsWith('ended'))
  if (ended && problems.length === 0 && !byEnd(fromUrl(params)))
    problems.push(`${ended} is for jobs that have ended: add state=completed, cancelled or discarded.`)
  return problems
}

/** The address of a list; only what differs from "all jobs" is in it. */
export function toUrl(filters: JobFilters, cursor: string | null = null): string {
  const params = common(filters)
  if (filters.range) params.set('range', filters.range)
  else setBounds(params, '', filters.since, filters.until)
  if (!byEnd(filters)) {
    // What has not ended has no end to filter by.
  } else if (filters.ended) params.set('ended', filters.ended)
  else setBounds(params, 'ended_', filters.endedSince, filters.endedUntil)
  if (cursor) params.set('cursor', cursor)
  return to(params.size ? `/jobs?${params}` : '/jobs')
}

/** The query for the API; a span back from now becomes a fixed bound. */
export function toQuery(filters: JobFilters, now: number): URLSearchParams {
  const params = common(filters)
  const back = (range: Range) => new Date(now - ranges[range] * 1000).toISOString()
  if (filters.range) params.set('since', back(filters.range))
  else setBounds(params, '', filters.since, filters.until)
  if (!byEnd(filters)) return params
  if (filters.ended) params.set('ended_since', back(filters.ended))
  else setBounds(params, 'ended_', filters.endedSince, filters.endedUntil)
  return params
}

/** Whether only jobs that have ended are asked for. */
export function byEnd({ states }: JobFilters): boolean {
  return states.length > 0 && states.every((state) => ['completed', 'cancelled', 'discarded'].includes(state))
}

export function isFiltered(filters: JobFilters): boolean {
  return toUrl(filters) !== toUrl(noFilters)
}

function common(filters: JobFilters): URLSearchParams {
  const params = new URLSearchParams()
  if (filters.states.length) params.set('state', filters.states.join(','))
  if (filters.agent) params.set('agent', filters.agent)
  if (filters.queue) params.set('queue', filters.queue)
  if (filters.text.trim()) params.set('q', filters.text.trim())
  return params
}

function setBounds(params: URLSearchParams, which: '' | 'ended_', since: string, until: string) {
  if (since) params.set(`${which}since`, since)
  if (until) params.set(`${which}until`, until)
}

function span(text: string | null): Range | '' {
  return text && Object.hasOwn(ranges, text) ? (text as Range) : ''
}

function moment(text: string | null): string {
  return text && Number.isFinite(Date.parse(text)) ? new Date(text).toISOString() : ''
}
