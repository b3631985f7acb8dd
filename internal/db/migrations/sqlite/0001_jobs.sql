-- compatible_to: 1
-- What the job queue does not record. Times are unix milliseconds, "_s" is unix seconds.

-- One row a process that runs attempts. It beats while it lives; a clean end deletes the row.
create table worker (
    id         text primary key,
    host       text not null,
    pid        bigint not null,
    version    text not null,
    state      text not null check (state in ('active', 'draining', 'lost')),
    started_ms bigint not null,
    beat_ms    bigint not null,
    slots      bigint not null,
    done       bigint not null,
    queues     text not null, -- JSON object: queue to attempts it may run at once
    agents     text not null  -- JSON object: agent to attempts it may run at once
);

-- One row an attempt.
create table run (
    id             integer primary key autoincrement,
    job_id         bigint not null,
    attempt        bigint not null,
    max_attempts   bigint not null,
    agent          text not null,
    queue          text not null,
    worker         text not null,
    outcome        text not null check (outcome in ('running', 'ok', 'failed', 'timeout', 'cancelled', 'lost')),
    scheduled_ms   bigint not null,
    started_ms     bigint not null,
    ended_ms       bigint,
    wait_ms        bigint not null,
    run_ms         bigint,
    exit_code      bigint,
    signal         text,
    error          text,
    fingerprint    text,
    progress       double precision,
    message        text, -- the last log line
    result         text,
    result_dropped bigint not null default 0, -- bytes of the result that were not kept
    input_tokens   bigint not null default 0,
    output_tokens  bigint not null default 0,
    cost_usd       double precision not null default 0,
    rolled         bigint not null default 0 -- 1 once it is counted in rollup
);
create index run_job on run (job_id, id);
create index run_running on run (started_ms, id) where ended_ms is null;
create index run_unrolled on run (id) where rolled = 0 and ended_ms is not null;
create index run_agent on run (agent, ended_ms) where ended_ms is not null;
create index run_failed on run (ended_ms, id) where outcome in ('failed', 'timeout', 'lost');
create index run_agent_failed on run (agent, ended_ms) where outcome in ('failed', 'timeout', 'lost');
create index run_fingerprint on run (fingerprint, ended_ms) where fingerprint is not null;

create table run_log (
    id     integer primary key autoincrement,
    run_id bigint not null,
    job_id bigint not null,
    agent  text not null,
    at_ms  bigint not null,
    level  text not null,
    msg    text not null
);
create index run_log_run on run_log (run_id, id);

-- Ended attempts summed up by minute (step_s 60) and hour (3600), by agent and queue; both are empty in the row of all.
create table rollup (
    step_s        bigint not null,
    start_s       bigint not null,
    agent         text not null,
    queue         text not null,
    ok            bigint not null,
    failed        bigint not null,
    timeout       bigint not null,
    lost          bigint not null,
    cancelled     bigint not null,
    run_max_ms    bigint not null,
    wait_max_ms   bigint not null,
    input_tokens  bigint not null,
    output_tokens bigint not null,
    cost_usd      double precision not null,
    run_ms        blob not null, -- DDSketch
    wait_ms       blob not null,
    primary key (step_s, agent, queue, start_s)
) without rowid;
create index rollup_start on rollup (step_s, start_s);

-- When each scheduled agent is due next.
create table schedule (
    agent   text primary key,
    spec    text not null,
    next_ms bigint not null,
    job_id  bigint -- the last job it inserted
);
