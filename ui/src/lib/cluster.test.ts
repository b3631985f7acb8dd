import { describe, expect, test } from 'vitest'
import { beatAt, byHost, byWorker, unserved } from './cluster'
import type { Agent, Keyed, RunningJob, Worker } from './types/document'

let order = 0
const worker = (host: string, pid: number, more: Partial<Worker> = {}): Worker => ({
  order: order++,
  id: `${host}-${pid}`,
  host,
  pid,
  state: 'active',
  version: '1',
  started_at: '2026-11-23T12:00:00Z',
  beat_at: '2026-11-23T12:00:00Z',
  slots: 4,
  running: 1,
  done: 0,
  agents: 3,
  ...more,
})
const keyed = <T extends { id: string | number }>(...items: T[]): Keyed<T> =>
  Object.fromEntries(items.map((item) => [String(item.id), item]))

describe('hosts', () => {
  test('are in the order of their names, each with its workers', () => {
    const hosts = byHost(keyed(worker('web-10', 1), worker('web-2', 1), worker('web-10', 2)))
    expect(hosts.map(({ name, workers }) => [name, workers.map(({ pid }) => pid)])).toEqual([
      ['web-2', [1]],
      ['web-10', [1, 2]],
    ])
  })

  test('count no slots of lost workers, but those of draining ones', () => {
    const [host] = byHost(
      keyed(worker('a', 1), worker('a', 2, { state: 'lost' }), worker('a', 3, { state: 'draining' })),
    )
    expect([host!.slots, host!.running]).toEqual([8, 2])
  })

  test('are none before there is a document', () => {
    expect(byHost(null)).toEqual([])
  })
})

test('running jobs are found by their worker, the longest first', () => {
  const job = (id: string, order: number, worker: string | null) => ({ id, order, worker }) as RunningJob
  const jobs = byWorker(keyed(job('1', 2, 'a'), job('2', 1, 'a'), job('3', 0, null), job('4', 3, 'b')))
  expect([...jobs].map(([worker, list]) => [worker, list.map(({ id }) => id)])).toEqual([
    ['a', ['2', '1']],
    ['b', ['4']],
  ])
})

test('agents that no worker runs are named in the order of the file', () => {
  const agent = (name: string, order: number, state: Agent['state']) =>
    ({ name, order, state, id: name }) as Agent & { id: string }
  expect(unserved(keyed(agent('b', 1, 'offline'), agent('c', 2, 'idle'), agent('a', 0, 'offline')))).toEqual(['a', 'b'])
})

test('a heartbeat is as old as the database says, whatever its clock says', () => {
  const at = { beat_at: '2026-11-23T11:00:00.000Z', beat_age_ms: 1500 }
  expect(beatAt(at, '2026-11-23T12:00:00.000Z')).toBe('2026-11-23T11:59:58.500Z')
  expect(beatAt({ beat_at: at.beat_at }, '2026-11-23T12:00:00.000Z')).toBe(at.beat_at)
  expect(beatAt(at, null)).toBe(at.beat_at)
})
