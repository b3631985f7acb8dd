/** Pausing and resuming agents and queues. */
import { eventually, expect, test } from './harness'
import { agentRow, linked } from './harness/page'

test('a paused agent’s jobs wait, every view says so, and resumed they run', async ({ server, visitor }) => {
  const api = server.api()
  const page = await visitor.open('/agents')
  await linked(page, 'Live')
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'solo', exact: true }) })
  await row.getByRole('button', { name: 'Pause solo' }).click()
  await row.getByText('paused').waitFor()
  await row.getByRole('button', { name: 'Resume solo' }).waitFor()

  const jobs = [await api.enqueue('solo', { n: 1 }), await api.enqueue('solo', { n: 2 })]
  const control = await api.enqueue('echo') // fetched after them, so they had their chance
  await eventually(async () => expect((await api.job(control.id)).state).toBe('completed'))
  for (const { id } of jobs) expect((await api.job(id)).state).toBe('available')

  const overview = await visitor.open('/')
  await agentRow(overview, 'solo').getByText('paused').waitFor()
  await expect.poll(() => agentRow(overview, 'solo').locator('[data-label=waiting]').innerText()).toMatch(/2/)
  const workers = await visitor.open('/workers')
  await workers.getByRole('row').filter({ hasText: 'solo' }).getByText('paused').first().waitFor()

  const agent = await visitor.open('/agents/solo')
  await agent.getByRole('button', { name: 'Resume solo' }).click()
  await agent.getByRole('button', { name: 'Pause solo' }).waitFor()
  await eventually(async () => {
    for (const { id } of jobs) expect((await api.job(id)).state).toBe('completed')
  })
  await agentRow(overview, 'solo').getByText('paused').waitFor({ state: 'detached' })
  await row.getByText('paused').waitFor({ state: 'detached' })
})

test('a pause outlasts a restart', async ({ server }) => {
  await server.api().post('/api/agents/solo/pause')
  await server.restart()
  const { id } = await server.api().enqueue('solo')
  const control = await server.api().enqueue('echo')
  await eventually(async () => expect((await server.api().job(control.id)).state).toBe('completed'))
  expect((await server.api().job(id)).state).toBe('available')
  await server.api().post('/api/agents/solo/resume')
  await eventually(async () => expect((await server.api().job(id)).state).toBe('completed'))
})

test('a paused queue on the workers’ page resumes from there', async ({ visitor }) => {
  const page = await visitor.open('/workers')
  await linked(page, 'Live')
  const row = page.getByRole('row').filter({ has: page.getByRole('button', { name: /(Pause|Resume) echo$/ }) })
  await row.getByRole('button', { name: 'Pause echo' }).click()
  await row.getByText('paused').waitFor()
  await row.getByRole('button', { name: 'Resume echo' }).click()
  await row.getByText('paused').waitFor({ state: 'detached' })
})
