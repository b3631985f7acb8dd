/** The agents' file breaks and is mended while the server runs. */
import { readFile, writeFile } from 'node:fs/promises'
import type { Document } from '../../src/lib/types/document'
import { eventually, expect, test } from './harness'

test('faults in the agents’ file are on screen until it is mended; the fleet goes on', async ({ server, visitor }) => {
  const api = server.api()
  const page = await visitor.open('/')
  await page.getByText('· live').waitFor()
  const good = await readFile(server.config, 'utf8')
  const card = page.getByRole('region', { name: 'Agents', exact: true })

  await writeFile(server.config, good.replace('concurrency: 4', 'concurency: 4').replace('[sh, flaky.sh]', '[sh, gone.sh]'))
  await card.getByText('has faults').waitFor()
  await card.getByText(/:4: .*concurency/).waitFor() // the line of the fault
  await card.getByText(/gone\.sh/).waitFor()
  const { agents } = (await api.get<Document>('/api/admin/ssot')).agents_workers
  expect(agents!.config.problems).toHaveLength(2)
  expect(agents!.total_agents).toBe(7)
  const job = await api.enqueue('echo')
  await eventually(async () => expect((await api.job(job.id)).state).toBe('completed'))

  await writeFile(server.config, good)
  await card.getByText('has faults').waitFor({ state: 'hidden' })

  await writeFile(server.config, `${good}  newcomer:\n    command: [cat]\n`)
  await card.getByRole('link', { name: 'newcomer', exact: true }).waitFor()
  await writeFile(server.config, good)
  await card.getByRole('link', { name: 'newcomer', exact: true }).waitFor({ state: 'hidden' })
})
