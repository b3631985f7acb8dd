/** `agentos demo`: what a newcomer sees in the first minute. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Document } from '../../src/lib/types/document'
import { eventually, expect, serving } from './harness'
import { card, linked, nonsense } from './harness/page'

const test = serving({ command: 'demo', flags: ['--folder', join(process.cwd(), '..')] })

test(
  'eleven agents are at work within a minute, and every figure makes sense',
  { timeout: 120_000 },
  async ({ server, visitor }) => {
    const api = server.api()
    const begin = Date.now()
    const page = await visitor.open('/', { viewport: { width: 1440, height: 900 } })
    const agents = card(page, 'Agents')
    await agents.getByText('11 agents, none paused').waitFor()
    expect(await agents.locator('tbody').getByRole('row').count()).toBe(11)

    await eventually(async () => {
      const { items } = (await api.get<Document>('/api/admin/ssot')).agents_workers.agents!
      const ran = Object.values(items).filter((agent) => agent.runs_24h > 0)
      expect(ran.length, ran.map((agent) => agent.name).join(' ')).toBeGreaterThanOrEqual(8)
    }, 60_000)
    console.log(
      `eight agents of the demo had ended runs ${((Date.now() - begin) / 1000).toFixed(1)} s after the page was opened`,
    )

    const log = page.getByRole('log', { name: 'Latest log lines' })
    const before = await log.innerText()
    await expect.poll(() => log.innerText(), { timeout: 30_000 }).not.toBe(before)
    expect(await page.locator('body').innerText()).not.toMatch(nonsense)

    const document = await api.get<Document>('/api/admin/ssot')
    expect(document.meta.stale).toBe(false)
    const { newest, failures } = document.dashboard.jobs!
    const job = Object.values(failures)[0]?.job_id ?? Object.values(newest)[0]!.id
    for (const path of [
      '/jobs',
      `/jobs/${job}`,
      '/agents',
      `/agents/${Object.keys(document.agents_workers.agents!.items)[0]}`,
      '/workers',
      '/settings',
    ]) {
      const other = await visitor.open(path)
      await linked(other, 'Live')
      expect(await other.locator('body').innerText()).not.toMatch(nonsense)
    }
    if (process.env.SHOTS) await shoot(process.env.SHOTS)

    /** Pictures of every page for who asks: SHOTS=folder npm run e2e -- demo */
    async function shoot(folder: string) {
      await mkdir(folder, { recursive: true })
      const pages = {
        overview: '/',
        jobs: '/jobs',
        job: `/jobs/${job}`,
        agents: '/agents',
        workers: '/workers',
        settings: '/settings',
        login: '/login',
      }
      for (const colorScheme of ['light', 'dark'] as const)
        for (const [width, height] of [
          [1440, 900],
          [390, 844],
        ] as const)
          for (const [name, path] of Object.entries(pages)) {
            const shot = await visitor.open(path, {
              as: name === 'login' ? null : 'admin',
              colorScheme,
              viewport: { width, height },
              isMobile: width < 500,
            })
            if (name !== 'login') await linked(shot, 'Live')
            await shot.evaluate(() => globalThis.document.fonts.ready)
            await shot.screenshot({ path: join(folder, `${name}-${colorScheme}-${width}.png`), fullPage: true })
            await shot.context().close()
          }
    }
  },
)
