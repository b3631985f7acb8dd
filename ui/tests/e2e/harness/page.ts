/** What several tests look for on a page. */
import type { Locator, Page } from 'playwright-core'

/** Waits until the page says that it gets its data in this way. */
export function linked(page: Page, link: 'Live' | 'Polling' | 'Offline', timeout = 30_000): Promise<void> {
  return page.getByRole('banner').getByText(link, { exact: true }).waitFor({ state: 'attached', timeout })
}

/** A card of the page, by its title. */
export function card(page: Page, title: string): Locator {
  return page.getByRole('region', { name: title, exact: true })
}

/** The row of the overview that shows an agent. */
export function agentRow(page: Page, agent: string): Locator {
  const link = page.getByRole('link', { name: agent, exact: true })
  return card(page, 'Agents').getByRole('row').filter({ has: link })
}

/** What a figure that was computed from nothing looks like. */
export const nonsense = /NaN|undefined|Invalid Date|Infinity|\[object/
