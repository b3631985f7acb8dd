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

/** From the job's creation to its end, or to `now`, without gaps. Unix ms. */
export function stretches(job: JobDetail, now: number): Stretch[] {
  const runs = [...job.runs].sort((a, b) => a.attempt - b.attempt || a.id - b.id)
  const list: Stretch[] = []
  let at = Date.parse(job.created_at)
  for (const run of runs) {
    const from = Math.max(at, Date.parse(run.started_at))
    list.push(...idle(at, from, Date.parse(run.scheduled_at), run.attempt, false))
    const open = run.ended_at == null
    at = Math.max(from, open ? now : Date.parse(run.ended_at!))
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
  const end = open ? now : Date.parse(job.finalized_at ?? '') || at
  return [...list, ...idle(at, end, Date.parse(job.scheduled_at), (runs.at(-1)?.attempt ?? 0) + 1, open)]
}

/** Time without an attempt: until `due` it is a delay, after it a wait. */
function idle(from: number, to: number, due: number, attempt: number, open: boolean): Stretch[] {
  const turn = Math.min(to, Math.max(from, due || from))
  const parts: Stretch[] = []
  if (turn > from) parts.push({ kind: 'delay', from, to: turn, attempt, run: null, open: open && turn === to })
  if (to > turn) parts.push({ kind: 'wait', from: turn, to, attempt, run: null, open })
  return parts
}
