-- compatible_to: 3
-- What is remembered of another program's River tables, whose jobs are read and summed up in table rollup.

-- Whose they are: the sums of one source are never mixed with those of another, or with runs of our own.
create table attach_source (
    one      bigint primary key check (one = 1),
    identity text not null,
    url      text not null, -- without password
    since_ms bigint not null
);

-- The spans of time whose ended jobs are in the sums, apart from each other, from included, to excluded.
create table attach_span (
    from_s bigint primary key,
    to_s   bigint not null
);

-- How many jobs were counted in a minute, as long as some that ended in it may still come to light.
create table attach_minute (
    start_s bigint primary key,
    jobs    bigint not null,
    checks  bigint not null default 0 -- how often it was counted again
);

-- How often attempts failed with one fingerprint, by minute.
create table attach_failure (
    start_s     bigint not null,
    fingerprint text not null,
    failures    bigint not null,
    primary key (start_s, fingerprint)
);
create index attach_failure_fingerprint on attach_failure (fingerprint, start_s);
