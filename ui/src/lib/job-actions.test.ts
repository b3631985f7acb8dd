import { expect, test } from 'vitest'
import { actionsFor } from './job-actions'
import { jobStates } from './types/document'

test('a running job can only be cancelled', () => {
  expect(actionsFor('running')).toEqual(['cancel'])
})

test('what is over can be run again or deleted, not cancelled', () => {
  for (const state of ['completed', 'cancelled', 'discarded'] as const)
    expect(actionsFor(state)).toEqual(['retry', 'delete'])
})

test('every state offers something', () => {
  for (const state of jobStates) expect(actionsFor(state).length).toBeGreaterThan(0)
})
