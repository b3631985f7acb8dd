/** The agents' file breaks and is mended while the server runs. */
import { readFile, writeFile } from 'node:fs/promises'
import type { Document } from '../../src/lib/types/document'
import { eventually, expect, test } from './harness'
import { card, linked } from './harness/page'

test('errors in the agents’ file are on screen until it is fixed; the fleet goes on', async ({ server, visitor }) => {
  const api = server.api()
  const page = await visitor.open('/')
  await linked(page, 'Live')
  const good = await readFile(server.config, 'utf8')
  const agents = card(page, 'Agents')

  await writeFile(server.config, good.replace('concurrency: 4', 'concurency: 4'))
  await agents.getByText('has errors').waitFor()
  await agents.getByText(/:5: .*concurency/).waitFor() // the line of the fault
  const fleet = (await api.get<Document>('/api/admin/ssot')).agents_workers.agents!
  expect(fleet.config.problems).toHaveLength(1)
  expect(fleet.total_agents).toBe(7)
  const job = await api.enqueue('echo')
  await eventually(async () => expect((await api.job(job.id)).state).toBe('completed'))

  // A program that is missing is its agent's alone.
  await writeFile(server.config, good.replace('[sh, flaky.sh]', '[sh, gone.sh]'))
  await agents.getByText('has errors').waitFor({ state: 'hidden' })
  await agents
    .getByText(/gone\.sh/)
    .first()
    .waitFor()
  await writeFile(server.config, good)
  await agents
    .getByText(/gone\.sh/)
    .first()
    .waitFor({ state: 'hidden' })

  await writeFile(server.config, `${good}  newcomer:\n    command: [cat]\n`)
  await agents.getByRole('link', { name: 'newcomer', exact: true }).waitFor()
  await writeFile(server.config, good)
  await agents.getByRole('link', { name: 'newcomer', exact: true }).waitFor({ state: 'hidden' })
})
