/**
 * The v4 document: what the server publishes and every view reads. Written by hand, since the snapshot is not part of
 * openapi.yaml.
 *
 * After a merge patch a field that became null is absent, so everything the server may send as null is `Maybe` here:
 * read it with `== null` or `??`. Times are RFC 3339 UTC, durations carry their unit in the name, unknown is null.
 */
export type Maybe<T> = T | null | undefined

/** Entities keyed by id; shown ascending by `order`. */
export type Keyed<T> = Record<string, T>

export interface Document {
  dashboard: { system: Maybe<System>; workers: Maybe<Workers>; queue: Maybe<Queue>; jobs: Maybe<Jobs> }
  agents_workers: { agents: Maybe<Agents> }
  analytics: Maybe<Analytics>
  logs: Maybe<Logs>
  timestamp: string
  meta: Meta
}

export const sectionNames = ['system', 'workers', 'queue', 'jobs', 'agents', 'analytics', 'logs'] as const
export type SectionName = (typeof sectionNames)[number]

export interface Meta {
  version: number
  revision: number
  /** The process that collected the document, "host:pid". */
  publisher?: Maybe<string>
  as_of: string
  stale: boolean
  interval_ms: number
  fresh_ms: number
  sections: Keyed<SectionMeta>
}

export interface SectionMeta {
  as_of: Maybe<string>
  took_ms: number
  every_ms: number
  error: Maybe<string>
  overdue: boolean
}

export interface System {
  status: 'healthy' | 'degraded' | 'critical'
  reasons: string[]
  /** The reasons as codes with parameters, each with its place among them. */
  conditions?: Maybe<Keyed<Condition>>
  cpu: Maybe<number>
  memory: Maybe<number>
  disk: Maybe<number>
  scope: 'host' | 'cgroup'
  cpus: number
  memory_used_bytes: number
  memory_total_bytes: number
  disk_used_bytes: number
  disk_total_bytes: number
  /** All of this is about the machine and the process that collected the document. */
  host: string
  version: string
  started_at: string
  uptime_s: number
  process: { cpu: number; rss_bytes: number; goroutines: number }
  components: Keyed<Component>
  /** Another program's River database; null: the jobs are our own. */
  attached?: Maybe<Attached>
}

export interface Condition {
  order: number
  code: string
  severity: 'degraded' | 'critical'
  params: Record<string, string | number>
  /** The page that shows what it is about. */
  link?: string
}

export interface Attached {
  /** Its URL, without password. */
  database: string
  schema: string
  /** Of River; 0 when unknown. */
  schema_version: number
  actions: boolean
  /** What cannot be shown, and why. */
  missing: string[]
  /** Why nothing new can be read at the moment. */
  error?: Maybe<string>
  kinds: number
  /** How old the data of a replica is, in seconds; null: that is none. */
  behind_s?: Maybe<number>
  /** How far what ended before the first start is read. */
  history: { done: boolean; known_from?: Maybe<string>; oldest?: Maybe<string>; jobs: number; percent: number }
}

export interface Component {
  status: 'ok' | 'degraded' | 'down'
  detail: string
  took_ms: Maybe<number>
}

export interface Workers {
  total: number
  active: number
  /** How many are in each state, listed or not. */
  states?: Maybe<Record<string, number>>
  hosts?: Maybe<number>
  /** How many of them items has, the most important. */
  listed?: Maybe<number>
  slots: number
  busy: number
  items: Keyed<Worker>
}

export interface Worker {
  order: number
  id: string
  host: string
  pid: number
  /** quiet: runs nothing, ended nothing lately, and sends no heartbeat that would tell more. */
  state: 'active' | 'draining' | 'lost' | 'quiet'
  version: string
  started_at: string
  /** By the database's clock, which is another than the server's. */
  beat_at: string
  /** How old that was when the section was collected. */
  beat_age_ms?: Maybe<number>
  slots: number
  running: number
  done: number
  /** How many agents it runs. */
  agents: number
  /** How far its clock is ahead of the database's, in seconds; null: it is right, or not known. */
  skew_s?: Maybe<number>
  /** Which ones, at most 20; null: the whole fleet. */
  agent_names?: Maybe<string[]>
  /** Which queues it serves, at most 20; null: all. */
  queues?: Maybe<string[]>
}

export interface Queue {
  pending: number
  processing: number
  scheduled: number
  retryable: number
  /** In River's state pending: not yet released. */
  parked?: Maybe<number>
  paused: number
  oldest_at: Maybe<string>
  /** Queues. */
  total?: Maybe<number>
  /** How many of them items has, the most important. */
  listed?: Maybe<number>
  items: Keyed<QueueItem>
}

export interface QueueItem {
  order: number
  name: string
  pending: number
  processing: number
  scheduled: number
  retryable: number
  /** In River's state pending: not yet released. */
  parked?: Maybe<number>
  paused_at: Maybe<string>
  oldest_at: Maybe<string>
  /** 0: none, or unknown. */
  slots: number
  /** Some of them, if they are many. */
  agents: string[]
  agent_count?: Maybe<number>
  /** When waiting jobs were counted, if less often than the rest. */
  counted_at?: Maybe<string>
}

export interface Jobs {
  total_today: number
  completed_today: number
  /** Attempts, not jobs. */
  failed_today: number
  /** Jobs; null: not known. */
  gave_up_today?: Maybe<number>
  cancelled_today: number
  /** At least so many were cancelled today: they are not counted beyond some number. */
  cancelled_capped?: Maybe<boolean>
  /** Some of today's are still to be counted. */
  today_partial?: boolean
  /** When today began, with the offset of the zone that it is counted in. */
  day_start: string
  day_zone?: Maybe<string>
  /** The same for people: 00:00 CET. */
  day_label?: Maybe<string>
  newest: Keyed<Job>
  running: Keyed<RunningJob>
  /** There may be more than are listed. */
  running_cut?: Maybe<boolean>
  failures: Keyed<Failure>
}

export const jobStates = [
  'available',
  'running',
  'scheduled',
  'retryable',
  'completed',
  'cancelled',
  'discarded',
  'pending',
] as const
export type JobState = (typeof jobStates)[number]

export interface Job {
  order: number
  id: number
  agent: string
  queue: string
  state: JobState
  attempt: number
  max_attempts: number
  priority: number
  created_at: string
  scheduled_at: string
  attempted_at?: Maybe<string>
  finalized_at?: Maybe<string>
  args: string
  worker?: Maybe<string>
  error?: Maybe<string>
}

export interface RunningJob extends Job {
  run_id?: Maybe<number>
  /** Where it runs; empty when its worker is no AgentOS. */
  host?: Maybe<string>
  started_at: string
  progress?: Maybe<number>
  message?: Maybe<string>
}

export interface Failure {
  order: number
  run_id: number
  job_id: number
  agent: string
  at: string
  attempt: number
  max_attempts: number
  outcome: 'failed' | 'timeout' | 'lost'
  exit_code: Maybe<number>
  error: string
  fingerprint: string
  similar_24h: number
  /** At least so many are similar. */
  similar_capped?: Maybe<boolean>
  run_ms: number
  /** Jobs that gave up like this in 24 h. */
  gave_up?: number
  gave_up_capped?: Maybe<boolean>
}

export interface Agents {
  total_agents: number
  active_agents: number
  paused_agents: number
  /** How many are in each state, listed or not. */
  states?: Maybe<Record<string, number>>
  /** How many of them items has, the most important. */
  listed?: Maybe<number>
  config: { path: string; loaded_at: string; error: Maybe<string>; problems: Maybe<string[]>; notes?: Maybe<string[]> }
  items: Keyed<Agent>
}

export interface Agent {
  order: number
  name: string
  description: string
  queue: string
  schedule: Maybe<string>
  next_run_at: Maybe<string>
  concurrency: number
  timeout_s: number
  max_attempts: number
  state: 'running' | 'waiting' | 'idle' | 'paused' | 'failing' | 'offline'
  /** Why a worker cannot run it. */
  problem?: Maybe<string>
  running: number
  waiting: number
  scheduled: number
  retryable: number
  /** In River's state pending: not yet released. */
  parked?: Maybe<number>
  /** At least so many run, wait, are scheduled or to be tried again: a shared queue is too long to look at each job. */
  capped?: Maybe<boolean>
  runs_1h: number
  failed_1h: number
  cancelled_1h?: Maybe<number>
  runs_24h: number
  success_rate: Maybe<number>
  p50_ms: Maybe<number>
  p95_ms: Maybe<number>
  last_run_at: Maybe<string>
  last_success_at?: Maybe<string>
  last_error: Maybe<{ at: string; message: string; job_id: number }>
  spark: Spark
  /** When waiting jobs were counted, if less often than the rest. */
  counted_at?: Maybe<string>
}

export interface Spark {
  start: string
  step_s: number
  ok: Maybe<number>[]
  failed: Maybe<number>[]
}

export interface Analytics {
  success_rate: Maybe<number>
  hour: Window
  day: Window
  throughput: Series
  throughput_day: Series
  complete_to: string
}

export interface Window {
  runs: number
  ok: number
  failed: number
  cancelled: number
  success_rate: Maybe<number>
  per_minute: number
  /** Seconds of the span that are recorded; what was before the first start is not. */
  recorded_s?: number
  run: Percentiles
  wait: Percentiles
  usage: Usage
}

export interface Usage {
  input_tokens: number
  output_tokens: number
  cost_usd: number
}

export interface Percentiles {
  p50_ms?: Maybe<number>
  p95_ms?: Maybe<number>
  p99_ms?: Maybe<number>
  max_ms?: Maybe<number>
}

export interface Series {
  start: string
  step_s: number
  /** Null where nothing was recorded yet. */
  ok: Maybe<number>[]
  failed: Maybe<number>[]
  cancelled: Maybe<number>[]
  p95_ms: Maybe<number>[]
}

export interface Logs {
  items: Keyed<LogLine>
}

export interface LogLine {
  /** The line stands for others that are not kept. */
  gap?: { lines: number | null; bytes: number | null }
  order: number
  id: number
  at: string
  level: 'debug' | 'info' | 'warn' | 'error'
  agent: string
  job_id: number
  run_id: number
  msg: string
}

/** What the server says in the page's boot block. */
export interface Boot {
  me: Me
  /** Agents can be given work and paused. */
  fleet: boolean
  /** Jobs and queues can be acted on. */
  acts: boolean
  version: string
  /** The path of a proxy that the dashboard is below; empty: none. */
  base: string
  /** The server's clock when it wrote the page. */
  now: string
  served: Served
}

export type Role = 'viewer' | 'operator' | 'admin'
export interface Me {
  name: string
  role: Role
}

/** Which rung of the server's ladder answered, and how old what it shows was at that moment: its oldest overdue section. */
export interface Served {
  rung: string
  age_s: number
  stale: boolean
}
