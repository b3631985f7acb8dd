import { expect, test } from 'vitest'
import { howItFailed } from './failures'

test('how it failed is said in words', () => {
  expect(howItFailed({ outcome: 'failed', exit_code: 2 })).toBe('exit 2')
  expect(howItFailed({ outcome: 'failed', exit_code: null })).toBe('failed')
  expect(howItFailed({ outcome: 'timeout', exit_code: null })).toBe('timed out')
  expect(howItFailed({ outcome: 'lost', exit_code: null })).toBe('worker lost')
})
