/** What each role sees. */
import type { Page } from 'playwright-core'
import { eventually, expect, test } from './harness'
import { password } from './harness/agentos'
import { signIn, sessionApi } from './harness/browser'
import { linked } from './harness/page'

const action = /^(Enqueue|Pause|Resume|Retry|Cancel|Delete|New |Revoke|Password)/

function actionsOn(page: Page): Promise<string[]> {
  return page
    .getByRole('main')
    .getByRole('button')
    .evaluateAll((buttons) => buttons.map((b) => b.getAttribute('aria-label') ?? b.textContent!.trim()))
}

test('a viewer sees everything but no action, and the API refuses each', async ({ server, visitor }) => {
  server.addUser('viewer')
  const api = server.api()
  const { id } = await api.enqueue('broken')
  await eventually(async () => expect((await api.job(id)).state).toBe('discarded'))
  for (const path of ['/', '/jobs', `/jobs/${id}`, '/agents', '/agents/broken', '/workers']) {
    const page = await visitor.open(path, { as: 'viewer' })
    await linked(page, 'Live')
    await expect.poll(() => page.locator('[aria-busy=true]').count()).toBe(0)
    if (path === `/jobs/${id}`) await page.getByText('exit 7').waitFor()
    expect({ path, actions: (await actionsOn(page)).filter((name) => action.test(name)) }).toEqual({
      path,
      actions: [],
    })
    expect(await page.getByRole('checkbox').count()).toBe(0)
    expect(await page.getByRole('link', { name: 'Settings' }).count()).toBe(0)
    await page.context().close()
  }
  const session = sessionApi(server.url, await signIn(server.url, 'viewer'))
  expect(await session.get('/api/me')).toMatchObject({ name: 'viewer', role: 'viewer' })
  for (const path of ['/api/jobs', `/api/jobs/${id}/retry`, '/api/agents/echo/pause', '/api/queues/echo/pause'])
    expect([path, await session.status('POST', path, path === '/api/jobs' ? { agent: 'echo' } : undefined)]).toEqual([
      path,
      403,
    ])
  expect(await session.status('DELETE', `/api/jobs/${id}`)).toBe(403)
  expect((await api.job(id)).state).toBe('discarded')
})

test('an operator has the actions of the fleet and no settings', async ({ server, visitor }) => {
  server.addUser('operator')
  const page = await visitor.open('/agents', { as: 'operator' })
  await page.getByRole('button', { name: 'Pause echo' }).waitFor()
  expect(await page.getByRole('link', { name: 'Settings' }).count()).toBe(0)
  visitor.tolerate(/status of 403/)
  await page.goto('/settings')
  await linked(page, 'Live')
  expect((await actionsOn(page)).filter((name) => action.test(name))).toEqual([])
})

test('an admin makes a user, who signs in, and a token, which works until it is revoked', async ({
  server,
  visitor,
}) => {
  const page = await visitor.open('/settings')
  await page.getByRole('button', { name: 'New user' }).click()
  const user = page.getByRole('dialog', { name: 'New user' })
  await user.getByLabel('Name').fill('mira')
  await user.getByLabel('Password').fill(password)
  await user.getByRole('button', { name: 'Create' }).click()
  await page.getByRole('row', { name: /^mira / }).waitFor()
  expect(await sessionApi(server.url, await signIn(server.url, 'mira')).get('/api/me')).toMatchObject({
    role: 'viewer',
  })

  await page.getByRole('button', { name: 'New token' }).click()
  const token = page.getByRole('dialog', { name: /ew token/ })
  await token.getByLabel('Name').fill('ci')
  await token.getByRole('button', { name: 'Create' }).click()
  const secret = await token.getByText(/^aos_/).innerText()
  const status = () =>
    fetch(`${server.url}/api/me`, { headers: { Authorization: `Bearer ${secret}` } }).then((r) => r.status)
  expect(await status()).toBe(200)
  await token.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('row', { name: /^ci / }).getByRole('button', { name: 'Revoke' }).click()
  await page.getByRole('dialog', { name: 'Revoke ci?' }).getByRole('button', { name: 'Revoke' }).click()
  await expect.poll(status).toBe(401)
})
