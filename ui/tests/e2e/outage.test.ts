/** The server stops: the page keeps what it has, shows its growing age, and recovers by itself. */
import { eventually, expect, serving } from './harness'
import { card, linked } from './harness/page'

const test = serving({ flags: ['--interval', '1s'] }) // stale after 3 s

test('the page stays, shows its growing age, and recovers by itself', async ({ server, visitor }) => {
  visitor.tolerate(/ERR_|Failed to load resource/)
  const page = await visitor.open('/')
  await linked(page, 'Live')
  await page.getByRole('button', { name: /^Live/ }).click()
  const freshness = page.getByText(/^As of /)
  await page.evaluate(() => ((window as { mark?: string }).mark = 'not reloaded'))
  const seconds = async () => {
    const [, m = '0', s] = /As of (?:(\d+) m )?([\d.]+) s ago/.exec(await freshness.innerText())!
    return Number(m) * 60 + Number(s)
  }

  server.suspend()
  const banner = page.getByRole('status').filter({ hasText: 'Nothing newer for' })
  await banner.waitFor()
  const age = await seconds()
  expect(age).toBeGreaterThan(3)
  await expect.poll(seconds).toBeGreaterThan(age + 2)
  await card(page, 'Agents').getByRole('link', { name: 'echo' }).waitFor()

  await server.kill()
  await linked(page, 'Offline')
  await card(page, 'Agents').getByRole('link', { name: 'echo' }).waitFor()
  await banner.waitFor()

  await server.restart()
  await linked(page, 'Live', 30_000)
  await banner.waitFor({ state: 'hidden' })
  await eventually(async () => expect(await seconds()).toBeLessThan(3))
  expect(await page.evaluate(() => (window as { mark?: string }).mark)).toBe('not reloaded')
})
