import { ordered } from './keyed'
import type { Failure, Keyed, Maybe } from './types/document'

/** The newest failure of each kind (same agent, same fingerprint), newest first. */
export function groupFailures(failures: Maybe<Keyed<Failure>>): Failure[] {
  const seen = new Map<string, Failure>()
  for (const failure of ordered(failures)) {
    const kind = `${failure.agent}\n${failure.fingerprint}`
    if (!seen.has(kind)) seen.set(kind, failure)
  }
  return [...seen.values()]
}

/** "exit 2", "timeout after 30 s", "worker lost": how an attempt ended. */
export function howItFailed(failure: Pick<Failure, 'outcome' | 'exit_code'>): string {
  if (failure.outcome === 'timeout') return 'timed out'
  if (failure.outcome === 'lost') return 'worker lost'
  return failure.exit_code == null ? 'failed' : `exit ${failure.exit_code}`
}
