-- compatible_to: 3
-- Bounds on what grows, and what the tables before could not tell. Times are unix milliseconds.

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
