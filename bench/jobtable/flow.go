package jobtable

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Flow inserts, starts and finishes jobs at a steady rate, with the statements that River's clients send. Real clients would
// empty the backlog as fast as they can, which is another measurement.
type Flow struct {
	rate  int // jobs a second
	conn  *pgx.Conn
	stop  context.CancelFunc
	ended chan error
	done  atomic.Int64 // finished jobs
	began time.Time    // when the first jobs were finished; read after run has ended
}

const flowTick = 100 * time.Millisecond

// StartFlow begins.
func (d *Table) StartFlow(ctx context.Context, rate int) (*Flow, error) {
	conn, err := pgx.Connect(ctx, d.URL(roleFlow))
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	f := &Flow{rate: rate, conn: conn, stop: stop, ended: make(chan error, 1)}
	go func() { f.ended <- f.run(ctx) }() // ended by Close
	return f, nil
}

// Close ends it and returns how many jobs a second it came to.
func (f *Flow) Close() (perSecond float64, err error) {
	f.stop()
	err = <-f.ended
	if !f.began.IsZero() {
		perSecond = float64(f.done.Load()) / time.Since(f.began).Seconds()
	}
	_ = f.conn.Close(context.Background()) // nothing is kept in it
	return perSecond, err
}

func (f *Flow) run(ctx context.Context) error {
	ticker := time.NewTicker(flowTick)
	defer ticker.Stop()
	perTick := f.rate / int(time.Second/flowTick)
	var working [][]int64 // those started in the last ticks
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		started, err := f.step(ctx, n, perTick)
		if err == nil {
			working = append(working, started)
			if len(working) > 10 { // a job takes a second
				err = f.finish(ctx, working[0])
				working = working[1:]
			}
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("the steady flow: %w", err)
		}
	}
}

// step inserts jobs into one queue and takes as many from it as River's producer does.
func (f *Flow) step(ctx context.Context, n, jobs int) (started []int64, err error) {
	queue := []string{"default", "mail", "reports", "media", "billing"}[n%Queues]
	_, err = f.conn.Exec(ctx, `insert into river_job (state, max_attempts, args, kind, queue, metadata)
		select 'available', 5, jsonb_build_object('customer_id', i, 'request', md5(($2 + i)::text)), $3, $1, '{}' from generate_series(1, $4::int) i`,
		queue, rand.IntN(1<<30), []string{"send_mail", "resize_image", "sync_account", "charge_card", "build_report"}[rand.IntN(5)], jobs)
	if err != nil {
		return nil, err
	}
	if _, err := f.conn.Exec(ctx, `select pg_notify('public.river_insert', json_build_object('queue', $1::text)::text)`, queue); err != nil {
		return nil, err
	}
	rows, err := f.conn.Query(ctx, `with taken as (
			select id from river_job where state = 'available' and queue = $1 and scheduled_at <= now()
			order by priority, scheduled_at, id limit $2 for update skip locked)
		update river_job set state = 'running', attempt = attempt + 1, attempted_at = now(),
			attempted_by = array_append(attempted_by, $3::text)
		from taken where river_job.id = taken.id returning river_job.id`, queue, jobs, fmt.Sprintf("worker-%d", 1+n%Clients))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

func (f *Flow) finish(ctx context.Context, jobs []int64) error {
	tag, err := f.conn.Exec(ctx, `update river_job set state = 'completed', finalized_at = now() where id = any($1) and state = 'running'`, jobs)
	if f.began.IsZero() {
		f.began = time.Now()
	}
	f.done.Add(tag.RowsAffected())
	return err
}
