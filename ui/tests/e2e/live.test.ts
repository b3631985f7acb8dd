/** What the page does when the line or the server fails: it goes on by other means, tells its age, and comes back. */
import { describe, eventually, expect, test as base } from './harness'
import { card, linked } from './harness/page'
import { AgentOS } from './harness/agentos'
import { startProxy, type Proxy } from './harness/proxy'

const network = /ERR_|Failed to load resource/

describe('the event stream is cut', () => {
  // Nothing new is collected for a minute, so that polls are answered by 304.
  const test = base
    .extend('server', { scope: 'file' }, async ({}, { onCleanup }) => {
      const server = await AgentOS.start({ flags: ['--interval', '60s'] })
      onCleanup(() => server.close())
      return server
    })
    .extend('proxy', async ({ server }, { onCleanup }): Promise<Proxy> => {
      const proxy = await startProxy(server.url)
      onCleanup(() => proxy.close())
      return proxy
    })

  test('it polls with its ETag, says so, sees changes, and returns to the stream', async ({ server, proxy, visitor }) => {
    visitor.tolerate(network)
    const page = await visitor.blank({ url: proxy.url })
    const polls: number[] = []
    page.on('response', (response) => {
      if (new URL(response.url()).pathname === '/api/admin/ssot') polls.push(response.status())
    })
    await page.goto('/')
    const freshness = page.getByRole('button', { name: /as of/ })
    await linked(page, 'live')

    proxy.cutStreams()
    await linked(page, 'polling')
    await expect.poll(() => polls).toContain(304)
    expect(polls[0]).toBe(200)

    const job = await server.api().enqueue('sleeper')
    await page.getByRole('group', { name: 'Running jobs' }).getByText(`#${job.id}`).waitFor({ timeout: 10_000 })

    proxy.mend()
    await linked(page, 'live', 20_000)
    await server.api().post(`/api/jobs/${job.id}/cancel`)
    await page.getByText('Nothing runs right now.').waitFor({ timeout: 8_000 }) // soon, by the stream
  })
})

describe('the server stops', () => {
  const test = base.extend('server', { scope: 'file' }, async ({}, { onCleanup }) => {
    const server = await AgentOS.start({ flags: ['--interval', '1s'] }) // stale after 3 s
    onCleanup(() => server.close())
    return server
  })

  test('the page stays, tells its growing age, and recovers by itself', async ({ server, visitor }) => {
    visitor.tolerate(network)
    const page = await visitor.open('/')
    const freshness = page.getByRole('button', { name: /as of/ })
    await linked(page, 'live')
    await page.evaluate(() => ((window as { mark?: string }).mark = 'not reloaded'))
    const seconds = async () => {
      const [, m = '0', s] = /as of (?:(\d+) m )?([\d.]+) s ago/.exec(await freshness.innerText())!
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
    await linked(page, 'offline')
    await card(page, 'Agents').getByRole('link', { name: 'echo' }).waitFor()
    await banner.waitFor()

    await server.restart()
    await linked(page, 'live', 25_000)
    await banner.waitFor({ state: 'hidden' })
    await eventually(async () => expect(await seconds()).toBeLessThan(3))
    expect(await page.evaluate(() => (window as { mark?: string }).mark)).toBe('not reloaded')
  })
})
