/** Signing in and out. */
import type { Page } from 'playwright-core'
import { describe, eventually, expect, test } from './harness'
import { linked } from './harness/page'
import { password } from './harness/agentos'

async function fillIn(page: Page, name: string, secret: string) {
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password').fill(secret)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

for (const javaScriptEnabled of [true, false]) {
  describe(javaScriptEnabled ? 'with JavaScript' : 'without JavaScript', () => {
    test('the right password leads to the page that was asked for', async ({ visitor }) => {
      const page = await visitor.open('/jobs?state=running', { as: null, javaScriptEnabled })
      await page.waitForURL('**/login?next=*')
      await fillIn(page, 'admin', password)
      await page.waitForURL('**/jobs?state=running')
      const [cookie] = await page.context().cookies()
      expect(cookie).toMatchObject({
        name: expect.stringMatching(/^agentos_session_[0-9a-f]{8}$/),
        httpOnly: true,
        sameSite: 'Lax',
      })
    })

    test('a wrong name and a wrong password get the same answer', async ({ visitor }) => {
      visitor.tolerate(/status of 401/)
      const page = await visitor.open('/login', { as: null, javaScriptEnabled })
      const answers: string[] = []
      for (const [name, secret] of [
        ['admin', 'not the password'],
        ['nobody', 'not the password'],
        ['nobody', password],
      ] as const) {
        await fillIn(page, name, secret)
        const alert = page.getByRole('alert')
        await alert.filter({ hasText: /\S/ }).waitFor()
        answers.push((await alert.textContent())!)
        expect(await page.getByLabel('Password').inputValue()).toBe('')
        expect(await page.context().cookies()).toEqual([])
      }
      expect(new Set(answers).size).toBe(1)
    })
  })
}

test('next leads nowhere but to this site', async ({ server, visitor }) => {
  for (const next of ['//evil.example/', 'https://evil.example/', '/\\evil.example', 'javascript:alert(1)']) {
    const page = await visitor.open(`/login?next=${encodeURIComponent(next)}`, { as: null })
    await fillIn(page, 'admin', password)
    await linked(page, 'Live')
    expect(page.url()).toBe(`${server.url}/`)
    await page.context().close()
  }
})

test('signing out ends the session and the stream of every tab', async ({ server, visitor }) => {
  // Two tabs of one browser with a session of their own, not the one that other tests use.
  const page = await visitor.open('/login', { as: null })
  await fillIn(page, 'admin', password)
  await linked(page, 'Live')
  const other = await page.context().newPage()
  await other.goto('/')
  await linked(other, 'Live')
  const cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; ')
  expect((await fetch(`${server.url}/api/me`, { headers: { Cookie: cookie } })).status).toBe(200)

  await page.getByRole('button', { name: 'Account' }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL('**/login*')
  expect((await fetch(`${server.url}/api/me`, { headers: { Cookie: cookie } })).status).toBe(401)
  await other.waitForURL('**/login?next=*') // its stream said so
  await page.goto('/')
  await page.waitForURL('**/login*')
})

test('a session that ended elsewhere leads to the login page and back', async ({ server, visitor }) => {
  server.addUser('operator')
  const page = await visitor.open('/', { as: null })
  await fillIn(page, 'operator', password)
  await linked(page, 'Live')
  server.cli(['user', 'passwd', 'operator'], 'another fine password\n')
  await page.waitForURL('**/login?next=*')
  await fillIn(page, 'operator', 'another fine password')
  await linked(page, 'Live')
  await eventually(() => expect(new URL(page.url()).pathname).toBe('/'))
})
