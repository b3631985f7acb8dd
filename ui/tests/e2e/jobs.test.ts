/** A job's life on screen, and what can be done with it. */
import { existsSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { describe, eventually, expect, test } from './harness'
import type { AgentOS } from './harness/agentos'
import { card, linked } from './harness/page'

/** Opens gates that a stepper waits at. */
async function makeGate(server: AgentOS) {
  const folder = await mkdtemp(join(server.folder, 'gate-'))
  return { folder, open: (name: string) => writeFile(join(folder, name), '') }
}

/** Clicks an action of the job's page and confirms it. */
async function act(page: Page, verb: 'Cancel' | 'Retry' | 'Delete') {
  await page.getByRole('main').getByRole('button', { name: verb, exact: true }).click()
  await page
    .getByRole('dialog', { name: new RegExp(`^${verb} job`) })
    .getByRole('button', { name: verb, exact: true })
    .click()
}

/** The state beside the title of the job's page. */
function stateOf(page: Page, state: string) {
  return page.getByRole('main').locator('header').first().getByText(state, { exact: true })
}

const isRunning = (pid: number) => existsSync(`/proc/${pid}`)

describe('a job', () => {
  test('has the numbers that were typed, on screen and in a copy of it', async ({ server, visitor }) => {
    const args = '{"id":3544790567247868102,"rate":1.10}'
    const page = await visitor.open('/jobs')
    await page.getByRole('button', { name: 'Enqueue', exact: true }).click()
    const dialog = page.getByRole('dialog', { name: 'Enqueue a job' })
    await dialog.getByLabel('Agent', { exact: true }).selectOption('solo')
    await dialog.getByLabel('Arguments (JSON)').fill(args)
    await dialog.getByRole('button', { name: 'Enqueue', exact: true }).click()
    await dialog.waitFor({ state: 'hidden' })
    await page.getByRole('row').filter({ hasText: 'solo' }).first().getByRole('rowheader').getByRole('link').click()

    const shown = () => page.getByRole('group', { name: 'Arguments' }).innerText()
    await eventually(async () => expect((await shown()).replaceAll(/\s/g, '')).toBe(args))
    await page.getByRole('button', { name: 'Enqueue a copy' }).click()
    const first = page.url()
    await dialog.getByRole('button', { name: 'Enqueue', exact: true }).click()
    await page.waitForURL((url) => url.pathname.startsWith('/jobs/') && url.href !== first)
    await eventually(async () => expect((await shown()).replaceAll(/\s/g, '')).toBe(args))
    const { bytes } = await server.api().raw(`/api${new URL(page.url()).pathname}`)
    expect(bytes.toString()).toContain(`"args_json":${args}`)
  })

  test('enqueued by the dialog is watched from waiting to its result', async ({ server, visitor }) => {
    const gate = await makeGate(server)
    const overview = await visitor.open('/')
    const page = await overview.context().newPage()
    await page.goto('/jobs')
    await linked(page, 'Live')

    await page.getByRole('button', { name: 'Enqueue', exact: true }).click()
    const dialog = page.getByRole('dialog', { name: 'Enqueue a job' })
    await dialog.getByLabel('Agent', { exact: true }).selectOption('stepper')
    await dialog.getByLabel('Arguments (JSON)').fill('{"gate": ')
    expect(await dialog.getByRole('button', { name: 'Enqueue', exact: true }).isDisabled()).toBe(true)
    await dialog.getByLabel('Arguments (JSON)').fill(JSON.stringify({ gate: gate.folder }))
    await dialog.getByRole('button', { name: 'Enqueue', exact: true }).click()
    await dialog.waitFor({ state: 'hidden' })
    const row = page.getByRole('row').filter({ hasText: 'stepper' }).first()
    await row.getByText('running').waitFor()
    await row.getByRole('rowheader').getByRole('link').click()
    await page.waitForURL(/\/jobs\/\d+$/)
    const id = new URL(page.url()).pathname.split('/')[2]!

    // Nothing below happens before its gate is opened, so what is seen is seen while the job runs.
    const log = page.getByRole('log', { name: 'Log of attempt 1' })
    await log.getByText(/^pid \d+$/).waitFor()
    await overview.getByRole('group', { name: 'Running jobs' }).getByText(`#${id}`).waitFor()
    for (const [step, percent] of [
      [1, 25],
      [2, 50],
      [3, 75],
    ] as const) {
      await gate.open(String(step))
      await log.getByText(`step ${step} of 3`).waitFor()
      await page
        .getByRole('meter', { name: 'progress' })
        .and(page.locator(`[aria-valuenow="${percent}"]`))
        .waitFor()
      await overview
        .getByRole('meter', { name: `progress of job ${id}` })
        .and(overview.locator(`[aria-valuenow="${percent}"]`))
        .waitFor()
      await overview.getByRole('group', { name: 'Running jobs' }).getByText(`step ${step} of 3`).waitFor()
    }
    expect((await server.api().job(id)).state).toBe('running')
    await stateOf(page, 'running').waitFor()

    await gate.open('end')
    await stateOf(page, 'completed').waitFor()
    await card(page, 'Result').getByText('the result of the stepper').waitFor()
    await card(page, 'Attempts').getByText('exit 0').waitFor()
    await overview.getByText('Nothing runs right now.').waitFor()
  })

  test('of a busy agent waits, and runs when the slot is free', async ({ server, visitor }) => {
    const api = server.api()
    const gate = await makeGate(server)
    const running = []
    for (let i = 0; i < 4; i++) running.push(await api.enqueue('stepper', { gate: gate.folder }))
    const waiting = await api.enqueue('stepper', { gate: gate.folder })
    const page = await visitor.open(`/jobs/${waiting.id}`)
    await stateOf(page, 'waiting').waitFor()
    await card(page, 'Attempts').getByText('Not started yet.').waitFor()
    for (const name of ['1', '2', '3', 'end']) await gate.open(name)
    await stateOf(page, 'completed').waitFor()
    for (const { id } of running) expect((await api.job(id)).state).toBe('completed')
  })

  test('that fails once shows both attempts, each with its log', async ({ server, visitor }) => {
    const { id } = await server.api().enqueue('flaky')
    const page = await visitor.open(`/jobs/${id}`)
    await stateOf(page, 'completed').waitFor({ timeout: 30_000 })
    const attempts = card(page, 'Attempts')
    await attempts.getByText('exit 3').waitFor()
    await attempts.getByText('exit 0').waitFor()
    await attempts.getByRole('row').filter({ hasText: 'exit 3' }).getByRole('button', { name: 'Log' }).click()
    await page.getByRole('log', { name: 'Log of attempt 1' }).getByText('the first attempt fails on purpose').waitFor()
    await card(page, 'Result').getByText('the second attempt succeeds').waitFor()
  })

  test('can ask for another one', async ({ server }) => {
    const api = server.api()
    await api.enqueue('parent')
    await eventually(async () => {
      const { jobs } = await api.get<{ jobs: { args: string; state: string }[] }>('/api/jobs?agent=echo')
      expect(jobs).toMatchObject([{ args: '{"from":"parent"}', state: 'completed' }])
    })
  })
})

describe('actions', () => {
  test('cancel ends the running process and its children', async ({ server, visitor }) => {
    const { id } = await server.api().enqueue('sleeper')
    const page = await visitor.open(`/jobs/${id}`)
    const line = await page
      .getByRole('log', { name: 'Log of attempt 1' })
      .getByText(/^pid \d+ and \d+$/)
      .innerText()
    const pids = line.match(/\d+/g)!.map(Number)
    expect(pids.map(isRunning)).toEqual([true, true])

    await act(page, 'Cancel')
    await page.getByRole('status').getByText(`Job #${id} is stopping.`).waitFor() // it is gone after a few seconds
    await stateOf(page, 'cancelled').waitFor()
    await eventually(() => expect(pids.map(isRunning)).toEqual([false, false]))
    expect((await server.api().job(id)).runs[0]!.outcome).toBe('cancelled')
  })

  test('retry runs a discarded job again', async ({ server, visitor }) => {
    const gate = await makeGate(server)
    const mended = join(gate.folder, 'mended')
    const { id } = await server.api().enqueue('broken', { mended })
    const page = await visitor.open(`/jobs/${id}`)
    await stateOf(page, 'gave up').waitFor()
    await card(page, 'Attempts').getByText('exit 7').waitFor()
    await page.getByRole('log').getByText('cannot open the pod bay doors').waitFor()

    await gate.open('mended')
    await act(page, 'Retry')
    await stateOf(page, 'completed').waitFor()
    await card(page, 'Result').getByText('mended').waitFor()
    expect((await server.api().job(id)).runs.map((run) => run.outcome)).toEqual(['ok', 'failed'])
  })

  test('delete removes a job for good and leads back to the list', async ({ server, visitor }) => {
    const { id } = await server.api().enqueue('solo')
    await eventually(async () => expect((await server.api().job(id)).state).toBe('completed'))
    const page = await visitor.open(`/jobs/${id}`)
    await act(page, 'Delete')
    await page.waitForURL('**/jobs')
    expect(await server.api().status('GET', `/api/jobs/${id}`)).toBe(404)
    visitor.tolerate(/status of 404/)
    await page.goto(`/jobs/${id}`)
    await page.getByRole('alert').waitFor()
  })

  test('several jobs of the list at once', async ({ server, visitor }) => {
    const api = server.api()
    const ids: string[] = []
    for (let i = 0; i < 3; i++) ids.push((await api.enqueue('broken', { i })).id)
    for (const id of ids) await eventually(async () => expect((await api.job(id)).state).toBe('discarded'))
    const page = await visitor.open('/jobs?agent=broken&state=discarded')
    for (const id of ids) await page.getByRole('checkbox', { name: `Select job ${id}`, exact: true }).check()
    await page.getByText('3 jobs', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Delete', exact: true }).click()
    await page
      .getByRole('dialog', { name: 'Delete 3 jobs?' })
      .getByRole('button', { name: 'Delete', exact: true })
      .click()
    await eventually(async () =>
      expect(await Promise.all(ids.map((id) => api.status('GET', `/api/jobs/${id}`)))).toEqual([404, 404, 404]),
    )
    for (const id of ids) await page.getByRole('link', { name: String(id), exact: true }).waitFor({ state: 'detached' })
  })
})

describe('the list', () => {
  test('is filtered by state, agent and text, and paged; the address holds it all', async ({ server, visitor }) => {
    const api = server.api()
    const needle = await api.enqueue('echo', { word: 'needle-in-the-hay' })
    for (let i = 0; i < 60; i++) await api.enqueue('echo', { i })
    await eventually(async () => {
      const { jobs } = await api.get<{ jobs: unknown[] }>('/api/jobs?agent=echo&state=completed&limit=200')
      expect(jobs.length).toBeGreaterThanOrEqual(61)
    }, 20_000)
    const page = await visitor.open('/jobs')
    const ids = page.getByRole('rowheader').getByRole('link')
    await ids.first().waitFor()
    const first = await ids.allInnerTexts()
    expect(first.length).toBe(50)
    expect(first.map(Number)).toEqual(first.map(Number).sort((a, b) => b - a))

    await page.getByRole('link', { name: 'Older' }).click()
    await page.waitForURL(/cursor=/)
    await eventually(async () =>
      expect(Math.max(...(await ids.allInnerTexts()).map(Number))).toBeLessThan(Number(first.at(-1))),
    )

    await page.goto('/jobs')
    await page.getByRole('searchbox', { name: /Find jobs/ }).fill('needle-in')
    await page.waitForURL(/needle-in/)
    await eventually(async () => expect(await ids.allInnerTexts()).toEqual([String(needle.id)]))
    await page.reload()
    await eventually(async () => expect(await ids.allInnerTexts()).toEqual([String(needle.id)]))

    await page.goto('/jobs')
    await page.getByRole('combobox', { name: 'Agent' }).selectOption('echo')
    await page
      .getByRole('navigation', { name: 'State' })
      .getByRole('link', { name: /^cancelled/i })
      .click()
    await page.getByText('No job fits these filters.').waitFor()
    await page.goBack()
    await ids.first().waitFor()
  })

  test('announces newer jobs', async ({ server, visitor }) => {
    const api = server.api()
    await api.enqueue('echo')
    const page = await visitor.open('/jobs')
    await linked(page, 'Live')
    await page.getByRole('rowheader').first().waitFor()
    const { id } = await api.enqueue('echo', { late: true })
    await page.getByRole('button', { name: /newer job/ }).click()
    await page.getByRole('link', { name: String(id), exact: true }).waitFor()
  })
})
