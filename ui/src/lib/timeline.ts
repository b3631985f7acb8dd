import type { JobDetail, Run } from './types/api'

/** A stretch of a job's life: waiting for its turn, or one attempt. */
export interface Stretch {
  kind: 'wait' | 'run'
  from: number
  to: number
  /** The attempt that ran, or that the wait was for. */
  attempt: number
  run: Run | null
  /** Still going on. */
  open: boolean
}

const over = new Set(['completed', 'cancelled', 'discarded'])

/** From the job's creation to its end, or to `now`, without gaps. Unix ms. */
export function stretches(job: JobDetail, now: number): Stretch[] {
  const runs = [...(job.runs ?? [])].sort((a, b) => a.attempt - b.attempt || a.id - b.id)
  const list: Stretch[] = []
  let at = Date.parse(job.created_at)
  for (const run of runs) {
    const from = Math.max(at, Date.parse(run.started_at))
    if (from > at) list.push({ kind: 'wait', from: at, to: from, attempt: run.attempt, run: null, open: false })
    const open = run.ended_at == null
    const to = Math.max(from, open ? now : Date.parse(run.ended_at!))
    list.push({ kind: 'run', from, to, attempt: run.attempt, run, open })
    at = to
  }
  if (list.at(-1)?.open) return list
  const open = !over.has(job.state)
  const end = open ? now : Date.parse(job.finalized_at ?? '') || at
  if (end > at)
    list.push({ kind: 'wait', from: at, to: end, attempt: (runs.at(-1)?.attempt ?? 0) + 1, run: null, open })
  return list
}
