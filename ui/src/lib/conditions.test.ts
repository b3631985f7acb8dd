import { expect, test } from 'vitest'
import { reasons } from './conditions'
import type { Condition, System } from './types/document'

const told = (...all: [string, Condition['params'], string?][]) =>
  reasons({
    reasons: all.map(([code]) => code),
    conditions: Object.fromEntries(
      all.map(([code, params], order) => [code, { order, code, severity: 'degraded', params }]),
    ),
  } as unknown as System).map(({ href }) => href)

test('each reason leads to what it is about', () => {
  expect(
    told(
      ['component', { component: 'redis' }],
      ['no_worker', { jobs: 3, agents: 1, agent: 'hash' }],
      ['gave_up', { jobs: 2, window_s: 3600 }],
      ['oldest_wait', { queue: 'a b', wait_s: 300 }],
      ['agent_failing', { agents: 1, agent: 'hash' }],
    ),
  ).toEqual([
    undefined,
    '/jobs?state=available&agent=hash',
    '/jobs?state=discarded&ended=1h',
    '/jobs?state=available&queue=a%20b',
    '/agents/hash',
  ])
})

test('what is of several leads to all of them', () => {
  expect(
    told(
      ['no_worker', { jobs: 3, agents: 4, agent: 'hash' }],
      ['paused_backlog', { jobs: 3, queues: 2, queue: 'hash' }],
      ['agent_failing', { agents: 2, agent: 'hash' }],
    ),
  ).toEqual(['/jobs?state=available', '/jobs?state=available', '/agents'])
})

test('a server of an earlier version gives reasons alone', () => {
  expect(reasons({ reasons: ['disk is 92.0 % full'] } as System)).toEqual([
    { text: 'disk is 92.0 % full', href: undefined },
  ])
})
