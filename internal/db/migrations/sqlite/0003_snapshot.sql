-- compatible_to: 2
-- Postgres's version of this keeps the shared document in a table, which SQLite, with its one process, has no need of.

-- The oldest version of the schema whose programs work on a newer one too; 0 for versions from before there was the column.
alter table agentos_migration add column compatible_to bigint not null default 0;
