import { expect, test } from 'vitest'
import { groupFailures, howItFailed } from './failures'
import type { Failure } from './types/document'

const failure = (run_id: number, agent: string, fingerprint: string): Failure => ({
  order: -run_id,
  run_id,
  job_id: run_id,
  agent,
  at: '2026-11-23T12:00:00Z',
  attempt: 1,
  max_attempts: 3,
  outcome: 'failed',
  exit_code: 1,
  error: 'x',
  fingerprint,
  similar_24h: 1,
  run_ms: 1,
})

test('the newest of each kind stands for the rest', () => {
  const list = [failure(1, 'a', 'f'), failure(3, 'a', 'f'), failure(2, 'b', 'f'), failure(4, 'a', 'g')]
  const keyed = Object.fromEntries(list.map((f) => [f.run_id, f]))
  expect(groupFailures(keyed).map(({ run_id }) => run_id)).toEqual([4, 3, 2])
  expect(groupFailures(null)).toEqual([])
})

test('how it failed is told in words', () => {
  expect(howItFailed({ outcome: 'failed', exit_code: 2 })).toBe('exit 2')
  expect(howItFailed({ outcome: 'failed', exit_code: null })).toBe('failed')
  expect(howItFailed({ outcome: 'timeout', exit_code: null })).toBe('timed out')
  expect(howItFailed({ outcome: 'lost', exit_code: null })).toBe('worker lost')
})
