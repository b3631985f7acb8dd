/** How several machines are shown: hosts, and who does what. */
import { ordered } from './keyed'
import type { Agent, Keyed, Maybe, RunningJob, Worker } from './types/document'

export interface Host {
  name: string
  workers: Worker[]
  /** Of the workers that live. */
  slots: number
  running: number
}

/** The workers by host. Hosts stay in the order of their names, whatever comes and goes. */
export function byHost(workers: Maybe<Keyed<Worker>>): Host[] {
  const hosts = new Map<string, Host>()
  for (const worker of ordered(workers)) {
    const host = hosts.get(worker.host) ?? { name: worker.host, workers: [], slots: 0, running: 0 }
    hosts.set(worker.host, host)
    host.workers.push(worker)
    if (worker.state === 'lost') continue
    host.slots += worker.slots ?? 0
    host.running += worker.running ?? 0
  }
  return [...hosts.values()].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
}

/**
 * When a worker's last heartbeat was by the server's clock, if its section was collected at `asOf`: its own time is by the
 * database's clock, which may differ.
 */
export function beatAt(worker: Pick<Worker, 'beat_at' | 'beat_age_ms'>, asOf: string | null): string | null {
  if (worker.beat_age_ms == null || asOf === null) return worker.beat_at ?? null
  return new Date(Date.parse(asOf) - worker.beat_age_ms).toISOString()
}

/** The jobs under way by worker, the longest first. */
export function byWorker(running: Maybe<Keyed<RunningJob>>): Map<string, RunningJob[]> {
  const jobs = new Map<string, RunningJob[]>()
  for (const job of ordered(running)) {
    if (job.worker == null) continue
    const of = jobs.get(job.worker)
    if (of) of.push(job)
    else jobs.set(job.worker, [job])
  }
  return jobs
}

/** The agents that no worker runs: their jobs wait. */
export function unserved(agents: Maybe<Keyed<Agent>>): string[] {
  return ordered(agents).flatMap(({ name, state }) => (state === 'offline' ? [name] : []))
}
