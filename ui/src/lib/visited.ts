import type { Kept } from './job-list.svelte'

/** The lists that can be gone back to, with what was chosen, by the visit that showed them. */
export const visited = new Map<string, { list: Kept; selected: string[] }>()
const mostVisited = 20

export function remember(entry: string, list: Kept, selected: string[]) {
  visited.delete(entry)
  visited.set(entry, { list, selected })
  for (const oldest of [...visited.keys()].slice(0, -mostVisited)) visited.delete(oldest)
}
