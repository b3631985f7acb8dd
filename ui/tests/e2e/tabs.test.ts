/** Many tabs of one browser. Over HTTP/1.1 it opens six connections to a server, all tabs together. */
import type { BrowserContext, Page } from 'playwright-core'
import { eventually, expect, test } from './harness'
import type { AgentOS } from './harness/agentos'
import { agentRow, linked } from './harness/page'

/** How many streams the server has open. */
async function streams(server: AgentOS): Promise<number> {
  const { bytes } = await server.api().raw('/metrics')
  return Number(/^agentos_stream_subscribers (\d+)/m.exec(bytes.toString())![1])
}

async function openTabs(context: BrowserContext, n: number): Promise<Page[]> {
  const tabs: Page[] = []
  for (let i = 0; i < n; i++) {
    const page = await context.newPage()
    await page.goto('/', { timeout: 30_000 })
    tabs.push(page)
  }
  return tabs
}

const running = (page: Page) => page.getByRole('group', { name: 'Running jobs' })

test('ten tabs share one stream, and whoever closes leaves it to another', async ({ server, visitor }) => {
  const first = await visitor.open('/')
  await linked(first, 'Live')
  const tabs = await openTabs(first.context(), 9)
  await Promise.all(tabs.map((tab) => linked(tab, 'Live')))
  expect(await streams(server)).toBe(1)

  const job = await server.api().enqueue('sleeper')
  await Promise.all([first, ...tabs].map((tab) => running(tab).getByText(`#${job.id}`).waitFor({ timeout: 30_000 })))
  await first.close()
  await eventually(async () => expect(await streams(server)).toBe(1))
  await server.api().post(`/api/jobs/${job.id}/cancel`)
  await Promise.all(tabs.map((tab) => tab.getByText('Nothing runs right now.').waitFor({ timeout: 30_000 })))
  await Promise.all(tabs.map((tab) => linked(tab, 'Live')))

  await tabs[0]!.goto('/jobs', { timeout: 30_000 }) // a page that is asked for is answered
  await linked(tabs[0]!, 'Live')
  expect(await streams(server)).toBe(1)
})

test('a sign-out in one tab reaches all', async ({ visitor, server }) => {
  visitor.tolerate(/401|ERR_/)
  const first = await visitor.blank({ as: null })
  await first.goto('/login')
  await first.getByLabel('Name').fill('admin')
  await first.getByLabel('Password').fill('correct horse battery staple')
  await first.getByRole('button', { name: 'Sign in' }).click()
  await linked(first, 'Live')
  const tabs = await openTabs(first.context(), 2)
  await Promise.all(tabs.map((tab) => linked(tab, 'Live')))
  expect(await streams(server)).toBe(1)
  await tabs[1]!.evaluate(() => void fetch('/logout', { method: 'POST' })) // its page may be gone before the answer
  await Promise.all([first, ...tabs].map((tab) => tab.waitForURL(/\/login/, { timeout: 30_000 })))
})

test('where tabs cannot share, those that are not seen leave their connection to the others', async ({
  server,
  visitor,
}) => {
  const first = await visitor.blank()
  // As at an address that is not secure. What is hidden is set by the test: a headless browser shows all tabs.
  await first.context().addInitScript(() => {
    Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined })
    Object.defineProperty(Document.prototype, 'hidden', { get: () => sessionStorage.getItem('hidden') !== null })
  })
  const hide = (page: Page) =>
    page.evaluate(() => {
      sessionStorage.setItem('hidden', '')
      document.dispatchEvent(new Event('visibilitychange'))
    })
  await first.goto('/')
  await linked(first, 'Live')
  const tabs = await openTabs(first.context(), 3)
  await Promise.all(tabs.map((tab) => linked(tab, 'Live')))
  expect(await streams(server)).toBe(4)
  await Promise.all(tabs.map(hide))
  await eventually(async () => expect(await streams(server)).toBe(1))
  await tabs[0]!.reload() // hidden from the start
  await agentRow(tabs[0]!, 'echo').waitFor()
  await Promise.all((await openTabs(first.context(), 2)).map((tab) => linked(tab, 'Live')))
  expect(await streams(server)).toBe(3)
})
