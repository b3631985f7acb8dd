import type { Keyed, Maybe } from './types/document'

/** The entities of an object keyed by id, ascending by their order. */
export function ordered<T extends { order: number }>(items: Maybe<Keyed<T>>): T[] {
  return items ? Object.values(items).sort(byOrder) : []
}

/** An order may be an integer of more digits than a number has (see exact.ts). */
function byOrder(a: { order: number }, b: { order: number }): number {
  return a.order - b.order || Number(BigInt(a.order) - BigInt(b.order))
}
