/** The built pages in Chromium against the fixture: what unit tests cannot see. `npm run build` first. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { launch } from '../fixture/browser.mjs'
import { startFixture, type Fixture } from '../fixture/server.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let browser: Browser
let fixture: Fixture
let faults: string[]

beforeAll(async () => void (browser = await launch()))
afterAll(() => browser.close())
beforeEach(async () => {
  faults = []
  fixture = await startFixture()
})
afterEach(async () => {
  for (const context of browser.contexts()) await context.close()
  await fixture.stop()
})

async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    reducedMotion: 'reduce',
    bypassCSP: false,
    ...options,
  })
  const page = await context.newPage()
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
  page.on('pageerror', (error) => faults.push(error.message))
  await page.goto(fixture.url + path)
  await page.waitForSelector('h1')
  return page
}

const jobs = () => [...fixture.fleet.jobs.values()] as { id: string; state: string; errors: unknown[] }[]
const views: [string, () => string][] = [
  ['overview', () => '/'],
  ['jobs', () => '/jobs'],
  ['job', () => `/jobs/${jobs().find(({ errors }) => errors.length)!.id}`],
  ['agents', () => '/agents'],
  ['agent', () => '/agents/flaky'],
  ['workers', () => '/workers'],
  ['settings', () => '/settings'],
  ['login', () => '/login?failed'],
]

/** axe is run in the page's own world, which the policy forbids to inject into: so by the debugger. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  return page.evaluate(async () => {
    // @ts-expect-error axe is a global of the page
    const { violations } = await axe.run(document, { resultTypes: ['violations'] })
    return (violations as { id: string; nodes: { html: string; failureSummary: string }[] }[]).flatMap(
      ({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary.slice(0, 200)}`),
    )
  })
}

describe.each(['light', 'dark'] as const)('axe, %s', (colorScheme) => {
  test.each(views)('%s', async (_, path) => {
    const page = await open(path(), { colorScheme })
    await page.waitForTimeout(600)
    expect(await violations(page)).toEqual([])
  })

  test('old sections and a database that is down', async () => {
    fixture.databaseDown()
    const page = await open('/', { colorScheme })
    await page.waitForSelector('.band')
    expect(await violations(page)).toEqual([])
  })

  test('a phone, a dialog, the freshness list', async () => {
    const page = await open('/', { colorScheme, viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true })
    expect(await violations(page)).toEqual([])
    await page.click('.freshness')
    expect(await violations(page)).toEqual([])
    await page.goto(`${fixture.url}/jobs`)
    await page.click('button:has-text("Enqueue")')
    await page.waitForSelector('dialog')
    expect(await violations(page)).toEqual([])
  })
})

test.each(views)('nothing of %s is wider than a small phone', async (_, path) => {
  const page = await open(path(), { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true })
  await page.waitForTimeout(400)
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  expect(content).toBeLessThanOrEqual(window)
})

/** How much of the page has moved since it began. */
function shifts(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((done) => {
        let sum = 0
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) sum += (entry as PerformanceEntry & { value: number }).value
        }).observe({ type: 'layout-shift', buffered: true })
        setTimeout(() => done(sum), 200)
      }),
  )
}

test('the overview is complete without any API call, and nothing moves', async () => {
  await fixture.stop()
  fixture = await startFixture({ tickMs: 0 }) // rows that come and go are no layout shift to blame
  const page = await open('/')
  await page.waitForTimeout(2500)
  const shift = await shifts(page)
  expect(await page.locator('tbody tr:has(a[href^="/agents/"])').count()).toBe(11)
  expect(fixture.state.requests.filter((request) => request.includes('/api/'))).toEqual(['GET /api/admin/stream'])
  expect(shift).toBeLessThan(0.005)
  expect(faults).toEqual([])
})

test.each([2, 40])('nothing moves with %i agents, and their lists have the room they need', async (n) => {
  await fixture.stop()
  fixture = await startFixture({ tickMs: 0 })
  const { agents } = fixture.fleet
  fixture.fleet.mostListed = n
  for (let i = agents.length; i < n; i++) agents.push({ ...agents[i % 11]!, name: `agent-${i}`, order: i })
  fixture.publish()
  const page = await open('/')
  await page.waitForSelector('[role=log]')
  await page.waitForTimeout(500)
  expect(await page.locator('tbody tr:has(a[href^="/agents/"])').count()).toBe(n)
  expect(await shifts(page)).toBeLessThan(0.005)
  const box = async (name: string) => (await page.locator(`section:has(> header h2:text-is("${name}"))`).boundingBox())!
  const [table, failures] = [await box('Agents'), await box('Latest failures')]
  expect(Math.abs(table.y + table.height - failures.y - failures.height)).toBeLessThan(2)
  expect(failures.height).toBeGreaterThan(40 + 4 * 48)
})

describe('sections that the agents’ file declares', () => {
  const card = (page: Page, title: string) => page.locator(`section:has(> header h2:text-is("${title}"))`)
  /** Opens the overview with one of each kind, once all of it is there. */
  async function declared(options: BrowserContextOptions = {}) {
    await fixture.stop()
    fixture = await startFixture({ tickMs: 0 })
    fixture.fleet.declare()
    fixture.publish()
    const page = await open('/', options)
    await page.waitForSelector('.own')
    await page.waitForSelector('[role=log]')
    return page
  }

  test.each(['light', 'dark'] as const)('axe, %s', async (colorScheme) => {
    expect(await violations(await declared({ colorScheme }))).toEqual([])
  })

  test.each([360, 390, 900, 1440])('nothing is wider than the page, %i wide, and nothing moves', async (width) => {
    const page = await declared({ viewport: { width, height: 900 } })
    const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
    expect(content).toBeLessThanOrEqual(window)
    expect(await shifts(page)).toBeLessThan(0.005)
  })

  test('have no room when there are none', async () => {
    const page = await open('/')
    await page.waitForSelector('[role=log]')
    expect(await page.locator('.own').count()).toBe(0)
  })

  test('one goes bad and back while it is watched, and keeps its size', async () => {
    const page = await declared()
    const invoices = card(page, 'Open invoices')
    const before = await invoices.boundingBox()
    expect(await invoices.innerText()).toMatch(/1,284\s*invoices\s*OK/)
    const section = fixture.fleet.own['Open invoices']
    Object.assign(section, { error: 'exit status 3', failing_since: new Date().toISOString() })
    fixture.publish()
    await invoices.getByText('Failing').waitFor()
    expect(await invoices.innerText()).toMatch(/Exit status 3\.[^]*1,284/)
    expect(await invoices.boundingBox()).toEqual(before)
    Object.assign(section, {
      error: null,
      failing_since: null,
      value: { number: 1290, unit: 'invoices', level: 'bad' },
    })
    fixture.publish()
    await invoices.getByText('Bad').waitFor()
    expect(await invoices.innerText()).toMatch(/1,290/)
    expect(await invoices.innerText()).not.toMatch(/Failing/)
    expect(await card(page, 'Margin').innerText()).toContain('Only admins may see this value.')
    expect(faults).toEqual([])
  })
})

test('the first frame shows the whole first screen, and the rest comes after it', async () => {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage()
  await page.addInitScript(() => {
    const count = (selector: string) => document.querySelectorAll(selector).length
    requestAnimationFrame(() =>
      Object.assign(globalThis, {
        firstFrame: {
          figures: count('.kpi'),
          agents: count('tbody tr:has(a[href^="/agents/"])'),
          running: Math.min(8, count('[aria-label="Running jobs"] li')),
          logs: count('[role=log]'),
        },
      }),
    )
  })
  await page.goto(fixture.url)
  await page.waitForSelector('[role=log]')
  const seen = await page.evaluate(() => (globalThis as { firstFrame?: object }).firstFrame)
  expect(seen).toEqual({ figures: 6, agents: 11, running: 8, logs: 0 })
})

test('eleven agents are in sight at 1440 × 900', async () => {
  const page = await open('/')
  const last = await page.locator('tbody tr:has(a[href="/agents/report"])').boundingBox()
  expect(last!.y + last!.height).toBeLessThan(900)
})

test('no view breaks the content security policy or throws', async () => {
  const page = await open('/')
  for (const [name, path] of views.filter(([name]) => name !== 'login')) {
    await page.goto(fixture.url + path())
    await page.waitForSelector('h1')
    await page.waitForTimeout(500)
    expect(faults, name).toEqual([])
  }
})

test('patches reach the page', async () => {
  const page = await open('/')
  await page.waitForSelector('.freshness.ok')
  fixture.fleet.enqueue('report', { marker: 'patched' })
  fixture.fleet.paused.add('report')
  await page.waitForSelector('tr:has(a[href="/agents/report"]) :text("paused")')
})

test('without the stream it polls, with it again it is live', async () => {
  const page = await open('/')
  fixture.state.noStream = true
  fixture.cutStreams()
  await page.waitForSelector('.freshness:has-text("polling")')
  fixture.state.noStream = false
  await page.waitForSelector('.freshness:has-text("live")', { timeout: 20_000 })
})

test('a server that is gone leaves the last state, with its age and the reason', async () => {
  const page = await open('/')
  await page.waitForSelector('.freshness:has-text("live")')
  fixture.state.offline = true
  fixture.cutStreams()
  const banner = page.locator('.banner')
  await banner.waitFor({ timeout: 30_000 })
  expect(await banner.innerText()).toContain('The server cannot be reached.')
  expect(await page.locator('tbody tr:has(a[href^="/agents/"])').count()).toBe(11)
  fixture.state.offline = false
  await banner.waitFor({ state: 'detached', timeout: 30_000 })
})

test('one section that fails makes neither the others nor the server look old', async () => {
  fixture.fleet.failedAt = Date.now() - 70_000
  fixture.fleet.fail = { analytics: 'no answer by the deadline of 5s' }
  fixture.publish()
  const check = async (page: Page, link = 'Live') => {
    expect(await page.locator('.banner').count()).toBe(0)
    await page.locator('.freshness').filter({ hasText: link }).filter({ hasText: 'analytics 1 m old' }).waitFor()
    await page.click('.freshness')
    await page.getByText(/^As of [0-5]\.\d s ago/).waitFor()
    await page.keyboard.press('Escape')
  }
  for (const path of ['/', '/jobs', '/agents', '/workers']) {
    const page = await open(path)
    await check(page)
    if (path === '/') {
      await page.locator('.band:has-text("As of 1 m ago."):has-text("No answer by")').first().waitFor()
      fixture.state.noStream = true
      fixture.cutStreams()
      await check(page, 'Polling')
      fixture.state.noStream = false
    }
  }
})

test('a server without any document yet shows dashes, and fills in when there is one', async () => {
  fixture.state.empty = true
  const page = await open('/')
  await page.waitForSelector('text=No data yet')
  expect(await page.locator('.value').first().innerText()).toMatch(/^–/)
  fixture.state.empty = false
  await page.waitForSelector('a[href="/agents/hash"]', { timeout: 20_000 })
})

test('a session that ends leads to the login page and back', async () => {
  const page = await open('/workers')
  await page.waitForSelector('.freshness:has-text("live")')
  fixture.endSessions()
  await page.waitForURL('**/login?next=%2Fworkers')
})

test('viewers see no actions', async () => {
  fixture.state.role = 'viewer'
  const acts = /^(enqueue|pause|resume|retry|cancel|delete|revoke)/i
  for (const [, path] of views.filter(([name]) => name !== 'login')) {
    const page = await open(path())
    await page.waitForTimeout(300)
    expect(await page.getByRole('button', { name: acts }).count()).toBe(0)
    expect(await page.locator('main input[type=checkbox]').count()).toBe(0)
    await page.context().close()
  }
})

test('keys: places, rows, filter, help', async () => {
  const page = await open('/')
  await page.keyboard.press('g')
  await page.keyboard.press('j')
  await page.waitForURL('**/jobs')
  await page.waitForSelector('tr[data-row]')
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.keyboard.press('k')
  expect(await page.evaluate(() => document.activeElement?.closest('tr')?.rowIndex)).toBe(1)
  await page.keyboard.press('/')
  expect(await page.evaluate(() => document.activeElement?.getAttribute('type'))).toBe('search')
  await page.keyboard.type('g')
  await page.evaluate(() => (document.activeElement as HTMLElement).blur())
  await page.keyboard.press('?')
  await page.waitForSelector('dialog:has-text("Keyboard")')
  await page.keyboard.press('Escape')
  await page.waitForSelector('dialog', { state: 'detached' })
})

test('the chosen theme holds from the first paint on', async () => {
  const page = await open('/settings', { colorScheme: 'light' })
  await page.click('label:has-text("Dark")')
  await page.reload()
  expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe('dark')
})

test('jobs: filter in the address, page on, choose, act', async () => {
  const page = await open('/jobs')
  await page.waitForSelector('tr[data-row]')
  await page.fill('input[type=search]', 'page-1')
  await page.waitForURL('**/jobs?q=page-1')
  await page.waitForFunction(() => document.querySelectorAll('tr[data-row]').length < 15)
  await page.goto(`${fixture.url}/jobs`)
  await page.click('a:has-text("Older")')
  await page.waitForURL('**/jobs?cursor=*')
  await page.goBack()
  await page.click('nav[aria-label=State] a:has-text("Completed")')
  await page.waitForURL('**/jobs?state=completed')
  await page.waitForFunction(() => document.querySelectorAll('tr[data-row]').length > 5)
  await page.click('tbody tr:nth-child(1) input[type=checkbox]')
  await page.click('tbody tr:nth-child(3) input[type=checkbox]', { modifiers: ['Shift'] })
  const toolbar = page.getByRole('toolbar')
  expect(await toolbar.innerText()).toContain('3 jobs')
  await toolbar.getByRole('button', { name: 'Delete' }).click()
  await page.click('dialog button:has-text("Delete")')
  await page.waitForSelector('.toasts:has-text("3 jobs deleted")')
})

test('an address that makes no sense says so, and shows nothing rather than everything', async () => {
  const asked = () => fixture.state.requests.filter((request) => request.includes('/api/jobs'))
  for (const [path, words] of [
    ['/jobs?state=bogus', 'state=bogus is no state of a job'],
    ['/jobs?stat=running', 'did you mean state?'],
    ['/jobs?agent=hash&agent=flaky', 'agent is given 2 times'],
  ] as const) {
    const page = await open(path)
    await page.getByText(words).waitFor()
    expect(await page.locator('tr[data-row]').count()).toBe(0)
  }
  expect(asked()).toEqual([])
  const page = await open('/jobs?state=runing&agent=hash')
  await page.getByRole('link', { name: 'Leave that out' }).click()
  await page.waitForURL('**/jobs?agent=hash')
  await page.waitForSelector('tr[data-row]')
  const workers = await open('/workers?host=web-01')
  await workers.getByText('passes over “host”').waitFor()
  expect(faults).toEqual([])
})

test('an id is whatever the engine made of it, slashes and codes in it too', async () => {
  const [template] = jobs()
  for (const id of ['default/3f2b-9c', 'a b/c%2Fd?e#f']) {
    fixture.fleet.jobs.set(id, { ...template!, id })
    const page = await open(`/jobs/${encodeURIComponent(id)}`)
    await page.getByRole('heading', { name: `Job ${id}` }).waitFor()
    await page.getByRole('heading', { name: 'Timeline' }).waitFor()
    fixture.fleet.jobs.delete(id)
  }
  expect(faults).toEqual([])
  const page = await open('/jobs/abc')
  await page.getByText('There is no job abc').waitFor()
  await page.getByRole('link', { name: 'To all jobs' }).waitFor()
})

test('back leads to where one was: the same rows, scrolled and chosen alike', async () => {
  const page = await open('/jobs', { viewport: { width: 1440, height: 500 } })
  await page.click('tbody tr:nth-child(20) input[type=checkbox]')
  await page.locator('tbody tr:nth-child(24)').scrollIntoViewIfNeeded()
  const place = () => page.evaluate(() => scrollY)
  const ids = () => page.locator('tbody th a').allInnerTexts()
  const [y, rows] = [await place(), await ids()]
  expect(y).toBeGreaterThan(200)
  await page.click('tbody tr:nth-child(22) th a')
  await page.waitForSelector('h1:has-text("Job ")')
  expect(await place()).toBe(0)
  await page.goBack()
  await page.waitForSelector('tr[data-row]')
  await expect.poll(place).toBe(y)
  expect(await ids()).toEqual(rows)
  expect(await page.locator('tbody tr:nth-child(20) input[type=checkbox]').isChecked()).toBe(true)
  await page.reload()
  await expect.poll(place).toBe(y)
})

test('a job is enqueued and followed to its end', async () => {
  const page = await open('/jobs')
  await page.click('button:has-text("Enqueue")')
  await page.selectOption('dialog select', 'report')
  await page.fill('dialog textarea', '{"path": ')
  await page.waitForSelector('dialog :text("Not JSON")')
  expect(await page.locator('dialog .primary').isDisabled()).toBe(true)
  await page.fill('dialog textarea', '{"path": "by hand"}')
  await page.click('dialog .primary')
  const toast = await page.waitForSelector('.toasts p')
  const [, id] = /#(\d+)/.exec(await toast.innerText())!
  await page.waitForSelector(`tr[data-row]:has-text("${id}")`)
  await page.click(`tr[data-row] a:text-is("${id}")`)
  await page.waitForSelector('pre:has-text("by hand")')
  await page.waitForSelector('[role=log] p .msg', { timeout: 30_000 })
})

test('workers: where they are, what they may run and what they run', async () => {
  const page = await open('/workers')
  const rows = (id: string) => page.locator(`tbody[data-row]:has(th[title="${id}"])`)
  expect(await page.locator('tbody[data-row] th').allInnerTexts()).toEqual([
    'build-01:3302',
    'build-01:4121',
    'build-02:911',
    'build-02:640',
    'web-01:2210',
    'web-02:1874',
  ])
  expect(await rows('build-01-4121').innerText()).toContain('all 11 agents')
  expect(await rows('web-01-2210').locator('a[href^="/agents/"]:visible').allInnerTexts()).toEqual([
    'flaky',
    'report',
    'summarise',
    'todos',
    'walk',
  ])
  expect(await rows('build-01-3302').innerText()).toMatch(/draining[^]*Takes no more jobs/)
  expect(await rows('build-02-640').innerText()).toMatch(/lost[^]*no heartbeat/)
  const index = jobs().find((job) => 'agent' in job && job.agent === 'index' && job.state === 'running')!
  const { worker } = index as unknown as { worker: string }
  await rows(worker).locator(`a[href="/jobs/${index.id}"]`).waitFor()
  await page.keyboard.press('j')
  expect(
    await page.evaluate(() => document.activeElement?.closest('[data-row]')?.querySelector('th')?.textContent),
  ).toMatch(/^(build|web)-/)
})

test('agents that nobody runs are named on the workers’ page', async () => {
  fixture.fleet.unserved.add('walk').add('report')
  const page = await open('/workers')
  await page.waitForSelector('text=No worker runs walk, report: their jobs wait until one does.')
})

test('what the document does not list is found by asking the server', async () => {
  fixture.fleet.mostListed = 3
  fixture.publish()
  const page = await open('/')
  const all = fixture.fleet.agents.length
  await page.waitForSelector(`section:has(> header h2:text-is("Agents")) >> text=3 of ${all} shown`)
  await page.waitForSelector(`section:has(> header h2:text-is("Queues")) >> text=3 of ${all} shown`)
  const last = fixture.fleet.agents.at(-1)!.name

  await page.goto(fixture.url + '/agents')
  await page.waitForSelector(`text=${all} of ${all} agents`)
  await page.fill('[aria-label="Filter agents"]', last)
  await page.waitForSelector('text=1 of 1 agents')
  await page.click(`main a:text-is("${last}")`)
  await page.waitForSelector(`h1:text-is("${last}")`)
  await page.waitForSelector('dl.figures dd:text-matches("[0-9] %")')

  await page.goto(fixture.url + '/workers')
  const queues = page.locator('section:has(> header h2:text-is("Queues"))')
  await queues.locator(`text=${all} of ${all} queues`).waitFor()
  await queues.locator('input').fill(last)
  await queues.locator('text=1 of 1 queues').waitFor()
  await page.fill('[aria-label^="Find a worker"]', 'web-02')
  await page.waitForSelector('text=1 of 1 workers')

  await page.goto(fixture.url + '/jobs')
  await page.fill('input[aria-label="Agent"]', last.slice(0, 3))
  await page.waitForSelector(`datalist option[value="${last}"]`, { state: 'attached' })
  await page.fill('input[aria-label="Agent"]', last)
  await page.press('input[aria-label="Agent"]', 'Enter')
  await page.waitForURL(`**/jobs?agent=${last}`)
  expect(faults).toEqual([])
})

test('of several servers: which one leads, where jobs run, and what connects them', async () => {
  Object.assign(fixture.fleet.links, { redis: 'down', 'postgres link': 'degraded' })
  fixture.publish()
  const page = await open('/')
  const system = page.locator('section:has(> header h2:text-is("System"))')
  await system.locator('text=leader web-01').waitFor()
  expect((await system.locator('li').allInnerTexts()).map((text) => text.replaceAll('\n', ' '))).toEqual([
    expect.stringMatching(/^Database Postgres 15.4/),
    'Redis connection refused down',
    'Postgres link what other servers publish does not arrive degraded',
    expect.stringMatching(/^Cache /),
    expect.stringMatching(/^Warmer /),
  ])
  expect(await page.locator('[aria-label="Health"]').innerText()).toContain('redis: connection refused')
  await page.locator('[aria-label="Running jobs"] .now li:has-text("build-0")').first().waitFor()
  await page.click('.freshness')
  await page.waitForSelector('.sections:has-text("collected for all servers by web-01:2210")')
})

test('a server alone says nothing of others', async () => {
  fixture.fleet.links = {}
  fixture.publish()
  const page = await open('/')
  await page.click('.freshness')
  expect(await page.locator('.sections').innerText()).not.toContain('all servers')
  expect(await page.locator('section:has(> header h2:text-is("System"))').innerText()).not.toContain('collects')
  expect(await page.locator('[aria-label="Running jobs"] .on').count()).toBe(0)
})

test('a server that is cut off says so, and whose figures it shows', async () => {
  const page = await open('/')
  await page.waitForSelector('.freshness:has-text("live")')
  fixture.state.silent = true
  const banner = page.locator('.banner')
  await banner.waitFor({ timeout: 40_000 })
  expect(await banner.innerText()).toMatch(
    /no news since, neither its own nor of another server[^]*as web-01:2210 collected it/,
  )
})

test('what the engine cannot report has no column, figure or filter, and is said once', async () => {
  fixture.fleet.missing = {
    oldest_waiting: 'It keeps no time of enqueueing.',
    enqueued_at: 'It keeps no time of enqueueing.',
    durations: 'It does not record how long jobs run.',
    slots: 'It does not record how many jobs a worker runs at once.',
    kinds: 'It counts jobs by queue.',
    cancelled: 'It has no cancelled jobs.',
    search: 'It has no index of texts.',
    list_all: 'It has no list of all jobs.',
    results: 'It keeps no results.',
    priorities: 'It has no priorities.',
  }
  fixture.publish()
  const columns = (page: Page) =>
    page.locator('thead th[data-column]').evaluateAll((heads) => heads.map((head) => head.getAttribute('data-column')))
  const page = await open('/')
  await page.getByText('What this engine does not record (9)').click()
  expect(await page.getByText('It keeps no time of enqueueing.').count()).toBe(1)
  expect(await page.locator('.kpi h2').allInnerTexts()).toEqual([
    'Workers',
    'Queue',
    expect.stringMatching(/^Completed today/),
    'Success, 24 h',
  ])
  expect(await columns(page)).toEqual(['queue', 'running', 'waiting', 'scheduled'])
  expect(await page.locator('nav[aria-label=Main] a').allInnerTexts()).toEqual([
    'Overview',
    'Jobs',
    'Workers',
    'Settings',
  ])
  await page.goto(fixture.url + '/workers')
  await page.waitForSelector('tr[data-row]')
  const listed = await columns(page)
  for (const name of ['slots', 'agents', 'oldest']) expect(listed).not.toContain(name)
  await page.goto(fixture.url + '/jobs')
  await page.waitForSelector('tr[data-row]')
  expect(await columns(page)).toEqual(['pick', 'id', 'agent', 'queue', 'state', 'args', 'error', 'attempt', 'due'])
  const tabs = page.locator('nav[aria-label=State] a')
  expect((await tabs.allInnerTexts()).map((text) => text.split('\n')[0])).toEqual([
    'Waiting',
    'Running',
    'Scheduled',
    'Retrying',
    'Completed',
    'Gave up',
  ])
  expect(await page.locator('nav[aria-label=State] a[aria-current]').innerText()).toMatch(/^Waiting/)
  expect(await page.locator('[role=search] input').count()).toBe(0)
  await page.goto(`${fixture.url}/jobs/${jobs().find(({ errors }) => errors.length)!.id}`)
  await page.waitForSelector('h2:text-is("Arguments")')
  expect(await page.locator('h2:text-is("Result")').count()).toBe(0)
  await page.goto(fixture.url + '/settings')
  await page.getByText('It has no cancelled jobs.').waitFor()
  expect(faults).toEqual([])
})

test('a section that is collected rarely shows its age on its card', async () => {
  fixture.fleet.slow.analytics = 60_000
  fixture.publish()
  const page = await open('/')
  const head = (title: string) => page.locator(`section > header:has(h2:text-is("${title}"))`)
  await head('Throughput')
    .getByText(/^3\d s ago$/)
    .waitFor()
  expect(await head('Queues').getByText(/ago$/).count()).toBe(0)
  expect(await page.locator('.band').count()).toBe(0)
  await page.waitForSelector('.freshness .words > span:only-child:text-is("Live")')
  await page.click('.freshness')
  await page.getByText(/^As of [0-5]/).waitFor()
})

test('anybody changes their own password', async () => {
  const page = await open('/')
  await page.getByRole('button', { name: 'Account' }).click()
  await page.getByRole('link', { name: 'Change password…' }).click()
  await page.getByRole('button', { name: 'Change password…' }).click()
  const dialog = page.getByRole('dialog', { name: 'Change your password' })
  const fill = async (present: string, again: string) => {
    await dialog.getByLabel('Current password').fill(present)
    await dialog.getByLabel('New password', { exact: true }).fill('another fine password')
    await dialog.getByLabel('New password again').fill(again)
    await dialog.getByRole('button', { name: 'Change password' }).click()
  }
  await fill('right', 'another fine pasword')
  await dialog.getByText('The two new passwords differ.').waitFor()
  await fill('wrong', 'another fine password')
  await dialog.getByText('The present password is wrong.').waitFor()
  await fill('right', 'another fine password')
  await page.waitForSelector('.toasts:has-text("Your password is changed.")')
  expect(await dialog.count()).toBe(0)
})

test("a token is its maker's unless it is made for a service, and the audit log counts what is repeated", async () => {
  const page = await open('/settings')
  await page.getByRole('button', { name: 'New token' }).click()
  const dialog = page.getByRole('dialog', { name: 'New token' })
  await dialog.getByLabel('Name').fill('deploy')
  await dialog.getByText('ends with your account').waitFor()
  await dialog.getByLabel('Service token').check()
  await dialog.getByText('goes on working when you are gone').waitFor()
  await dialog.getByRole('button', { name: 'Create' }).click()
  await page.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('row').filter({ hasText: 'deploy' }).filter({ hasText: 'service token' }).waitFor()
  await page.getByText('×2,781').waitFor()
  const asked = page.waitForRequest((request) => request.url().includes('class=refused'))
  await page.click('label:has-text("Refused")')
  await asked
})

test('the filter of a log is in the address', async () => {
  const page = await open('/?level=warn&log=disk')
  const filter = page.getByRole('searchbox', { name: 'Filter log lines' })
  expect([await filter.inputValue(), await page.getByLabel('Least level').inputValue()]).toEqual(['disk', 'warn'])
  await filter.fill('a & b')
  await page.getByLabel('Least level').selectOption('error')
  await page.waitForURL('**/?level=error&log=a+%26+b')
  await page.reload()
  await page.waitForSelector('h1')
  expect([await filter.inputValue(), await page.getByLabel('Least level').inputValue()]).toEqual(['a & b', 'error'])
  await filter.fill('')
  await page.waitForURL('**/?level=error')
  expect(await page.getByRole('status').filter({ hasText: 'address' }).count()).toBe(0)

  const job = await open(`/jobs/${jobs().find(({ errors }) => errors.length)!.id}?log=nowhere+to+be+found`)
  const inJob = job.getByRole('searchbox', { name: 'Filter log lines' })
  expect(await inJob.inputValue()).toBe('nowhere to be found')
  await job.getByText('No line fits the filter.').waitFor()
  await inJob.fill('')
  await job.waitForURL(/\/jobs\/\d+$/)

  const wrong = await open('/?level=warm&colour=red')
  await wrong.getByText('level=warm is no level of a log').waitFor()
  await wrong.getByText('no filters but log and level: it passes over “colour”').waitFor()
  const workers = await open('/workers?log=x')
  await workers.getByText('passes over “log”').waitFor()
  expect(faults).toEqual([])
})
