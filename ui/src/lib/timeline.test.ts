import { expect, test } from 'vitest'
import { stretches } from './timeline'
import type { JobDetail, Run } from './types/api'

const at = (s: number) => new Date(Date.UTC(2026, 10, 23, 12, 0, s)).toISOString()
const ms = (s: number) => Date.parse(at(s))
const run = (attempt: number, due: number, from: number, to: number | null, outcome: Run['outcome']) =>
  ({
    id: String(attempt),
    attempt,
    scheduled_at: at(due),
    started_at: at(from),
    ended_at: to === null ? null : at(to),
    outcome,
  }) as Run
const job = (part: Partial<JobDetail>) =>
  ({ created_at: at(0), scheduled_at: at(0), state: 'running', runs: [], finalized_at: null, ...part }) as JobDetail
const shape = (part: Partial<JobDetail>, now: number) =>
  stretches(job(part), ms(now)).map((s) => [s.kind, s.attempt, (s.from - ms(0)) / 1000, (s.to - ms(0)) / 1000, s.open])

test('a job that waits is one open stretch', () => {
  expect(shape({ state: 'available' }, 4)).toEqual([['wait', 1, 0, 4, true]])
})

test('a job not yet due is delayed, one that is due waits', () => {
  expect(shape({ state: 'scheduled', scheduled_at: at(9) }, 4)).toEqual([['delay', 1, 0, 4, true]])
  expect(shape({ state: 'available', scheduled_at: at(3) }, 4)).toEqual([
    ['delay', 1, 0, 3, false],
    ['wait', 1, 3, 4, true],
  ])
})

test('attempts and what is between them, without gaps, whatever the order they come in', () => {
  const runs = [run(2, 7, 9, null, 'running'), run(1, 0, 1, 3, 'failed')]
  expect(shape({ runs }, 12)).toEqual([
    ['wait', 1, 0, 1, false],
    ['run', 1, 1, 3, false],
    ['delay', 2, 3, 7, false],
    ['wait', 2, 7, 9, false],
    ['run', 2, 9, 12, true],
  ])
})

test('a job that is over ends where it ended', () => {
  const runs = [run(1, 0, 0, 2, 'ok')]
  expect(shape({ runs, state: 'completed', finalized_at: at(2) }, 500)).toEqual([['run', 1, 0, 2, false]])
})

test('the moment between the last attempt and the end is no wait', () => {
  const runs = [run(1, 0, 0, 2, 'failed')]
  expect(shape({ runs, state: 'discarded', finalized_at: at(3) }, 500)).toEqual([['run', 1, 0, 2, false]])
  expect(shape({ runs, state: 'cancelled', finalized_at: at(3) }, 500)).toHaveLength(2)
})

test('a job cancelled while it waited', () => {
  expect(shape({ state: 'cancelled', finalized_at: at(7) }, 500)).toEqual([['wait', 1, 0, 7, false]])
})

test('times that are none, or without end, leave a timeline that can be drawn', () => {
  const texts = ['infinity', '-infinity', 'soon', '+010000-01-01T00:00:00Z', '-004712-01-01T00:00:00Z']
  for (const text of texts)
    for (const part of [
      { created_at: text, state: 'available' },
      { scheduled_at: text, state: 'scheduled' },
      { finalized_at: text, state: 'completed' },
      {
        created_at: text,
        scheduled_at: text,
        finalized_at: text,
        runs: [run(1, 0, 1, 3, 'failed')],
        state: 'discarded',
      },
      {
        runs: [{ ...run(1, 0, 1, 3, 'failed'), started_at: text, ended_at: text, scheduled_at: text }],
        state: 'discarded',
      },
    ] as Partial<JobDetail>[])
      for (const s of stretches(job(part), ms(9))) {
        expect(() => new Date(s.from).toISOString() + new Date(s.to).toISOString()).not.toThrow()
        expect(s.to).toBeGreaterThanOrEqual(s.from)
      }
  expect(shape({ state: 'scheduled', scheduled_at: 'infinity' }, 4)).toEqual([['delay', 1, 0, 4, true]])
})
