/** Another program's River database on the dashboard: here that of a server beside, which is worked on meanwhile. */
import { AgentOS } from './harness/agentos'
import { eventually, expect, test } from './harness'
import { Visitor } from './harness/browser'
import { linked } from './harness/page'

const action = /^(Enqueue|Pause|Resume|Retry|Cancel|Delete)/

test('attached and read only: all jobs, from the first paint, and no action', async ({ server, browser }) => {
  const api = server.api()
  const { id } = await api.enqueue('broken')
  await api.enqueue('echo', { say: 'attached' })
  await eventually(async () => expect((await api.job(id)).state).toBe('discarded'))
  const attached = await AgentOS.start({ flags: ['--attach', server.database, '--interval', '1s'] })
  const visitor = new Visitor(browser, attached.url)
  try {
    expect(attached.output).toContain('which is only read')
    let page = await visitor.open('/')
    await page.getByRole('region', { name: 'Attached database' }).getByText('read only').waitFor()
    await page.getByRole('link', { name: 'broken' }).first().waitFor()
    await eventually(async () => expect(await page.getByText('Reading history').count()).toBe(0))
    await linked(page, 'Live') // all of that is in the drawing too, before this page has opened its own stream
    const calls: string[] = []
    page.on('request', (request) => calls.push(new URL(request.url()).pathname))
    await page.reload()
    await linked(page, 'Live')
    await expect.poll(() => calls).toContain('/api/admin/stream')
    expect(calls.filter((path) => path.startsWith('/api/'))).toEqual(['/api/admin/stream'])
    for (const path of ['/jobs', `/jobs/${id}`, '/agents', '/agents/broken', '/workers']) {
      await page.goto(path)
      await linked(page, 'Live')
      await expect.poll(() => page.locator('[aria-busy=true]').count()).toBe(0)
      const names = await page
        .getByRole('main')
        .getByRole('button')
        .evaluateAll((buttons) => buttons.map((b) => b.getAttribute('aria-label') ?? b.textContent!.trim()))
      expect({ path, actions: names.filter((name) => action.test(name)) }).toEqual({ path, actions: [] })
    }
    await page.goto(`/jobs/${id}`)
    await page.getByText('failed').first().waitFor()
    expect(await attached.api().status('POST', `/api/jobs/${id}/retry`)).toBe(404)
    expect(await attached.api().status('POST', '/api/jobs', { agent: 'echo' })).toBe(405)
    page = await visitor.open('/jobs?state=discarded')
    await page.getByText('latest ended first').waitFor()
    expect(visitor.problems).toEqual([])
  } finally {
    await attached.close()
  }
})

test('attached with actions: a job is retried by the program that owns it', async ({ server, browser }) => {
  const api = server.api()
  const { id } = await api.enqueue('broken')
  await eventually(async () => expect((await api.job(id)).state).toBe('discarded'))
  const before = await api.job(id)
  const attached = await AgentOS.start({ flags: ['--attach', server.database, '--attach-actions', '--interval', '1s'] })
  const visitor = new Visitor(browser, attached.url)
  try {
    const page = await visitor.open(`/jobs/${id}`)
    await page.getByRole('button', { name: 'Retry' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click()
    await eventually(async () => expect((await api.job(id)).runs.length).toBeGreaterThan(before.runs.length))
    expect(await page.getByRole('button', { name: /^Enqueue/ }).count()).toBe(0)
    expect(visitor.problems).toEqual([])
  } finally {
    await attached.close()
  }
})
