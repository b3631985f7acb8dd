-- compatible_to: 2
-- The dashboard's document as all processes share it, and who may write it: see package pgtier, which owns the rows.
create table snapshot_document (
    name        text primary key,
    revision    bigint not null default 0,
    doc         bytea,                                   -- the JSON document, gzip; null before the first
    holder_id   text not null default '',                -- who has, or had, the lease
    holder      text not null default '',                -- its name, for people
    rank        integer not null default 0,
    token       bigint not null default 0,               -- grows with every change of the holder
    lease_until timestamptz not null default '-infinity' -- by the database's clock
) with (
    -- One row that is replaced several times a second. What was replaced is swept soon, and the file keeps its size:
    -- shrinking it locks the table.
    fillfactor = 50, vacuum_truncate = off, toast.vacuum_truncate = off,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000000,
    toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 1000
);
alter table snapshot_document alter column doc set storage external; -- it is compressed already
