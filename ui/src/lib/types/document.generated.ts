/**
 * The v4 document: what the server publishes and every view reads. Generated from package internal/document by make
 * generate; do not edit.
 *
 * After a merge patch a field that became null is absent, so everything the server may send as null is `Maybe` here:
 * read it with `== null` or `??`. Times are RFC 3339 UTC, durations carry their unit in the name, unknown is null.
 */
export type Maybe<T> = T | null | undefined

/** Entities keyed by id; shown ascending by `order`. */
export type Keyed<T> = Record<string, T>

export const sectionNames = ['system', 'workers', 'queue', 'jobs', 'agents', 'analytics', 'logs', 'own'] as const
export type SectionName = (typeof sectionNames)[number]

/**
 * Document is the whole document: what GET /api/admin/ssot answers with. A section is null until it was first
 * collected.
 */
export interface Document {
  dashboard: Dashboard
  agents_workers: AgentsWorkers
  analytics?: Maybe<Analytics>
  logs?: Maybe<Logs>
  /** Absent where no file declares any. */
  own?: Maybe<Own>
  /** When the document was published. */
  timestamp: string
  meta: Meta
}

/** Dashboard holds the sections of the overview. */
export interface Dashboard {
  system?: Maybe<System>
  workers?: Maybe<Workers>
  queue?: Maybe<Queue>
  jobs?: Maybe<Jobs>
}

/**
 * System is the section `system`: the host, or the control group that confines the process that collected the document,
 * and whether all is well. A figure that could not be read is null.
 */
export interface System {
  status: SystemStatus
  /** Why the status is not "healthy", in English, the worst first. */
  reasons: string[]
  /** The reasons as codes with parameters, by code; those of components by "component NAME". */
  conditions?: Keyed<Condition>
  /** Percent of all processors, since the collection before; null: unknown, as at the first collection. */
  cpu?: Maybe<number>
  /** Percent; null: unknown. */
  memory?: Maybe<number>
  /** Percent, of the disk that the data folder is on; null: unknown. */
  disk?: Maybe<number>
  /** What the figures are about. */
  scope: Scope
  /** How many processors there are; a control group may have a part of one. */
  cpus: number
  memory_used_bytes: number
  memory_total_bytes: number
  disk_used_bytes: number
  disk_total_bytes: number
  /** The machine's name. */
  host: string
  /** Of AgentOS. */
  version: string
  started_at: string
  uptime_s: number
  process: Process
  /** By name: database, cache, warmer, clock, and what else this process depends on. */
  components: Keyed<Component>
  /** Where the jobs of another program are; null: the jobs are our own. */
  attached?: Maybe<Attached>
  /** What runs the jobs. */
  engine?: Engine
}

/** SystemStatus is the worst that any condition calls for. */
export const systemStatuses = ['healthy', 'degraded', 'critical'] as const
export type SystemStatus = (typeof systemStatuses)[number]

/** Condition is one reason why the status is not healthy, as a code with its parameters. */
export interface Condition {
  /** Its place among the reasons, which have it in English. */
  order: number
  code: ConditionCode
  severity: Severity
  /** By name: a number, a text or a list of texts. */
  params: Keyed<unknown>
  /** The page of the dashboard that shows what it is about. */
  link?: string
}

/**
 * ConditionCode is the kind of a condition. docs/operations.md has a row for each.
 * component: component, status.
 * disk: percent.
 * memory: percent.
 * agents_file: none.
 * no_worker: jobs, agents, agent or queue.
 * failing: failed, ended.
 * agent_failing: agents, agent, failed, ended.
 * oldest_wait: wait_s, queue.
 * gave_up: jobs, window_s.
 * paused_backlog: queues, jobs, queue.
 * unknown: parts.
 */
export const conditionCodes = [
  'component',
  'disk',
  'memory',
  'agents_file',
  'no_worker',
  'failing',
  'agent_failing',
  'oldest_wait',
  'gave_up',
  'paused_backlog',
  'unknown',
] as const
export type ConditionCode = (typeof conditionCodes)[number]

/** Severity is how bad a condition is. */
export const severities = ['degraded', 'critical'] as const
export type Severity = (typeof severities)[number]

/** Scope is what the figures of the system are about. */
export const scopes = ['host', 'cgroup'] as const
export type Scope = (typeof scopes)[number]

/** Process is the process that collected the document. */
export interface Process {
  /** Percent of one processor. */
  cpu: number
  rss_bytes: number
  goroutines: number
}

/** Component is the status of one thing that the process depends on, in words for the screen. */
export interface Component {
  status: ComponentStatus
  detail: string
  /** How long it took to answer; null: nothing was timed. */
  took_ms?: Maybe<number>
}

/** ComponentStatus is the status of a component. */
export const componentStatuses = ['ok', 'degraded', 'down'] as const
export type ComponentStatus = (typeof componentStatuses)[number]

/** Attached is where the jobs of another program are: its River database, or its Redis. */
export interface Attached {
  /** Its URL, without password. */
  database: string
  /** Of a River database. */
  schema: string
  /** Of River; 0 when unknown, or none. */
  schema_version: number
  /** Jobs and queues may be changed. */
  actions: boolean
  /** What cannot be shown, and why. */
  missing: string[]
  /** Why nothing new can be read at the moment; null: it can. */
  error?: Maybe<string>
  /** How many kinds of jobs it has, shown or not; null: the engine does not report it. */
  kinds?: Maybe<number>
  /** How old the data of the replica is, in seconds; null: it is none. */
  behind_s?: Maybe<number>
  /** Null: what ended before is not read. */
  history?: Maybe<History>
}

/** History is how far what ended before the first start is read. */
export interface History {
  done: boolean
  /** Analytics hold every job that ended since; null: none yet. */
  known_from?: Maybe<string>
  /** When the oldest job ended; null: unknown. */
  oldest?: Maybe<string>
  /** How many were read. */
  jobs: number
  percent: number
}

/** Engine is what runs the jobs, and what it cannot report. */
export interface Engine {
  /** Such as river or asynq. */
  name: string
  /** Null: the engine does not record it. */
  version?: Maybe<string>
  /** What cannot be shown, by capability. A capability that is not here is there. */
  missing: Partial<Record<Capability, Missing>>
}

/**
 * Capability is something that an engine may be able to report.
 * oldest_waiting: since when the oldest waiting job waits.
 * running: which jobs run.
 * started_at: since when a job runs, and where.
 * enqueued_at: when a job was enqueued.
 * scheduled: jobs that are due later.
 * retries: jobs that failed and are tried again.
 * discarded: jobs that failed for good.
 * cancelled: jobs that somebody cancelled.
 * finished: jobs that ended well.
 * errors: what went wrong.
 * results: what a job returned.
 * attempts: each attempt at a job by itself.
 * logs: what a job logged.
 * progress: how far a running job is.
 * usage: tokens and costs.
 * priorities: the priority of a job.
 * kinds: which kinds of jobs there are, and how each stands.
 * workers: which processes run jobs.
 * heartbeat: when a worker was last alive.
 * slots: how many jobs a worker runs at once.
 * worker_totals: how many jobs a worker has ended.
 * versions: which version of the program a worker runs.
 * schedules: periodic entries.
 * pauses: which queues are paused.
 * totals: the engine's own counters of what ended.
 * durations: how long jobs ran and waited.
 * events: what happened, job by job.
 * list_by_kind: lists of one kind.
 * list_all: one list over all states.
 * list_by_time: lists of what was created, or ended, within a range of time.
 * search: lists of what has a text in it.
 */
export const capabilities = [
  'oldest_waiting',
  'running',
  'started_at',
  'enqueued_at',
  'scheduled',
  'retries',
  'discarded',
  'cancelled',
  'finished',
  'errors',
  'results',
  'attempts',
  'logs',
  'progress',
  'usage',
  'priorities',
  'kinds',
  'workers',
  'heartbeat',
  'slots',
  'worker_totals',
  'versions',
  'schedules',
  'pauses',
  'totals',
  'durations',
  'events',
  'list_by_kind',
  'list_all',
  'list_by_time',
  'search',
] as const
export type Capability = (typeof capabilities)[number]

/** Missing says why an engine cannot report something. */
export interface Missing {
  answer: Answer
  /** One sentence to act on. */
  why: string
}

/**
 * Answer says what a capability lacks.
 * needs_setting: the engine can be set up for it.
 * needs_grant: the credential that reads it may not.
 */
export const answers = ['no', 'needs_setting', 'needs_grant'] as const
export type Answer = (typeof answers)[number]

/** Workers is the section `workers`. The figures count all of them. */
export interface Workers {
  /** Lost ones too, for as long as they are listed. */
  total: number
  active: number
  /** How many are in each state, listed or not. */
  states?: Partial<Record<WorkerState, number>>
  hosts?: number
  /** Attempts that the active ones may run at once; null: the engine does not record it. */
  slots?: Maybe<number>
  /** Attempts that the active ones run; null: the engine does not record it. */
  busy?: Maybe<number>
  /** How many of them are listed: the most important. */
  listed?: number
  /** Of the clock that is furthest from the database's, in seconds; null: none is off. */
  skew_s?: Maybe<number>
  /** By id. */
  items: Keyed<Worker>
}

/**
 * WorkerState is what a worker does.
 * draining: it ends what it runs and starts nothing.
 * lost: it sends no heartbeat any more.
 * quiet: it runs nothing, ended nothing recently, and sends no heartbeat that would say more.
 */
export const workerStates = ['active', 'draining', 'lost', 'quiet'] as const
export type WorkerState = (typeof workerStates)[number]

/** Worker is one process that runs attempts. */
export interface Worker {
  order: number
  id: string
  host: string
  /** Null, as all of these: its engine does not record it. */
  pid?: Maybe<number>
  state: WorkerState
  /** The engine's own word for the state, where it is another one. */
  engine_state?: string
  version: string
  /** By the worker's clock. */
  started_at?: Maybe<string>
  /** Its last heartbeat, by the database's clock, which is another than the server's. */
  beat_at?: Maybe<string>
  /** How old that was when the section was collected. */
  beat_age_ms?: Maybe<number>
  /** How far its clock is ahead of the database's, in seconds, less than zero behind; null: it is right, or unknown. */
  skew_s?: Maybe<number>
  /** Attempts that it may run at once. */
  slots?: Maybe<number>
  /** Attempts that it runs. */
  running?: Maybe<number>
  /** Attempts ended since it started. */
  done?: Maybe<number>
  /** How many agents it runs. */
  agents?: Maybe<number>
  /** Which ones, at most 20; null: the whole fleet. */
  agent_names?: Maybe<string[]>
  /** Which queues it serves, at most 20; null: all. */
  queues?: Maybe<string[]>
  /** Queues that it serves and that are not listed. */
  more_queues?: number
}

/**
 * Queue is the section `queue`: the sums of all queues, and each of them. A figure that the engine cannot give is null.
 */
export interface Queue {
  /** Jobs that are due and wait. */
  pending?: Maybe<number>
  /** Jobs that run. */
  processing?: Maybe<number>
  /** Jobs that are due later. */
  scheduled?: Maybe<number>
  /** Jobs that failed and are tried again later. */
  retryable?: Maybe<number>
  /** In River's state pending: they wait until a program releases them. */
  parked?: Maybe<number>
  /** How many queues are paused. */
  paused: number
  /** Since when the oldest waiting job is due; null: none waits. */
  oldest_at?: Maybe<string>
  /** How many queues there are. */
  total?: number
  /** How many of them are listed: the most important. */
  listed?: number
  /** Which of the sums are not exact, by field. */
  inexact?: Keyed<Inexact>
  /** By name. */
  items: Keyed<QueueItem>
}

/** Inexact is what is known of a figure that is not exact. */
export interface Inexact {
  known: Known
  /** One sentence to act on. */
  why: string
}

/** Known says how much is known of a figure. One that is not recorded, not allowed or not yet read is null. */
export const knowns = ['at_least', 'not_recorded', 'not_allowed', 'not_yet_read'] as const
export type Known = (typeof knowns)[number]

/** QueueItem is one queue with what waits and runs in it. A figure that the engine cannot give is null. */
export interface QueueItem {
  order: number
  name: string
  /** Jobs that are due and wait. */
  pending?: Maybe<number>
  /** Jobs that run. */
  processing?: Maybe<number>
  /** Jobs that are due later. */
  scheduled?: Maybe<number>
  /** Jobs that failed and are tried again later. */
  retryable?: Maybe<number>
  /** In River's state pending: they wait until a program releases them. */
  parked?: Maybe<number>
  /** Since when it is paused; null: it is not. */
  paused_at?: Maybe<string>
  /** Since when the oldest waiting job is due; null: none waits. */
  oldest_at?: Maybe<string>
  /** Attempts that all live workers together may run at once; 0: none; null: unknown. */
  slots?: Maybe<number>
  /** The agents whose jobs come there: some of them, if they are many; null: unknown. */
  agents?: Maybe<string[]>
  /** How many these are. */
  agent_count?: Maybe<number>
  /** Attempts that ended in the last 24 h, and those of them that failed; null: not counted by queue. */
  ended_24h?: Maybe<number>
  failed_24h?: Maybe<number>
  /** When waiting jobs were counted, if less often than the rest; null: with the rest. */
  counted_at?: Maybe<string>
  /** Why a figure is null, or at least so large. */
  inexact?: Inexact
}

/**
 * Jobs is the section `jobs`: the totals since midnight, of the server's day or the engine's own, and three short
 * lists.
 */
export interface Jobs {
  /** Jobs enqueued; null: the engine does not record it. */
  total_today?: Maybe<number>
  /** Jobs completed; null: unknown. */
  completed_today?: Maybe<number>
  /** Attempts that failed, timed out or were lost; null: unknown. */
  failed_today?: Maybe<number>
  /** Jobs that gave up and are still there; null: unknown. */
  gave_up_today?: Maybe<number>
  /** Null: unknown. */
  cancelled_today?: Maybe<number>
  /** At least so many were cancelled: they are not counted to the end. */
  cancelled_capped?: boolean
  /** Some of today's are still to be counted. */
  today_partial?: boolean
  /** When today began, with the offset of the zone that it is counted in. */
  day_start: string
  /** That zone, such as Europe/Berlin: of the leader, or of the engine whose counters these are. */
  day_zone?: string
  /** The beginning for people: 00:00 CET. */
  day_label?: string
  /** The jobs that were created last, by id. */
  newest: Keyed<Job>
  /** Jobs that run, by id. */
  running: Keyed<RunningJob>
  /** More may run than are listed. */
  running_cut?: boolean
  /** Attempts that failed, by run id: those of jobs that gave up, then the latest. */
  failures: Keyed<Failure>
}

/** Job is one row of the queue. */
export interface Job {
  order: number
  /** Made by the job's engine. */
  id: string
  /** The agent that runs it: the kind of the job. */
  agent: string
  queue: string
  state: JobState
  /** The engine's own word for the state, where it is another one. */
  engine_state?: string
  /** Attempts begun; null: not recorded. */
  attempt?: Maybe<number>
  max_attempts?: Maybe<number>
  /** From 1, which comes first, to 4; null: not recorded. */
  priority?: Maybe<number>
  created_at?: Maybe<string>
  scheduled_at?: Maybe<string>
  /** Null: never attempted. */
  attempted_at?: Maybe<string>
  /** Null: it has not ended. */
  finalized_at?: Maybe<string>
  /** A preview of the arguments, secrets redacted by key name. */
  args: string
  /** The worker of the last attempt; null: there was none. */
  worker?: Maybe<string>
  /** The last attempt's error, shortened; null: there was none. */
  error?: Maybe<string>
}

/** JobState is the state of a job, in River's words. */
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

/** RunningJob is a job whose attempt is under way. */
export interface RunningJob extends Job {
  /** Null: not recorded. */
  run_id?: Maybe<string>
  /** Where it runs; empty when its worker is not AgentOS. */
  host?: string
  started_at?: Maybe<string>
  /** From 0 to 1, as the agent reports it; null: it does not. */
  progress?: Maybe<number>
  /** The attempt's last log line, shortened; null: none. */
  message?: Maybe<string>
}

/** Failure is one failed attempt. */
export interface Failure {
  order: number
  run_id: string
  job_id: string
  agent: string
  at?: Maybe<string>
  attempt: number
  max_attempts: number
  outcome: Outcome
  /** Null: no process ended by itself. */
  exit_code?: Maybe<number>
  error: string
  /** Equal for an agent's failures of one cause, whatever numbers, ids and paths they mention. */
  fingerprint: string
  /** Attempts that failed with this fingerprint in the last 24 h, this one included. */
  similar_24h: number
  /** There are at least so many similar ones. */
  similar_capped?: boolean
  /** How long the attempt ran; null: not recorded. */
  run_ms?: Maybe<number>
  /** Jobs that gave up with this fingerprint in the last 24 h and are still there. */
  gave_up?: number
  /** There are at least so many of those. */
  gave_up_capped?: boolean
}

/**
 * Outcome is how a failed attempt ended.
 * lost: its worker is gone.
 */
export const outcomes = ['failed', 'timeout', 'lost'] as const
export type Outcome = (typeof outcomes)[number]

/** AgentsWorkers holds the section of the agents. */
export interface AgentsWorkers {
  agents?: Maybe<Agents>
}

/**
 * Agents is the section `agents`. An agent is active when a live worker serves it and it is not paused. The figures
 * count all; of more than fit, those that need attention are listed, then those that are busy.
 */
export interface Agents {
  /** Null, as the other two: the engine does not report which kinds of jobs there are. */
  total_agents?: Maybe<number>
  active_agents?: Maybe<number>
  paused_agents?: Maybe<number>
  /** How many are in each state, listed or not. */
  states?: Partial<Record<AgentState, number>>
  /** How many of them are listed: the most important. */
  listed?: number
  config: Config
  /** By name. */
  items: Keyed<Agent>
}

/**
 * AgentState is what an agent does.
 * offline: no live worker serves it.
 */
export const agentStates = ['running', 'waiting', 'idle', 'paused', 'failing', 'offline'] as const
export type AgentState = (typeof agentStates)[number]

/** Config is the agents' file: which one is in force, and what is wrong with a newer one. */
export interface Config {
  path: string
  loaded_at: string
  /** That the newest file is not in force; null: it is. */
  error?: Maybe<string>
  /** Why not. */
  problems: string[]
  /** Likely mistakes in the file in force. */
  notes?: string[]
}

/** Agent is one agent with what it did recently. */
export interface Agent {
  order: number
  name: string
  description: string
  queue: string
  /** Null: it runs when it is given work. */
  schedule?: Maybe<string>
  /** By its schedule; null: it has none. */
  next_run_at?: Maybe<string>
  /** Attempts that each worker may run at once. */
  concurrency: number
  timeout_s: number
  max_attempts: number
  state: AgentState
  /** Why a worker cannot run it. */
  problem?: string
  /** Jobs by state. */
  running: number
  waiting: number
  scheduled: number
  retryable: number
  /** In River's state pending: they wait until a program releases them. */
  parked?: number
  /** At least so many run, wait, are scheduled or to be tried again: a shared queue is too long to look at each job. */
  capped?: boolean
  /** Attempts that ended in the last hour. */
  runs_1h: number
  failed_1h: number
  cancelled_1h?: number
  /** Attempts that ended in the last 24 h, as the figures that follow. */
  runs_24h: number
  /** Percent; null: none ended. */
  success_rate?: Maybe<number>
  /** Median of the run time; null: none ended. */
  p50_ms?: Maybe<number>
  /** 95th percentile of the run time; null: none ended. */
  p95_ms?: Maybe<number>
  /** Null: not as far as is known. */
  last_run_at?: Maybe<string>
  /** To the minute, or the hour if that was long ago; null: not as far as is known. */
  last_success_at?: Maybe<string>
  /** Null: none as far as is known. */
  last_error?: Maybe<AgentError>
  spark: Spark
  /** When waiting jobs were counted, if less often than the rest; null: with the rest. */
  counted_at?: Maybe<string>
}

/** AgentError is the error of an agent's last failed attempt. */
export interface AgentError {
  at?: Maybe<string>
  /** Shortened. */
  message: string
  job_id: string
}

/** Spark is an agent's last hour: ended attempts in consecutive buckets of step_s seconds. */
export interface Spark {
  start: string
  step_s: number
  /** Null where nothing was recorded yet. */
  ok: Maybe<number>[]
  /** Null where nothing was recorded yet. */
  failed: Maybe<number>[]
}

/** Analytics is the section `analytics`: the attempts of the last hour and the last 24 hours. */
export interface Analytics {
  /** Percent over 24 h; null: none ended. */
  success_rate?: Maybe<number>
  hour: Window
  day: Window
  /** The last hour by minute. */
  throughput: Series
  /** The last day by quarter of an hour. */
  throughput_day: Series
  /** Every attempt that ended before is counted. */
  complete_to: string
  /** Which of the windows, hour and day, are not exact. */
  inexact?: Keyed<Inexact>
}

/** Window sums up all attempts that ended in a span of time. */
export interface Window {
  runs: number
  ok: number
  /** Timeouts and lost attempts included. */
  failed: number
  /** Null: not recorded. */
  cancelled?: Maybe<number>
  /** Percent: ok of ok and failed; null: none ended. */
  success_rate?: Maybe<number>
  per_minute: number
  /** Seconds of the span that are recorded; what was before the first start is not. */
  recorded_s?: number
  /** From start to end. */
  run: Percentiles
  /** From being due to being started. */
  wait: Percentiles
  /** Null: not recorded. */
  usage?: Maybe<Usage>
}

/** Percentiles are of times in milliseconds, with a relative error of at most 1 %; null: nothing was measured. */
export interface Percentiles {
  p50_ms?: Maybe<number>
  p95_ms?: Maybe<number>
  p99_ms?: Maybe<number>
  max_ms?: Maybe<number>
}

/** Usage is what agents report to have consumed. */
export interface Usage {
  input_tokens: number
  output_tokens: number
  cost_usd: number
}

/** Series counts ended attempts in consecutive buckets of step_s seconds from start on. */
export interface Series {
  start: string
  step_s: number
  /** Null where nothing was recorded yet. */
  ok: Maybe<number>[]
  /** Null where nothing was recorded yet. */
  failed: Maybe<number>[]
  /** Null where nothing was recorded yet; empty: the engine does not record it. */
  cancelled: Maybe<number>[]
  /** Of the run time; null where nothing ended; empty: the engine does not record it. */
  p95_ms: Maybe<number>[]
}

/** Logs is the section `logs`: the newest lines of all agents. */
export interface Logs {
  /** By id. */
  items: Keyed<LogLine>
}

/** LogLine is one line that an agent wrote to standard error. */
export interface LogLine {
  order: number
  id: number
  at: string
  level: LogLevel
  agent: string
  job_id: string
  run_id: string
  msg: string
  /** The line stands for others that are not kept. */
  gap?: LogGap
}

/** LogLevel is the level of a line. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

/** LogGap is what is missing at a place of a log. */
export interface LogGap {
  /** How many lines; null: unknown. */
  lines?: Maybe<number>
  /** Null: unknown. */
  bytes?: Maybe<number>
}

/** Own is the section `own`: the sections that the agents' file declares, each collected on its own. */
export interface Own {
  /** By name. There are at most 20. */
  items: Keyed<OwnSection>
}

/** OwnSection is one section of the file's own, with its last good value. */
export interface OwnSection {
  order: number
  title: string
  /** Where it is shown: "overview", or the name of a page. */
  place: string
  show: OwnShow
  /** What it is about, http or https. */
  link?: string
  /** Who may see its value, which then is not in the document; absent: everybody who may see the dashboard. */
  role?: OwnRole
  /** How often it is collected. */
  every_s: number
  /** Null: it was never collected, or not everybody may see it. */
  value?: Maybe<OwnValue>
  /** When the value was collected; null: never. */
  as_of?: Maybe<string>
  /** What the last attempt took; null: there was none. */
  took_ms?: Maybe<number>
  /** Why the last attempt failed, in one sentence, in which case the value is the last good one; null: it did not. */
  error?: Maybe<string>
  /** Since when every attempt failed; null: the last one did not. */
  failing_since?: Maybe<string>
  /** Which definition the value is of. A new leader takes over no value of another one. */
  definition?: string
}

/**
 * OwnShow is how the value is shown, and so which of its fields are set.
 * number: number, unit, format, level.
 * table: columns, rows, more.
 * series: points, unit, format.
 * status: status, level.
 * text: text.
 */
export const ownShows = ['number', 'table', 'series', 'status', 'text'] as const
export type OwnShow = (typeof ownShows)[number]

/** OwnRole is a role that may see what not everybody may. */
export const ownRoles = ['operator', 'admin'] as const
export type OwnRole = (typeof ownRoles)[number]

/** OwnValue is what one collection came to. */
export interface OwnValue {
  /** A figure, to be written by its format. */
  number?: number
  /** Stands behind the number, such as "EUR". */
  unit?: string
  /** Of the number, or of the points. */
  format?: OwnFormat
  /** By the thresholds; absent: there are none. */
  level?: OwnLevel
  /** Of the table. */
  columns?: OwnColumn[]
  /** Of the table: of each column a number, a text, a truth or null. */
  rows?: unknown[][]
  /** How many rows or points there are beyond those. */
  more?: number
  /** The series, the oldest first. */
  points?: OwnPoint[]
  status?: string
  /** Plain text: nothing in it is markup. */
  text?: string
  /** Something was left out so that it fits; rows that were are among `more`. */
  cut?: boolean
}

/**
 * OwnFormat is how a figure is written.
 * percent: from 0 to 100.
 * duration: of seconds.
 * date: RFC 3339.
 */
export const ownFormats = ['number', 'percent', 'duration', 'bytes', 'date', 'text'] as const
export type OwnFormat = (typeof ownFormats)[number]

/** OwnLevel is how good a value is. */
export const ownLevels = ['ok', 'warn', 'bad'] as const
export type OwnLevel = (typeof ownLevels)[number]

/** OwnColumn is one column of a table. */
export interface OwnColumn {
  label: string
  format?: OwnFormat
}

/** OwnPoint is one point of a series. */
export interface OwnPoint {
  at: string
  /** Null: a gap. */
  value?: Maybe<number>
}

/** Meta is what the document says about itself. Package snapshot writes it. */
export interface Meta {
  /** The form of the document: 4. */
  version: number
  /** Grows with each document, across restarts too. */
  revision: number
  /** How old the whole is: when its oldest overdue section was collected, else the timestamp. */
  as_of: string
  /** Some section is overdue. */
  stale: boolean
  /** The process that collected the document, "host:pid". */
  publisher?: string
  /** Which fleet it is about; absent while that is unknown. */
  fleet?: string
  /** How often a document is published. */
  interval_ms: number
  /** Without a newer document after this time, say "stale". */
  fresh_ms: number
  /** By the section's name, which is the last part of its path. */
  sections: Keyed<SectionMeta>
}

/** SectionMeta is what meta says about one section. */
export interface SectionMeta {
  /** When the value shown was collected; null: never. */
  as_of?: Maybe<string>
  /** What the last attempt to collect it took. */
  took_ms: number
  /** Its present pace, slower than asked for when it is costly. */
  every_ms: number
  /** Why the last attempt failed, in which case the value is the last good one; null: it did not. */
  error?: Maybe<string>
  /** It is older than its pace, its deadline and one interval together. */
  overdue: boolean
}
