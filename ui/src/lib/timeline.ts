import { moment } from './format'
import type { JobDetail, Run } from './types/api'

/** A stretch of a job's life: not yet due, waiting for a free slot, or one attempt. */
export interface Stretch {
  kind: 'delay' | 'wait' | 'run'
  from: number
  to: number
  /** The attempt that ran, or that came after. */
  attempt: number
  run: Run | null
  /** Still going on. */
  open: boolean
}

const over = new Set(['completed', 'cancelled', 'discarded'])

/** The year 10000: a timeline beyond has no scale. */
const farthest = 253402300800000

/** From the job's creation to its end, or to `now`, without gaps. Unix ms. */
export function stretches(job: JobDetail, now: number): Stretch[] {
  const runs = [...job.runs].sort((a, b) => a.attempt - b.attempt || moment(a.started_at) - moment(b.started_at))
  const list: Stretch[] = []
  // What is no time, or beyond every clock, is left out.
  const time = (text: string | null | undefined, otherwise: number) => {
    const ms = moment(text)
    return ms > 0 && ms < farthest ? ms : otherwise
  }
  const due = (text: string | null) => (moment(text) >= farthest ? Infinity : time(text, 0))
  let at = time(job.created_at, time(runs[0]?.started_at, time(job.finalized_at, now)))
  for (const run of runs) {
    const from = Math.max(at, time(run.started_at, at))
    list.push(...idle(at, from, due(run.scheduled_at), run.attempt, false))
    const open = run.ended_at == null
    at = Math.max(from, open ? now : time(run.ended_at, from))
    list.push({ kind: 'run', from, to: at, attempt: run.attempt, run, open })
  }
  const last = list.at(-1)
  // What lies between the last attempt and the end is bookkeeping, unless the job was cancelled while it waited.
  if (
    last?.open ||
    (last && (job.state === 'completed' || job.state === 'discarded' || last.run?.outcome === 'cancelled'))
  )
    return list
  const open = !over.has(job.state)
  const end = open ? now : time(job.finalized_at, at)
  return [...list, ...idle(at, end, due(job.scheduled_at), (runs.at(-1)?.attempt ?? 0) + 1, open)]
}

/** Time without an attempt: until `due` it is a delay, after it a wait. */
function idle(from: number, to: number, due: number, attempt: number, open: boolean): Stretch[] {
  const turn = Math.min(to, Math.max(from, due || from))
  const parts: Stretch[] = []
  if (turn > from) parts.push({ kind: 'delay', from, to: turn, attempt, run: null, open: open && turn === to })
  if (to > turn) parts.push({ kind: 'wait', from: turn, to, attempt, run: null, open })
  return parts
}
