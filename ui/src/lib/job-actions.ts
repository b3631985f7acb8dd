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

const did: Record<JobAction, string> = { retry: 'put back on its queue', cancel: 'cancelled', delete: 'deleted' }

const atOnce = 6

/** Does it to each job, a few at a time, and says how it went. Returns whether all went well. */
export async function actOnJobs(ids: number[], action: JobAction): Promise<boolean> {
  const rest = [...ids]
  const failures: string[] = []
  let stopping = 0 // they are cancelled once their processes have ended
  const work = async () => {
    for (let id = rest.shift(); id !== undefined; id = rest.shift()) {
      try {
        const job = await actOnJob(id, action)
        if (action === 'cancel' && job?.state === 'running') stopping++
      } catch (error) {
        failures.push(`#${id}: ${wordsOf(error)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, ids.length) }, work))
  const tell = (n: number, words: string) => {
    if (n) toasts.ok(`${ids.length === 1 ? `Job #${ids[0]}` : plural(n, 'job')} ${words}.`)
  }
  tell(stopping, 'told to stop')
  tell(
    ids.length - failures.length - stopping,
    ids.length === 1 ? did[action] : did[action].replace('its queue', 'their queues'),
  )
  if (failures.length)
    toasts.bad(
      failures.length === 1 ? failures[0]! : `${plural(failures.length, 'job')} not ${did[action]}: ${failures[0]}`,
    )
  return failures.length === 0
}
