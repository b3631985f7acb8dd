/** Below a path of a proxy: nothing that the browser follows or asks for is outside of it. */
import { expect, serving } from './harness'
import { password } from './harness/agentos'
import { linked } from './harness/page'

const base = '/ops/agentos'
const test = serving({ flags: ['--base-path', base] })

test('everything stays below the path', async ({ server, visitor }) => {
  expect(new URL(server.url).pathname).toBe(base)
  const job = await server.api().enqueue('sleeper')
  const page = await visitor.blank({ as: null })
  const outside: string[] = []
  page.on('request', (request) => {
    const { pathname } = new URL(request.url())
    if (!pathname.startsWith(`${base}/`)) outside.push(pathname)
  })
  const at = (path: string) => page.waitForURL(server.url + path)

  await page.goto(`${server.url}/jobs?state=running`)
  await page.waitForURL('**/login?next=*')
  await page.getByLabel('Name').fill('admin')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await at('/jobs?state=running')
  await linked(page, 'Live')

  await page.getByRole('link', { name: String(job.id), exact: true }).click()
  await at(`/jobs/${job.id}`)
  await page.getByRole('link', { name: 'sleeper', exact: true }).first().click()
  await at('/agents/sleeper')
  await page.getByRole('navigation').getByRole('link', { name: 'Overview' }).click()
  await at('/')
  await page.keyboard.press('g')
  await page.keyboard.press('w')
  await at('/workers')
  await page.goBack()
  await at('/')
  await page.reload()
  await linked(page, 'Live')
  for (const link of await page.getByRole('link').all()) {
    const href = (await link.getAttribute('href'))!
    expect(href.startsWith('#') || href.startsWith(`${base}/`), href).toBe(true)
  }
  await server.api().post(`/api/jobs/${job.id}/cancel`)
  await page.getByRole('button', { name: 'Account' }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await at('/login*') // its stream may lead there first, and then back here
  expect(outside).toEqual([])
})
