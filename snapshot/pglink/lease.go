package pglink

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/agentos/agentos/snapshot/link"
)

const (
	// isLive reports whether the lease of row d runs. $1 is its length in milliseconds. An end too far in the future was not
	// written by a candidate, or the database has another clock since.
	isLive = `(d.lease_until > clock_timestamp() and d.lease_until <= clock_timestamp() + $1::bigint * interval '2 milliseconds')`

	// nowMS is the database's clock. Tokens begin with it, so that they grow across a failover that lost the last one, and
	// across a row that was deleted.
	nowMS = `(extract(epoch from clock_timestamp()) * 1000)::bigint`

	// campaignSQL takes or keeps the lease. It gives the token, or the name of the other holder, or neither if another
	// candidate was faster. Who finds the lease held only reads. A change of the holder is on the disk before it is reported,
	// unlike renewals and documents.
	campaignSQL = `
with seen as (
	select d.holder_id = $3::text as mine, coalesce(nullif(d.holder, ''), 'unknown') as holder,
		d.holder_id <> $3::text and d.rank >= $5::int and ` + isLive + ` as held
	from snapshot_document d where d.name = $2::text
), free as materialized (
	select pg_advisory_xact_lock(hashtextextended('snapshot lease ' || coalesce(current_schema(), '') || '/' || $2::text, 0)),
		set_config('synchronous_commit',
			case when exists (select from seen where mine) then current_setting('synchronous_commit') else 'local' end, true)
	where not exists (select from seen where held)
), taken as (
	insert into snapshot_document as d (name, holder_id, holder, rank, token, lease_until)
	select $2::text, $3::text, $4::text, $5::int, greatest(` + nowMS + `, $6::bigint + 1),
		clock_timestamp() + $1::bigint * interval '1 millisecond'
	from free
	on conflict (name) do update set
		holder_id = excluded.holder_id, holder = excluded.holder, rank = excluded.rank, lease_until = excluded.lease_until,
		token = case
			when d.holder_id = excluded.holder_id and d.token between 1 and excluded.token + 86400000 then d.token
			when d.token between excluded.token and excluded.token + 86400000 then d.token + 1
			else excluded.token
		end
	where d.holder_id = excluded.holder_id or d.rank < excluded.rank or not ` + isLive + `
	returning d.token
)
select (select token from taken), (select holder from seen where held)`

	resignSQL = `update snapshot_document set lease_until = '-infinity' where name = $1::text and holder_id = $2::text`
)

// races is how often a candidate may lose to a faster one that has resigned when it looks again.
const races = 3

var errRaces = errors.New("other candidates were faster again and again")

// Campaign implements link.Link. The database's clock decides when a lease of another process has ended; how long
// one's own lasts is measured by one's own clock, from before the question, so that it ends earlier here than there.
func (l *Link) Campaign(ctx context.Context, rank int) (grant link.Grant, err error) {
	err = l.call(ctx, "take the lease", func(ctx context.Context, conn *pgx.Conn) error {
		for range races {
			began := time.Now()
			var token *int64
			var holder *string
			err := conn.QueryRow(ctx, campaignSQL, l.opts.Lease.Milliseconds(), l.opts.Key, l.id, l.opts.Holder, rank, l.token.Load()).
				Scan(&token, &holder)
			switch {
			case err != nil:
				return err
			case token != nil:
				raise(&l.token, *token)
				grant = link.Grant{Token: uint64(*token), Until: began.Add(l.opts.Lease)}
				return nil
			case holder != nil:
				return &link.HeldError{Holder: *holder}
			}
		}
		return errRaces
	})
	return grant, err
}

// Resign implements link.Link.
func (l *Link) Resign(ctx context.Context) error {
	return l.call(ctx, "give up the lease", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, resignSQL, l.opts.Key, l.id)
		return err
	})
}
