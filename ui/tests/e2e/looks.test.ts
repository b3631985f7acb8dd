/** Every page, in light and dark, on a desk and on a phone, by keyboard and by screen reader. */
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { describe, eventually, expect, test as base } from './harness'
import { linked, nonsense } from './harness/page'
import type { AgentOS } from './harness/agentos'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** The addresses of all pages, with something on each that could overflow. */
const test = base.extend('pages', { scope: 'file' }, async ({ server }): Promise<Record<string, string>> => {
  const failed = await fill(server)
  return {
    overview: '/',
    jobs: '/jobs',
    job: `/jobs/${failed}`,
    agents: '/agents',
    agent: '/agents/broken',
    workers: '/workers',
    settings: '/settings',
  }
})

async function fill(server: AgentOS): Promise<string> {
  const api = server.api()
  const long = 'averylongwordwithoutanyspaceinit'.repeat(8)
  await api.enqueue('sleeper', { file: `/a/path/that/does/not/fit/on/any/phone/${long}` })
  await api.enqueue('flaky', { [long]: long })
  await api.enqueue('parent')
  await api.post('/api/agents/solo/pause')
  await api.enqueue('solo', { list: Array.from({ length: 50 }, (_, i) => i) })
  const failed = await api.enqueue('broken', { text: long, nested: { deep: { deeper: [1, 2, { long }] } } })
  await eventually(async () => expect((await api.job(failed.id)).state).toBe('discarded'))
  return failed.id
}

/** The page has its content and is live. */
async function loaded(page: Page) {
  await linked(page, 'Live')
  await page.locator('main h1, main p').first().waitFor({ state: 'attached' })
  await expect.poll(() => page.locator('[aria-busy=true]').count()).toBe(0)
  await expect.poll(() => page.getByText(/^Loading/).count()).toBe(0)
}

interface Violation {
  id: string
  help: string
  nodes: { target: unknown; failureSummary?: string }[]
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }
    return (await axe.run()).violations
  })
  return found.flatMap(({ id, help, nodes }) =>
    nodes.map((n) => `${id}: ${help}: ${JSON.stringify(n.target)} ${n.failureSummary ?? ''}`),
  )
}

for (const colorScheme of ['light', 'dark'] as const) {
  describe(`in ${colorScheme}`, () => {
    test('axe finds nothing on any page', async ({ visitor, pages }) => {
      const page = await visitor.blank({ colorScheme })
      const found: Record<string, string[]> = {}
      for (const [name, path] of Object.entries(pages)) {
        await page.goto(path)
        await loaded(page)
        found[name] = await violations(page)
      }
      await page.goto('/jobs')
      await loaded(page)
      await page.getByRole('button', { name: 'Enqueue', exact: true }).click()
      await page.getByRole('dialog', { name: 'Enqueue a job' }).waitFor()
      found.dialog = await violations(page)
      await page.keyboard.press('Escape')
      await page.getByRole('button', { name: /^Live/ }).click()
      await page.getByRole('heading', { name: 'Freshness' }).waitFor()
      found.freshness = await violations(page)
      const login = await visitor.open('/login', { as: null, colorScheme })
      found.login = await violations(login)
      expect(Object.fromEntries(Object.entries(found).filter(([, list]) => list.length > 0))).toEqual({})
    })

    test('the page has that colour from the first paint on', async ({ visitor }) => {
      for (const [path, as] of [
        ['/', 'admin'],
        ['/login', null],
      ] as const) {
        const page = await visitor.open(path, { as, colorScheme })
        expect(await isDark(page)).toBe(colorScheme === 'dark')
      }
    })
  })
}

/** Whether the background is darker than the text. */
function isDark(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const canvas = document.createElement('canvas').getContext('2d')!
    const light = (color: string) => {
      canvas.clearRect(0, 0, 1, 1)
      canvas.fillStyle = color
      canvas.fillRect(0, 0, 1, 1)
      const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data
      return r! + g! + b!
    }
    const { backgroundColor, color } = getComputedStyle(document.body)
    return light(backgroundColor) < light(color)
  })
}

test('the theme chosen by hand outlasts a reload and the system’s change', async ({ visitor }) => {
  const page = await visitor.open('/', { colorScheme: 'light' })
  const toggle = page.getByRole('button', { name: /^Theme/ })
  for (let clicks = 0; clicks < 3 && !(await isDark(page)); clicks++) await toggle.click()
  expect(await isDark(page)).toBe(true)
  await page.reload()
  expect(await isDark(page)).toBe(true)
  await page.goto('/login')
  expect(await isDark(page)).toBe(true)
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.goto('/')
  for (let clicks = 0; clicks < 3 && (await isDark(page)); clicks++) await toggle.click()
  await page.reload()
  expect(await isDark(page)).toBe(false)
})

for (const width of [360, 390]) {
  test(`no page scrolls sideways on a phone of ${width} px`, async ({ visitor, pages }) => {
    const page = await visitor.blank({ viewport: { width, height: 780 }, isMobile: true, hasTouch: true })
    const wide: Record<string, unknown> = {}
    for (const [name, path] of Object.entries(pages)) {
      await page.goto(path)
      await loaded(page)
      const overflow = await sideways(page)
      if (overflow.width > width) wide[name] = overflow
    }
    const login = await visitor.open('/login', { as: null, viewport: { width, height: 780 }, isMobile: true })
    expect((await sideways(login)).width).toBe(width)
    expect(wide).toEqual({})
  })
}

/** How wide the page is, and what sticks out of the window. */
function sideways(page: Page) {
  return page.evaluate(() => {
    const inner = Math.min(innerWidth, screen.width)
    const out = [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > inner + 0.5)
    return {
      width: document.documentElement.scrollWidth,
      out: out
        .slice(0, 5)
        .map(
          (e) => `${e.tagName.toLowerCase()}.${e.getAttribute('class') ?? ''} ${e.textContent!.trim().slice(0, 30)}`,
        ),
    }
  })
}

describe('by keyboard', () => {
  test('the first stop skips to the content', async ({ visitor }) => {
    const page = await visitor.open('/')
    const skip = page.getByRole('link', { name: 'Skip to the content' })
    await skip.waitFor({ state: 'attached' }) // of the drawing, if the server had one, and then of the live page that follows it
    await page.keyboard.press('Tab')
    const top = async () => (await skip.and(page.locator(':focus')).boundingBox())?.y ?? -1
    await expect.poll(top).toBeGreaterThanOrEqual(0)
    await page.keyboard.press('Enter')
    await page.locator('main:focus').waitFor()
  })

  test('two keys lead to each page, ? explains them, Escape closes', async ({ visitor }) => {
    const page = await visitor.open('/')
    await loaded(page)
    for (const [key, path] of [
      ['j', '/jobs'],
      ['a', '/agents'],
      ['w', '/workers'],
      ['s', '/settings'],
      ['o', '/'],
    ] as const) {
      await page.keyboard.press('g')
      await page.keyboard.press(key)
      await page.waitForURL((url) => url.pathname === path)
    }
    await page.keyboard.press('?')
    const help = page.getByRole('dialog', { name: 'Keyboard' })
    await help.waitFor()
    await page.keyboard.press('g') // nothing behind the dialog hears keys
    await page.keyboard.press('j')
    await page.keyboard.press('Escape')
    await help.waitFor({ state: 'hidden' })
    expect(new URL(page.url()).pathname).toBe('/')
  })

  test('the focus can be seen wherever it is', async ({ visitor, pages }) => {
    const page = await visitor.blank()
    const unseen: Record<string, string[]> = {}
    for (const [name, path] of Object.entries(pages)) {
      await page.goto(path)
      await loaded(page)
      const stops = new Set<string>()
      for (let i = 0; i < 40; i++) {
        await page.keyboard.press('Tab')
        const stop = await page.evaluate(() => {
          const e = document.activeElement
          if (!e || e === document.body) return null
          // A radio of a segmented choice is drawn by the text beside it.
          const drawn = [e, e.nextElementSibling, e.parentElement].filter((d) => d !== null)
          const seen = drawn.some((d) => {
            const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(d)
            return (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none'
          })
          return {
            what: `${e.tagName.toLowerCase()} ${e.getAttribute('aria-label') ?? e.textContent!.trim().slice(0, 40)}`,
            seen,
          }
        })
        if (!stop) break
        if (!stop.seen) stops.add(stop.what)
      }
      if (stops.size) unseen[name] = [...stops]
    }
    expect(unseen).toEqual({})
  })
})

test('every page loads by its address and by its link without any complaint', async ({ visitor, pages }) => {
  for (const path of Object.values(pages)) {
    const page = await visitor.open(path)
    await loaded(page)
    expect(await page.locator('body').innerText()).not.toMatch(nonsense)
    await page.close()
  }
  const page = await visitor.open('/')
  for (const name of ['Jobs', 'Agents', 'Workers', 'Settings', 'Overview']) {
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click()
    await page.getByRole('heading', { level: 1, name }).waitFor({ state: 'attached' })
    await page.waitForFunction((title) => document.title.endsWith(`${title} · AgentOS`), name)
  }
  expect(visitor.problems).toEqual([])
})
