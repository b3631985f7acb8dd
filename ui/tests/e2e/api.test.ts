/** What a program with a token gets: `curl -H "Authorization: Bearer …" /api/admin/ssot`. */
import { gunzipSync } from 'node:zlib'
import type { Document } from '../../src/lib/types/document'
import { describe, eventually, expect, test } from './harness'
import { Api, jsonOf } from './harness/api'
import { signIn } from './harness/browser'
import { agentNames } from './harness/fleet'
import { haveSQLite, query } from './harness/sqlite'

const path = '/api/admin/ssot'

/** The paths that never move, with a value of the right type. */
const contract: [string, string][] = [
  ['dashboard.system.status', 'string'],
  ['dashboard.system.cpu', 'number'],
  ['dashboard.system.memory', 'number'],
  ['dashboard.workers.total', 'number'],
  ['dashboard.workers.active', 'number'],
  ['dashboard.queue.pending', 'number'],
  ['dashboard.queue.processing', 'number'],
  ['dashboard.jobs.total_today', 'number'],
  ['agents_workers.agents.total_agents', 'number'],
  ['agents_workers.agents.active_agents', 'number'],
  ['analytics.success_rate', 'number'],
  ['logs', 'object'],
  ['timestamp', 'string'],
  ['meta.version', 'number'],
  ['meta.revision', 'number'],
  ['meta.as_of', 'string'],
  ['meta.stale', 'boolean'],
]

const sections = ['system', 'workers', 'queue', 'jobs', 'agents', 'analytics', 'logs', 'own']

function at(document: unknown, dotted: string): unknown {
  return dotted.split('.').reduce((value, key) => (value as Record<string, unknown>)?.[key], document)
}

describe('the document', () => {
  test('has every path of the contract, each section with its age', async ({ server }) => {
    const api = server.api()
    await api.enqueue('echo') // success_rate is null while nothing has ended
    await expect.poll(async () => (await api.get<Document>(path)).analytics?.success_rate).toBe(100)
    await expect.poll(async () => (await api.get<Document>(path)).dashboard.system?.cpu).toBeTypeOf('number')

    const document = await api.get<Document>(path)
    const found = contract.map(([dotted]) => [dotted, typeof at(document, dotted)])
    expect(found).toEqual(contract)
    expect(document.meta.version).toBe(4)
    expect(document.agents_workers.agents!.total_agents).toBe(agentNames.length)
    expect(Object.keys(document.agents_workers.agents!.items).sort()).toEqual([...agentNames].sort())
    expect(Object.keys(document.meta.sections).sort()).toEqual([...sections].sort())
    for (const name of sections) {
      const { as_of, took_ms, error, overdue } = document.meta.sections[name]!
      expect({ name, age: Date.now() - Date.parse(as_of!) < 15_000, error, overdue, took: took_ms >= 0 }).toEqual({
        name,
        age: true,
        error: null,
        overdue: false,
        took: true,
      })
    }
  })

  test('is JSON, gzipped on demand, with its ETag, age and how it was served', async ({ server }) => {
    const api = server.api()
    const plain = await api.raw(path, { 'Accept-Encoding': 'identity' })
    expect(plain.status).toBe(200)
    expect(plain.headers['content-type']).toMatch(/^application\/json/)
    expect(plain.headers['content-encoding']).toBeUndefined()
    expect(plain.headers['cache-status']).toMatch(/hit/)
    expect(plain.headers['server-timing']).toBeTruthy()
    expect(Number(plain.headers.age)).toBeLessThanOrEqual(5)
    expect(plain.headers.vary).toMatch(/Accept-Encoding/i)
    expect(plain.headers['cache-control']).toMatch(/private|no-store|no-cache/)

    const zipped = await api.raw(path, { 'Accept-Encoding': 'gzip' })
    expect(zipped.headers['content-encoding']).toBe('gzip')
    expect(zipped.bytes.length).toBeLessThan(plain.bytes.length / 2)
    expect(() => JSON.parse(gunzipSync(zipped.bytes).toString())).not.toThrow()
  })

  test('answers 304 to whoever has it already', async ({ server }) => {
    const api = server.api()
    await expect
      .poll(async () => {
        const first = await api.raw(path, { 'Accept-Encoding': 'gzip' })
        const again = await api.raw(path, { 'Accept-Encoding': 'gzip', 'If-None-Match': first.headers.etag! })
        return [again.status, again.bytes.length, again.headers.etag === first.headers.etag]
      })
      .toEqual([304, 0, true])
    const other = await api.raw(path, { 'If-None-Match': '"other"' })
    expect(other.status).toBe(200)
  })
})

describe('values', () => {
  test('are those of the database', async ({ server }) => {
    const api = server.api()
    const ids: string[] = []
    for (let i = 0; i < 5; i++) ids.push((await api.enqueue('echo', { i })).id)
    ids.push((await api.enqueue('flaky')).id, (await api.enqueue('broken')).id, (await api.enqueue('parent')).id)
    const later = await api.enqueue('echo', {}, { scheduled_at: new Date(Date.now() + 3_600_000).toISOString() })
    await api.post('/api/agents/solo/pause')
    for (let i = 0; i < 3; i++) await api.enqueue('solo', { i })
    await expect
      .poll(async () =>
        (await Promise.all(ids.map((id) => api.job(id)))).every((job) => /completed|discarded/.test(job.state)),
      )
      .toBe(true)
    expect((await api.job(later.id)).state).toBe('scheduled')

    await eventually(async () => {
      const { dashboard, analytics } = await api.get<Document>(path)
      const { queue, jobs } = dashboard
      expect({
        pending: queue!.pending,
        processing: queue!.processing,
        scheduled: queue!.scheduled,
        retryable: queue!.retryable,
        total: jobs!.total_today,
        completed: jobs!.completed_today,
        failed: jobs!.failed_today,
        ok24h: analytics!.day.ok,
        failed24h: analytics!.day.failed,
      }).toEqual(haveSQLite ? countIn(server.database) : await countByList(api))
    }, 30_000) // a busy machine collects the analytics less often

    const { dashboard, agents_workers } = await api.get<Document>(path)
    expect(dashboard.queue!.items.solo).toMatchObject({ pending: 3, processing: 0 })
    expect(dashboard.queue!.items.solo!.paused_at).toBeTruthy()
    expect(agents_workers.agents!.items.broken).toMatchObject({ state: 'failing', last_error: { job_id: ids[6] } })
    expect(agents_workers.agents!.items.flaky!.success_rate).toBe(50)
    expect(dashboard.workers).toMatchObject({ total: 1, active: 1 })
    expect(Object.values(dashboard.workers!.items)[0]!.pid).toBe(server.pid)
    await api.post('/api/agents/solo/resume')
  })
})

interface Counts {
  pending: number
  processing: number
  scheduled: number
  retryable: number
  total: number
  completed: number
  failed: number
  ok24h: number
  failed24h: number
}

function countIn(database: string): Counts {
  const [row] = query<Counts>(
    database,
    `select
       (select count(*) from river_job where state = 'available') as pending,
       (select count(*) from river_job where state = 'running') as processing,
       (select count(*) from river_job where state = 'scheduled') as scheduled,
       (select count(*) from river_job where state = 'retryable') as retryable,
       (select count(*) from river_job) as total,
       (select count(*) from river_job where state = 'completed') as completed,
       (select count(*) from run where outcome in ('failed', 'timeout', 'lost')) as failed,
       (select count(*) from run where outcome = 'ok') as ok24h,
       (select count(*) from run where outcome in ('failed', 'timeout', 'lost')) as failed24h`,
  )
  return row!
}

/** The same from the list of jobs, which reads the tables and not the document. */
async function countByList(api: Api): Promise<Counts> {
  const { jobs } = await api.get<{ jobs: { id: string; state: string }[] }>('/api/jobs?limit=200')
  const runs = (await Promise.all(jobs.map((job) => api.job(job.id)))).flatMap((job) => job.runs)
  const inState = (state: string) => jobs.filter((job) => job.state === state).length
  const failed = runs.filter((run) => /failed|timeout|lost/.test(run.outcome)).length
  return {
    pending: inState('available'),
    processing: inState('running'),
    scheduled: inState('scheduled'),
    retryable: inState('retryable'),
    total: jobs.length,
    completed: inState('completed'),
    failed,
    ok24h: runs.filter((run) => run.outcome === 'ok').length,
    failed24h: failed,
  }
}

describe('who may do what', () => {
  test('without a token or with a wrong one: 401 as problem+json', async ({ server }) => {
    for (const api of [new Api(server.url), new Api(server.url, { Authorization: 'Bearer aos_wrong' })]) {
      const answer = await api.raw(path)
      expect(answer.status).toBe(401)
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/)
      expect(jsonOf<{ detail: string }>(answer).detail).toBeTruthy()
      expect(await api.status('GET', '/api/jobs')).toBe(401)
      expect(await api.status('POST', '/api/jobs', { agent: 'echo' })).toBe(401)
      expect(await api.status('GET', '/api/admin/stream')).toBe(401)
      expect(await api.status('GET', '/metrics')).toBe(401)
    }
  })

  test('a viewer reads everything and acts on nothing', async ({ server }) => {
    const viewer = server.api('viewer')
    const job = await server.api().enqueue('echo')
    const readable = [path, '/api/me', '/api/jobs', `/api/jobs/${job.id}`, '/api/agents', '/api/queues', '/api/workers']
    for (const url of [...readable, '/openapi.json', '/metrics'])
      expect([url, await viewer.status('GET', url)]).toEqual([url, 200])
    const actions: [string, string, unknown?][] = [
      ['POST', '/api/jobs', { agent: 'echo' }],
      ['POST', `/api/jobs/${job.id}/retry`],
      ['POST', `/api/jobs/${job.id}/cancel`],
      ['DELETE', `/api/jobs/${job.id}`],
      ['POST', '/api/agents/echo/pause'],
      ['POST', '/api/agents/echo/resume'],
      ['POST', '/api/queues/echo/pause'],
      ['POST', '/api/queues/echo/resume'],
      ['GET', '/api/users'],
      ['GET', '/api/tokens'],
      ['GET', '/api/audit'],
      ['POST', '/api/tokens', { name: 'more', role: 'admin' }],
    ]
    for (const [method, url, body] of actions)
      expect([method, url, await viewer.status(method, url, body)]).toEqual([method, url, 403])
  })

  test('an operator acts on the fleet but manages nobody', async ({ server }) => {
    const operator = server.api('operator')
    expect(await operator.status('POST', '/api/jobs', { agent: 'echo' })).toBe(201)
    expect(await operator.status('GET', '/api/users')).toBe(403)
    expect(await operator.status('POST', '/api/tokens', { name: 'more', role: 'admin' })).toBe(403)
  })

  test('a request of another site with the browser’s cookie is refused', async ({ server }) => {
    const cookie = await signIn(server.url, 'admin')
    const response = await fetch(`${server.url}/api/jobs`, {
      method: 'POST',
      headers: {
        Cookie: cookie,
        'Content-Type': 'application/json',
        'Sec-Fetch-Site': 'cross-site',
        Origin: 'http://evil.example',
      },
      body: JSON.stringify({ agent: 'echo' }),
    })
    expect(response.status).toBe(403)
  })
})

describe('wrong requests', () => {
  test('learn what to do instead', async ({ server }) => {
    const api = server.api()
    const problems: [string, string, unknown, number][] = [
      ['POST', '/api/jobs', { agent: 'ecko' }, 422],
      ['GET', '/api/jobs/987654321', undefined, 404],
      ['GET', '/api/nothing', undefined, 404],
      ['GET', '/api/jobs?state=sleeping', undefined, 422],
    ]
    for (const [method, url, body, status] of problems) {
      const response = await api.send(method, url, body)
      const problem = (await response.json()) as { detail?: string; status?: number }
      expect([url, response.status, problem.status]).toEqual([url, status, status])
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/)
      expect(problem.detail).toBeTruthy()
    }
  })
})
