/*
Package pglink is the link.Link through Postgres: for clusters that have no Redis, and beside it.

	config, err := pgx.ParseConfig("postgres://user:password@host/name")
	...
	link := pglink.Open(ctx, config, pglink.Options{Holder: "host-1"})
	defer link.Close()

# What is in Postgres

One row for each document, in a table that must be there, found by the search_path:

	create table snapshot_document (
	    name        text primary key,                             -- Options.Key
	    revision    bigint not null default 0,                    -- of doc
	    doc         bytea,                                        -- the JSON document, gzip; null before the first
	    holder_id   text not null default '',                     -- who has, or had, the lease
	    holder      text not null default '',                     -- its name, for people
	    rank        integer not null default 0,
	    token       bigint not null default 0,                    -- grows with every change of the holder
	    lease_until timestamptz not null default '-infinity'      -- by the database's clock
	);

Notifications travel by NOTIFY: which revision was stored, and which sections to collect. Whatever else is found in the row is
overwritten.

# Who collects

The lease is judged by the database's clock, in the same statement that changes the row: whoever holds it and is stopped
loses it like anybody else, which a lock of Postgres's that lasts as long as a session would not do. Candidates for a
lease that is free queue for a transaction's advisory lock and then decide on the row, which they lock. The holder renews
and others look with one statement each; those others write nothing.

Store is one statement too, which locks the row: a document never takes the place of a newer one. That alone keeps out who
has lost the lease without noticing, for documents are numbered by the time at which they were made; see link.Link.

# What it costs

Two connections at most for calls and one for each Listen. A link that is not called runs no statement; Listen tries its
connection once a second by an empty query, which is none either.

Postgres 12 is needed, and connections that are not shared: a pooler in transaction mode loses notifications.
*/
package pglink
