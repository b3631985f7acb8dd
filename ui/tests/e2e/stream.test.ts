/** The event stream is cut: the page goes on by polling, says so, and comes back. */
import { expect, serving } from './harness'
import { linked } from './harness/page'
import { startProxy } from './harness/proxy'

// Nothing new is collected for a minute, so that polls are answered by 304.
const test = serving({ flags: ['--interval', '60s'] }).extend('proxy', async ({ server }, { onCleanup }) => {
  const proxy = await startProxy(server.url)
  onCleanup(() => proxy.close())
  return proxy
})

test('a page without its stream polls with its ETag, says so, sees changes, and returns to the stream', async ({
  server,
  proxy,
  visitor,
}) => {
  visitor.tolerate(/ERR_|Failed to load resource/)
  const page = await visitor.blank({ url: proxy.url })
  const polls: number[] = []
  page.on('response', (response) => {
    if (new URL(response.url()).pathname === '/api/admin/ssot') polls.push(response.status())
  })
  await page.goto('/')
  await linked(page, 'Live')

  proxy.cutStreams()
  await linked(page, 'Polling')
  await expect.poll(() => polls).toContain(304)
  expect(polls[0]).toBe(200)

  const job = await server.api().enqueue('sleeper')
  await page.getByRole('group', { name: 'Running jobs' }).getByText(`#${job.id}`).waitFor({ timeout: 30_000 })

  proxy.mend()
  await linked(page, 'Live', 30_000)
  await server.api().post(`/api/jobs/${job.id}/cancel`)
  await page.getByText('Nothing runs right now.').waitFor({ timeout: 8_000 }) // soon, by the stream
})
