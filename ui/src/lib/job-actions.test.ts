import { expect, test } from 'vitest'
import { actionsFor, report } from './job-actions'
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

const running = (id: string) => ({ id, reason: `Job ${id} is running: cancel it first, or wait for its end.` })

test('of several jobs those that were refused are named, by their reasons', () => {
  const gone = { id: '4', reason: 'There is no job 4: it was deleted, or pruned after it ended.' }
  expect(report(['1', '2', '3', '4', '5'], 'retry', 0, [running('5'), gone, running('2')])).toEqual({
    ok: ['2 of 5 jobs queued again.'],
    bad:
      '3 of 5 jobs not queued again. #2, #5: is running: cancel it first, or wait for its end. ' +
      '#4: There is no job 4: it was deleted, or pruned after it ended.',
  })
})

test('a message names a few ids and counts the rest', () => {
  const ids = Array.from({ length: 30 }, (_, i) => String(i + 1))
  expect(report(ids, 'retry', 0, ids.map(running)).bad).toContain('#1, #2, #3, #4, #5 and 25 more: is running')
})

test('one job is named, whatever became of it', () => {
  expect(report(['7'], 'cancel', 1, [])).toEqual({ ok: ['Job #7 is stopping.'], bad: null })
  expect(report(['7'], 'delete', 0, [])).toEqual({ ok: ['Job #7 deleted.'], bad: null })
  expect(report(['7'], 'retry', 0, [running('7')])).toEqual({
    ok: [],
    bad: '#7: Job 7 is running: cancel it first, or wait for its end.',
  })
})
