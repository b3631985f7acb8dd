import type { Failure } from './types/document'

/** "exit 2", "timed out", "worker lost": how an attempt ended. */
export function howItFailed(failure: Pick<Failure, 'outcome' | 'exit_code'>): string {
  if (failure.outcome === 'timeout') return 'timed out'
  if (failure.outcome === 'lost') return 'worker lost'
  return failure.exit_code == null ? 'failed' : `exit ${failure.exit_code}`
}
