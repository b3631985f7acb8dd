-- compatible_to: 3
-- Bounds on what grows, and what the tables before did not record. Times are unix milliseconds.

-- Who this fleet is, whatever its address: all its servers and workers share it, and no other fleet has it.
create table fleet_identity (
    one bigint primary key check (one = 1),
    id  text not null
);
insert into fleet_identity (one, id) values (1, replace(gen_random_uuid()::text, '-', ''));

-- The agents' files that processes go by. The newest has the highest number: it decides on schedules and queues.
create table fleet_file (
    hash      text primary key, -- of the rules
    number    bigint not null,
    file_ms   bigint not null, -- when the file was written; 0 when that is not known
    seen_ms   bigint not null,
    rules     text not null    -- JSON object: agent to a sum of what its entry says of its jobs
);
create table fleet_holder (
    process text primary key,
    hash    text not null,
    beat_ms bigint not null
);

-- Where the jobs of each agent wait, and where they did before.
create table agent_queue (
    agent   text not null,
    queue   text not null,
    left_ms bigint, -- null: they still do
    primary key (agent, queue)
);
-- The sums of some agents are found by time without reading those of all. It serves what rollup_start did.
create index rollup_start_agent on rollup (step_s, start_s, agent);
drop index rollup_start;
-- Whose rights a token has: it may never do more than its owner, and ends with the owner. Null: a service's, which stands for itself.
alter table auth_token add column owner text references auth_user (name) on delete cascade;
create index auth_token_owner on auth_token (owner);
update auth_token set owner = created_by where created_by in (select name from auth_user);
delete from auth_token where owner is null and exists (select 1 from audit where action = 'token.create' and kind = 'session'
    and outcome = 'ok' and actor = auth_token.created_by and detail like '%id ' || auth_token.id);

-- A row of the audit log stands for so many acts, from at until last_at (null: at). Those that change who may do what are kept
-- apart from all others, which may be many.
alter table audit add column count bigint not null default 1;
alter table audit add column last_at bigint;
alter table audit add column class text not null default 'act';
update audit set class = 'account' where outcome = 'ok' and
    (action in ('login', 'logout') or action like 'user.%' or action like 'token.%');
create index audit_class on audit (class, id);
-- Why a worker cannot run agents of the fleet, by agent: a JSON object.
alter table worker add column absent text not null default '{}';
-- How many lines of a log were dropped, for the line in their place; and the first line that a run wrote, which may be deleted by now.
alter table run_log add column left_lines bigint;
alter table run_log add column left_bytes bigint;
alter table run add column first_log bigint;

-- Which process does what only one needs to do.
create table task_lease (
    task     text primary key,
    holder   text not null,
    until_ms bigint not null -- by the database's clock
);

-- Rows are deleted as fast as they come: what they took is to be free again before the tables grow.
alter table run_log set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
alter table run set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
-- The queues that somebody paused. River forgets it with the row of a queue that nobody has worked for a day.
create table queue_pause (
    queue     text primary key,
    paused_ms bigint not null, -- since when
    seen_ms   bigint not null  -- when this and the row of River's queue were made to agree
);

-- How long an attempt asked to be put off by its exit status; null: it did not. Its outcome is then 'cancelled' to versions before.
alter table run add column later_ms bigint;
-- How far a worker's clock was ahead of the database's at its last heartbeat.
alter table worker add column ahead_ms bigint;
-- The sums of some of thousands of agents, without reading those of all.
create index rollup_agent on rollup (step_s, agent, start_s);
-- A row of the audit log that counts is written again as a whole when it is unknown whether it was written.
alter table audit add column sum_id text;
create unique index audit_sum on audit (sum_id) where sum_id is not null;
-- How far another program's job engine was followed: where to go on, by the engine's own word, and since when.
create table follow_cursor (
    one      bigint primary key check (one = 1),
    place    text not null,
    number   bigint not null, -- of the batch before it
    since_ms bigint not null
);
-- Spans of which it is not known when what ended did, or how much did (null).
create table follow_gap (
    number  bigint not null, -- of the batch that it came with
    part    bigint not null, -- which of its gaps
    queue   text not null, -- empty: several
    from_ms bigint not null,
    to_ms   bigint not null,
    ok      bigint,
    failed  bigint,
    cause   text not null,
    primary key (number, part)
);
create index follow_gap_to on follow_gap (to_ms);
