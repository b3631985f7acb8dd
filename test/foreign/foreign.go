// Package foreign is another program's River database, as tests attach to one.
package foreign

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/agentos/agentos/test/servers"
)

// Name is that of the database on its server.
const Name = "app"

// EndedJobs inserts jobs 1 to $1 that ended evenly over a span of $2 seconds before now, of three kinds; one in ten failed twice.
const EndedJobs = `insert into river_job (kind, queue, state, attempt, max_attempts, args, created_at, scheduled_at, attempted_at, finalized_at, attempted_by, errors)
	select 'kind_' || n % 3, 'default', (case when n % 10 = 0 then 'discarded' else 'completed' end)::river_job_state,
		case when n % 10 = 0 then 2 else 1 end, 2, '{}', at - interval '3 s', at - interval '3 s', at - interval '2 s', at, array['host_2026_01_02T03_04_05_000006'],
		case when n % 10 = 0 then array[jsonb_build_object('at', at, 'attempt', 1, 'error', 'no'), jsonb_build_object('at', at, 'attempt', 2, 'error', 'no')] end
	from (select n, date_trunc('milliseconds', clock_timestamp() - interval '1 s' * $2::float8 * n / $1::bigint) as at from generate_series(1, $1::bigint) n) jobs`

// Create makes the database with River's tables on a server, and returns its URL.
func Create(ctx context.Context, server *servers.Postgres) (url string, err error) {
	if err := server.CreateDatabase(Name, ""); err != nil {
		return "", err
	}
	pool, err := pgxpool.New(ctx, server.URL(Name))
	if err != nil {
		return "", err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return server.URL(Name), err
}
