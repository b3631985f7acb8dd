-- compatible_to: 2
-- The dashboard's document as all processes share it, and who may write it: see package pgtier, which owns the rows.
create table snapshot_document (
    name     text primary key,
    revision bigint not null default 0,
    token    bigint not null default 0, -- grows with every new holder of the lease
    holder   text not null default '',
    beat     timestamptz,               -- the holder's last sign of life, by the database's clock
    doc      bytea                      -- the JSON document, gzip; null before the first
);
alter table snapshot_document alter column doc set storage external; -- it is compressed already
