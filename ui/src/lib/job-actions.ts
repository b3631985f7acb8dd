import { actOnJob, wordsOf, type JobAction } from './api'
import { plural } from './format'
import { toasts } from './toasts.svelte'
import type { JobState } from './types/document'

const over: JobState[] = ['completed', 'cancelled', 'discarded']

/** What can be done with a job in a state. */
export function actionsFor(state: JobState): JobAction[] {
  if (state === 'running') return ['cancel']
  if (over.includes(state)) return ['retry', 'delete']
  return state === 'available' ? ['cancel', 'delete'] : ['retry', 'cancel', 'delete']
}

const did: Record<JobAction, string> = { retry: 'queued again', cancel: 'cancelled', delete: 'deleted' }

const atOnce = 6

/** A job that could not be acted on, and why. */
export interface Refusal {
  id: string
  reason: string
}

/** How many ids a message names before it counts the rest. */
const named = 5

/** Says how it went: what was done, and what was not, by its reasons. */
export function report(ids: string[], action: JobAction, stopping: number, refusals: Refusal[]) {
  const ok: string[] = []
  const say = (n: number, words: string) => {
    if (!n) return
    const jobs =
      ids.length === 1 ? `Job #${ids[0]}` : n === ids.length ? plural(n, 'job') : `${n} of ${ids.length} jobs`
    ok.push(`${jobs} ${words}.`)
  }
  say(stopping, stopping === 1 ? 'is stopping' : 'are stopping')
  say(ids.length - refusals.length - stopping, did[action])
  if (!refusals.length) return { ok, bad: null }
  if (ids.length === 1) return { ok, bad: `#${refusals[0]!.id}: ${refusals[0]!.reason}` }
  const byReason = new Map<string, string[]>()
  for (const { id, reason } of refusals) {
    const about = `Job ${id} `
    const general = (reason.startsWith(about) ? reason.slice(about.length) : reason).replace(/\.$/, '')
    byReason.set(general, [...(byReason.get(general) ?? []), id])
  }
  const reasons = [...byReason].map(([reason, of]) => {
    const rest = of.length - named
    return `${of
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .slice(0, named)
      .map((id) => `#${id}`)
      .join(', ')}${rest > 0 ? ` and ${rest} more` : ''}: ${reason}`
  })
  return {
    ok,
    bad: `${refusals.length} of ${ids.length} jobs not ${did[action]}. ${reasons.join('. ')}.`,
  }
}

/** Does it to each job, a few at a time, and says how it went. Returns whether all went well. */
export async function actOnJobs(ids: string[], action: JobAction): Promise<boolean> {
  const rest = [...ids]
  const refusals: Refusal[] = []
  let stopping = 0 // they are cancelled once their processes have ended
  const work = async () => {
    for (let id = rest.shift(); id !== undefined; id = rest.shift()) {
      try {
        const job = await actOnJob(id, action)
        if (action === 'cancel' && job?.state === 'running') stopping++
      } catch (error) {
        refusals.push({ id, reason: wordsOf(error) })
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, ids.length) }, work))
  const { ok, bad } = report(ids, action, stopping, refusals)
  for (const text of ok) toasts.ok(text)
  if (bad) toasts.bad(bad)
  return bad === null
}
