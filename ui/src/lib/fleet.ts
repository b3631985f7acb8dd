import { count, plural } from './format'
import type { Agents, Maybe } from './types/document'

/** "11 agents, none paused": how many there are, and what keeps some from work. */
export function fleetWords(agents: Maybe<Agents>): string {
  const { total_agents: all, paused_agents: paused, active_agents: active } = agents ?? {}
  if (all == null || paused == null || active == null) return ''
  const offline = all - paused - active
  return (
    `${plural(all, 'agent')}, ${paused ? count(paused) : 'none'} paused` +
    (offline > 0 ? `, ${count(offline)} offline` : '')
  )
}
