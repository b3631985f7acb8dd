/** The overview is complete before anything is asked, and shows what the API returns. */
import type { Page, Request } from 'playwright-core'
import type { Document } from '../../src/lib/types/document'
import { describe, eventually, expect, test } from './harness'
import { agentRow, card, linked, nonsense } from './harness/page'
import { agentNames } from './harness/fleet'

/** Every card of the overview, by its title. */
const cards = ['Throughput', 'Agents', 'Running', 'Latest failures', 'Logs', 'Queues', 'Workers', 'System']

function requestsOf(page: Page): string[] {
  const seen: string[] = []
  page.on('request', (request: Request) => seen.push(`${request.resourceType()} ${new URL(request.url()).pathname}`))
  return seen
}

async function waitForOverview(page: Page) {
  for (const title of cards) await card(page, title).waitFor()
  await card(page, 'Health').waitFor()
  await card(page, 'Key figures').waitFor()
  for (const name of agentNames) await agentRow(page, name).waitFor()
}

describe('the overview', () => {
  test('is complete with every request of the API refused', async ({ server, visitor }) => {
    await server.api().enqueue('broken')
    await eventually(async () => {
      const { dashboard, logs } = await server.api().get<Document>('/api/admin/ssot')
      expect(Object.keys(dashboard.jobs!.failures)).not.toEqual([])
      expect(Object.keys(logs!.items)).not.toEqual([])
    })
    visitor.tolerate(/ERR_FAILED/)
    const page = await visitor.blank()
    await page.route('**/api/**', (route) => route.abort())
    await page.goto('/')
    await waitForOverview(page)
    await card(page, 'Latest failures').getByText('cannot open the pod bay doors').waitFor()
    await page.getByRole('log', { name: 'Latest log lines' }).getByText('cannot open the pod bay doors').waitFor()
    await page.getByText(/^as of \d/).waitFor() // it cannot be live
    expect(await page.locator('main').innerText()).not.toMatch(nonsense)
  })

  test('says where the data is when its scripts do not come', async ({ visitor }) => {
    visitor.tolerate(/ERR_FAILED/)
    const page = await visitor.blank()
    await page.route('**/*.js', (route) => route.abort())
    await page.goto('/')
    await page.getByText('The dashboard has not loaded.').waitFor()
  })

  test('says where the data is without JavaScript', async ({ visitor }) => {
    const page = await visitor.blank({ javaScriptEnabled: false })
    await page.goto('/')
    await page.getByText('It needs JavaScript.').waitFor()
  })

  test('asks for nothing but its own files and one event stream', async ({ visitor }) => {
    const page = await visitor.blank()
    const requests = requestsOf(page)
    await page.goto('/')
    await waitForOverview(page)
    await linked(page, 'Live') // so says the drawing too, before the page has opened its stream
    await expect.poll(() => requests).toContain('eventsource /api/admin/stream')
    const stream = requests.findIndex((request) => request === 'eventsource /api/admin/stream')
    expect(requests[0]).toBe('document /')
    expect(requests.slice(1, stream).every((request) => / \/assets\//.test(request))).toBe(true)
    expect(requests.filter((request) => request.includes('/api/'))).toEqual(['eventsource /api/admin/stream'])
  })

  test('shows the values of the API', async ({ server, visitor }) => {
    const api = server.api()
    await api.post('/api/agents/solo/pause')
    for (let i = 0; i < 3; i++) await api.enqueue('solo')
    await api.enqueue('echo')
    const page = await visitor.open('/')
    await linked(page, 'Live')
    const figure = (title: string | RegExp) =>
      card(page, 'Key figures').locator('.kpi', { has: page.getByRole('heading', { name: title, exact: true }) })

    await eventually(async () => {
      const { dashboard, agents_workers, analytics } = await api.get<Document>('/api/admin/ssot')
      const { workers, queue, jobs, system } = dashboard
      expect(jobs!.completed_today).toBeGreaterThan(0)
      expect({
        workers: await figure('Workers').innerText(),
        queue: await figure('Queue').innerText(),
        jobs: await figure(/^Jobs today, since 00:00 /).innerText(),
        success: await figure('Success, 24 h').innerText(),
        agents: await card(page, 'Agents').locator('header').innerText(),
        solo: await agentRow(page, 'solo').innerText(),
        health: await card(page, 'Health').innerText(),
      }).toEqual({
        workers: expect.stringMatching(
          new RegExp(
            `${workers!.active}\\s*/ ${workers!.total} active[^]*${workers!.busy} of ${workers!.slots} slots busy`,
          ),
        ),
        queue: expect.stringMatching(new RegExp(`${queue!.pending}\\s*waiting[^]*${queue!.processing} running`)),
        jobs: expect.stringMatching(
          new RegExp(`${jobs!.total_today}\\s[^]*${jobs!.completed_today} completed[^]*${jobs!.gave_up_today} gave up`),
        ),
        success: expect.stringContaining(
          analytics!.success_rate === 100 ? '100 %' : `${analytics!.success_rate!.toFixed(1)} %`,
        ),
        agents: expect.stringContaining(`${agents_workers.agents!.total_agents} agents, 1 paused`),
        solo: expect.stringMatching(/paused[^]*3/),
        health: expect.stringMatching(new RegExp(system!.status, 'i')),
      })
    })
    await api.post('/api/agents/solo/resume')
  })
})
