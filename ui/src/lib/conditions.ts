import { to } from './base'
import { ordered } from './keyed'
import type { System } from './types/document'

/** Why all is not well, each with where to look. */
export function reasons({ reasons, conditions }: System): { text: string; href?: string }[] {
  const known = ordered(conditions)
  return reasons.map((text, i) => ({ text, href: known[i]?.link && to(known[i].link) }))
}
