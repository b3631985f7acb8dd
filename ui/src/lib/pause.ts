import { setPaused, wordsOf } from './api'
import { toasts } from './toasts.svelte'

/** Pauses or resumes an agent or a queue, and says how it went. The document shows the result. */
export async function pause(kind: 'agents' | 'queues', name: string, paused: boolean): Promise<void> {
  try {
    await setPaused(kind, name, paused)
    toasts.ok(
      `${kind === 'agents' ? 'Agent' : 'Queue'} ${name} ${paused ? 'paused: running jobs go on, no new one starts' : 'resumed'}.`,
    )
  } catch (error) {
    toasts.bad(wordsOf(error))
  }
}
