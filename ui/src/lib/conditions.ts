import { ordered } from './keyed'
import type { Condition, System } from './types/document'

/** Where what a condition is about can be seen; undefined: nowhere but here. */
function linkOf({ code, params: { agent, agents, queue, queues } }: Condition): string | undefined {
  const waiting = '/jobs?state=available'
  const of = (name: string, value: string | number) => `&${name}=${encodeURIComponent(value)}`
  switch (code) {
    case 'no_worker':
      return waiting + (queue ? of('queue', queue) : agents === 1 ? of('agent', agent!) : '')
    case 'oldest_wait':
      return waiting + of('queue', queue!)
    case 'paused_backlog':
      return waiting + (queues === 1 ? of('queue', queue!) : '')
    case 'gave_up':
      return '/jobs?state=discarded&ended=1h'
    case 'agent_failing':
      return agents === 1 ? `/agents/${encodeURIComponent(agent!)}` : '/agents'
    case 'failing':
    case 'agents_file':
      return '/agents'
  }
}

/** Why all is not well, each with where to look. */
export function reasons({ reasons, conditions }: System): { text: string; href?: string }[] {
  const links = ordered(conditions).map(linkOf)
  return reasons.map((text, i) => ({ text, href: links[i] }))
}
