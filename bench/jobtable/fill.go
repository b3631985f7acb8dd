package jobtable

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Of a filled table: how many kinds, queues and clients have worked in it, and over how many days its jobs are spread.
const (
	Kinds   = 12
	Queues  = 5
	Clients = 20
	Days    = 7
)

// batch is how many jobs one statement makes.
const batch = 500_000

// shape is the SQL that makes one job from i and from what it draws at random, the same for jobs of every state. River's
// clients write 100 to 300 bytes of arguments here.
const shape = `
	'{}'::jsonb as metadata,
	(array['default','default','default','mail','mail','reports','media','billing'])[1 + i % 8] as queue,
	(array['send_mail','send_mail','send_mail','resize_image','resize_image','sync_account','sync_account','charge_card',
		'build_report','index_document','call_webhook','call_webhook','clean_up','transcode','import_rows','score_lead',
		'notify'])[1 + (i * 7 + i / 13) % 17] as kind,
	jsonb_build_object('customer_id', (i * 7919) % 100000, 'request', md5(i::text),
		'note', repeat('lorem ipsum ', 3 + (i % 14)::int)) as args,
	(case when i % 9 = 0 then 2 when i % 31 = 0 then 3 else 1 end)::smallint as priority,
	'worker-' || (1 + (i * 31) % 20) as client`

// failure is one entry of River's list of errors.
const failure = `jsonb_build_object('at', at + interval '2 seconds', 'attempt', 1,
	'error', 'dial tcp 10.0.' || i % 8 || '.17:443: connect: connection refused', 'trace', repeat('main.work(...) work.go:' || i % 99 || ' ', 4))`

const columns = `(state, attempt, max_attempts, attempted_at, created_at, finalized_at, scheduled_at, priority, args,
	attempted_by, errors, kind, metadata, queue)`

// finished makes the finished jobs $1 to $2 of $3, evenly over the days up to a minute ago: ids grow with time, as River's
// do. One in a hundred was discarded, one cancelled, five failed once before they were completed.
const finished = `insert into river_job ` + columns + `
	select state::river_job_state, attempt, 5, at + wait, at, at + wait + took, at, priority, args,
		array_fill(client, array[attempt::int]),
		case when attempt > 1 then array_fill(` + failure + `, array[attempt - 1]::int[]) end, kind, metadata, queue
	from (select i, ` + shape + `,
		now() - interval '1 minute' - interval '1 day' * $4 * (1 - i::float8 / $3) as at,
		interval '1 millisecond' * (5 + 400 * random() ^ 3) as wait,
		interval '1 millisecond' * (20 + 8000 * random() ^ 4) as took,
		case i % 100 when 41 then 'discarded' when 83 then 'cancelled' else 'completed' end as state,
		(case when i % 100 = 41 then 5 when i % 20 = 7 then 2 else 1 end)::smallint as attempt
		from generate_series($1::bigint, $2::bigint) i) jobs`

// unfinished makes $2 jobs of the state $1, created within the last minutes.
const unfinished = `insert into river_job ` + columns + `
	select $1::river_job_state, attempt, 5, case when attempt > 0 then at end, at - interval '1 second', null,
		case when $1 in ('scheduled', 'retryable') then at + interval '1 hour' else at end, priority, args,
		case when attempt > 0 then array[client] end, case when $1 = 'retryable' then array[` + failure + `] end, kind, metadata, queue
	from (select i, ` + shape + `, now() - interval '1 millisecond' * (300000.0 * (1 - i::float8 / $2::bigint)) as at,
		(case when $1 in ('running', 'retryable') then 1 else 0 end)::smallint as attempt
		from generate_series(1, $2::bigint) i) jobs`

// Fill empties the table and fills it with this many finished jobs, with those that wait, run, are scheduled and are to be
// tried again. It begins again each time, because jobs added to older ones would have newer ids and older times.
func (d *Table) Fill(ctx context.Context, size, waiting, running int) error {
	began := time.Now()
	d.progress("filling the database with %d finished jobs", size)
	if err := d.exec(ctx, `truncate river_job restart identity`); err != nil {
		return err
	}
	restore, err := d.dropIndexes(ctx)
	if err != nil {
		return err
	}
	for from := 1; from <= size; from += batch {
		to := min(from+batch-1, size)
		if err := d.exec(ctx, finished, from, to, float64(size), float64(Days)); err != nil {
			return err
		}
		if to < size {
			d.progress("  %d of %d after %v", to, size, time.Since(began).Round(time.Second))
		}
	}
	for state, n := range map[string]int{"scheduled": scheduled(size), "retryable": scheduled(size) / 2} {
		if err := d.exec(ctx, unfinished, state, n); err != nil {
			return err
		}
	}
	if err := d.add(ctx, "available", waiting); err != nil {
		return err
	}
	if err := d.add(ctx, "running", running); err != nil {
		return err
	}
	d.progress("  its indexes")
	for _, statement := range restore {
		if err := d.exec(ctx, statement); err != nil {
			return err
		}
	}
	err = d.exec(ctx, `insert into river_queue (name, updated_at) select distinct queue, now() from
		(select queue from river_job order by id desc limit 1000) recent on conflict do nothing`)
	if err != nil {
		return err
	}
	d.Size = size
	err = d.vacuum(ctx)
	d.progress("  filled in %v", time.Since(began).Round(time.Second))
	return err
}

// MaxScheduled is how many jobs are scheduled for later at most.
const MaxScheduled = 10_000

// scheduled is how many jobs are scheduled for later, twice those to be tried again: as many from a million jobs on, so that what
// differs there is the history alone.
func scheduled(size int) int { return max(min(size/100, MaxScheduled), 20) }

// dropIndexes drops all but the primary key, and gives the statements that make them again.
func (d *Table) dropIndexes(ctx context.Context) (restore []string, err error) {
	rows, err := d.conn.Query(ctx, `select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
		where indrelid = 'river_job'::regclass and not indisprimary`)
	if err != nil {
		return nil, err
	}
	var drop []string
	var name, definition string
	_, err = pgx.ForEachRow(rows, []any{&name, &definition}, func() error {
		drop, restore = append(drop, `drop index `+name), append(restore, definition)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, statement := range drop {
		if err := d.exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	return restore, nil
}

// Have makes the number of jobs in a state, available or running, what is wanted.
func (d *Table) Have(ctx context.Context, state string, wanted int) error {
	d.progress("making %d jobs %s", wanted, state)
	if err := d.exec(ctx, `delete from river_job where state = $1::river_job_state`, state); err != nil {
		return err
	}
	if err := d.add(ctx, state, wanted); err != nil {
		return err
	}
	return d.vacuum(ctx)
}

func (d *Table) add(ctx context.Context, state string, n int) error {
	return d.exec(ctx, unfinished, state, n)
}

// vacuum leaves the table as autovacuum would, so that it does not begin in the middle of a measurement.
func (d *Table) vacuum(ctx context.Context) error {
	if err := d.exec(ctx, `vacuum (analyze) river_job`); err != nil {
		return err
	}
	return d.exec(ctx, `checkpoint`)
}
