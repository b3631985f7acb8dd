import { expect, test } from 'vitest'
import { fleetWords } from './fleet'
import type { Agents } from './types/document'

test.each([
  [11, 11, 0, '11 agents, none paused'],
  [1, 1, 0, '1 agent, none paused'],
  [11, 8, 3, '11 agents, 3 paused'],
  [1200, 0, 200, '1,200 agents, 200 paused, 1,000 offline'],
])('of %i agents %i are active and %i paused', (total_agents, active_agents, paused_agents, words) => {
  expect(fleetWords({ total_agents, active_agents, paused_agents } as Agents)).toBe(words)
})

test('nothing is said of agents that were not collected', () => {
  expect(fleetWords(null)).toBe('')
})
