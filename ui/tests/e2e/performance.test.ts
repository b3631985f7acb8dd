/** What the dashboard promises in numbers. The measured ones are printed. */
import type { Page } from 'playwright-core'
import { eventually, expect, test } from './harness'
import { card, linked } from './harness/page'

const budgetBytes = 80 * 1024
const budgetMs = 400

declare global {
  interface Window {
    /** When each job's link was first on screen, unix ms. */
    shown: Map<string, number>
    /** Scores of layout shifts since the page began. */
    shifts: { value: number; at: number; what: string[] }[]
  }
}

/** Notes the moment after the frame in which the link of a job first stands on the page. */
function watchJobs() {
  window.shown = new Map()
  const frame = new MessageChannel()
  let fresh: string[] = []
  frame.port1.onmessage = () => {
    const now = performance.timeOrigin + performance.now()
    for (const path of fresh.splice(0)) window.shown.set(path, now)
  }
  const known = new Set<string>()
  new MutationObserver(() => {
    const before = fresh.length
    for (const link of document.querySelectorAll<HTMLAnchorElement>('main a[href^="/jobs/"]')) {
      const path = link.getAttribute('href')!
      if (!known.has(path)) fresh.push(path)
      known.add(path)
    }
    if (before === 0 && fresh.length) requestAnimationFrame(() => frame.port2.postMessage(null))
  }).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ['href'] })
}

function watchShifts() {
  window.shifts = []
  interface Shift extends PerformanceEntry {
    value: number
    hadRecentInput: boolean
    sources: { node: Node | null }[]
  }
  new PerformanceObserver((list) => {
    for (const shift of list.getEntries() as Shift[]) {
      if (shift.hadRecentInput) continue
      const what = shift.sources.map(({ node }) => (node instanceof Element ? node : node?.parentElement)?.outerHTML.slice(0, 120) ?? '?')
      window.shifts.push({ value: shift.value, at: shift.startTime, what })
    }
  }).observe({ type: 'layout-shift', buffered: true })
}

const unixMs = () => performance.timeOrigin + performance.now()

function quantile(sorted: number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)]!
}

test('a job is on screen soon after it was enqueued', { timeout: 90_000 }, async ({ server, visitor }) => {
  const api = server.api()
  const page = await visitor.blank()
  await page.addInitScript(watchJobs)
  await page.goto('/')
  await linked(page, 'live')

  const samples: number[] = []
  for (let i = 0; i < 100; i++) {
    const begin = unixMs()
    const { id } = await api.enqueue('sleeper')
    const at = await page.waitForFunction((href) => window.shown.get(href), `/jobs/${id}`)
    samples.push(((await at.jsonValue()) as number) - begin)
    await api.post(`/api/jobs/${id}/cancel`)
  }
  samples.sort((a, b) => a - b)
  const [p50, p95, max] = [0.5, 0.95, 1].map((q) => Math.round(quantile(samples, q)))
  console.log(`from enqueueing to the screen: p50 ${p50} ms, p95 ${p95} ms, max ${max} ms of ${samples.length} jobs`)
  expect(p95).toBeLessThanOrEqual(budgetMs)
})

/** Bytes over the wire by kind, and calls of the API, until the page fires `load` and stands complete. */
async function measureLoad(page: Page) {
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Network.enable')
  const kinds = new Map<string, string>()
  const bytes: Record<string, number> = { Document: 0, Stylesheet: 0, Script: 0 }
  const calls: string[] = []
  devtools.on('Network.requestWillBeSent', ({ requestId, type, request }) => {
    kinds.set(requestId, type ?? 'Other')
    if (request.url.includes('/api/')) calls.push(new URL(request.url).pathname)
  })
  devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const kind = kinds.get(requestId)!
    bytes[kind] = (bytes[kind] ?? 0) + encodedDataLength
  })
  return { bytes, calls }
}

test('the first load is small, asks the API for nothing, and nothing on it moves', async ({ server, visitor }) => {
  const api = server.api()
  for (let i = 0; i < 60; i++) await api.enqueue(['echo', 'flaky', 'broken', 'parent'][i % 4]!, { i, text: 'some words for the preview' })
  for (let i = 0; i < 4; i++) await api.enqueue('sleeper', { i })
  const page = await visitor.blank({ viewport: { width: 1440, height: 900 } })
  await page.addInitScript(watchShifts)
  const { bytes, calls } = await measureLoad(page)
  await page.goto('/')
  await card(page, 'Agents').getByRole('link', { name: 'solo' }).waitFor()
  const before = calls.filter((path) => path !== '/api/admin/stream')
  await linked(page, 'live')

  // Ten seconds of patches: jobs come, run and end.
  for (const end = Date.now() + 10_000; Date.now() < end; ) {
    const job = await api.enqueue(Math.random() < 0.8 ? 'echo' : 'broken', { at: Date.now() })
    await eventually(async () => expect((await api.job(job.id)).state).toMatch(/completed|discarded/))
  }
  const total = bytes.Document! + bytes.Stylesheet! + bytes.Script!
  const shifts = await page.evaluate(() => window.shifts)
  const shifted = shifts.reduce((sum, { value }) => sum + value, 0)
  console.log(
    `first load: ${total} bytes compressed (HTML ${bytes.Document}, CSS ${bytes.Stylesheet}, JS ${bytes.Script}), ` +
      `${before.length} API calls, layout shift ${shifted}`,
  )
  expect(total).toBeLessThanOrEqual(budgetBytes)
  expect(bytes.Document).toBeGreaterThan(0)
  expect(bytes.Script).toBeGreaterThan(0)
  expect(before).toEqual([])
  expect(calls).toEqual(['/api/admin/stream'])
  expect(shifts).toEqual([])
})
