package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// FlowAgents are the agents that the jobs of a flow are for. Each attempt writes down that it began, and notices when
// another attempt at the same job is still alive a second later: all processes of an attempt share the locked file.
const FlowAgents = `
  quick:
    command: [sh, -c, 'exec 9>"$LOCKS/$AGENTOS_JOB_ID"; flock -w 1 9 || echo "job $AGENTOS_JOB_ID attempt $AGENTOS_ATTEMPT" >>"$LOCKS/overlaps"; echo $AGENTOS_JOB_ID >>"$LOCKS/begun"']
    concurrency: 2
    max_attempts: 25
    backoff: {initial: 1s, factor: 1, max: 1s}
    env: &flow
      LOCKS: ../locks
  lasting:
    command: [sh, -c, 'exec 9>"$LOCKS/$AGENTOS_JOB_ID"; flock -w 1 9 || echo "job $AGENTOS_JOB_ID attempt $AGENTOS_ATTEMPT" >>"$LOCKS/overlaps"; echo $AGENTOS_JOB_ID >>"$LOCKS/begun"; sleep 1.5']
    concurrency: 4
    max_attempts: 25
    backoff: {initial: 1s, factor: 1, max: 1s}
    env: *flow
`

// Flow puts jobs into the database at a steady pace, past the product and past its proxies. So it knows what must be
// done in the end, and what a document that shows a moment must show.
type Flow struct {
	cluster *Cluster
	stop    context.CancelFunc
	done    chan struct{}

	mu   sync.Mutex
	jobs []flowJob // in the order of their ids
}

type flowJob struct {
	id int64
	at time.Time // when it was certainly in the database
}

// StartFlow begins a flow of one job in each interval; every fourth lasts a second and a half. The cluster must have been
// made with FlowAgents.
func (c *Cluster) StartFlow(every time.Duration) (*Flow, error) {
	f := &Flow{cluster: c, done: make(chan struct{})}
	if err := os.MkdirAll(f.locks(), 0o755); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	go f.run(ctx, every) // ended by Close
	return f, nil
}

func (f *Flow) locks() string { return filepath.Join(f.cluster.Dir, "locks") }

// Close ends the flow.
func (f *Flow) Close() {
	f.stop()
	<-f.done
}

func (f *Flow) run(ctx context.Context, every time.Duration) {
	defer close(f.done)
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	var conn *pgx.Conn
	for number := 0; ; number++ {
		select {
		case <-ctx.Done():
			if conn != nil {
				_ = conn.Close(context.Background())
			}
			return
		case <-ticks.C:
		}
		agent := "quick"
		if number%4 == 3 {
			agent = "lasting"
		}
		conn = f.insert(ctx, conn, agent)
	}
}

// insert puts in one job. It gives the connection for the next one, nil after a failure.
func (f *Flow) insert(ctx context.Context, conn *pgx.Conn, agent string) *pgx.Conn {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var err error
	if conn == nil {
		if conn, err = f.cluster.Connect(ctx); err != nil {
			return nil
		}
	}
	var id int64
	err = conn.QueryRow(ctx, `insert into river_job (kind, queue, args, max_attempts, priority) values ($1, $1, '{}', 25, 1) returning id`, agent).Scan(&id)
	if err != nil {
		_ = conn.Close(context.Background())
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.jobs = append(f.jobs, flowJob{id, time.Now()})
	return conn
}

// Made counts the jobs so far.
func (f *Flow) Made() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.jobs)
}

// Missed is when the first job was put in that is not yet on a screen whose newest job is the one given; zero when there
// is none. What such a screen shows was read before that moment, whatever it says.
func (f *Flow) Missed(newest int64) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, _ := slices.BinarySearchFunc(f.jobs, newest+1, func(j flowJob, id int64) int { return int(j.id - id) })
	if at == len(f.jobs) {
		return time.Time{}
	}
	return f.jobs[at].at
}

// Undone lists those of the jobs put in before a moment that are not completed, as "123 running".
func (f *Flow) Undone(ctx context.Context, before time.Time) ([]string, error) {
	f.mu.Lock()
	var ids []int64
	for _, job := range f.jobs {
		if job.at.Before(before) {
			ids = append(ids, job.id)
		}
	}
	f.mu.Unlock()
	conn, err := f.cluster.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `
		select i || ' ' || coalesce(j.state::text || ' after ' || j.attempt || ' attempts, due ' || j.scheduled_at, 'is gone')
		from unnest($1::bigint[]) i left join river_job j on j.id = i where j.state is distinct from 'completed' order by i`, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Drained waits until all jobs put in before a moment are completed. What is left when the context ends is lost: the
// number and an error that names some.
func (f *Flow) Drained(ctx context.Context, before time.Time) (lost int, err error) {
	err = Until(ctx, "every job is done", func() error {
		undone, err := f.Undone(context.WithoutCancel(ctx), before)
		if err != nil {
			return err
		}
		if lost = len(undone); lost > 0 {
			return fmt.Errorf("%d are not, such as %s", lost, strings.Join(undone[:min(lost, 5)], "; "))
		}
		return nil
	})
	return lost, err
}

// Overlaps lists attempts at one job that were alive at the same time; empty for none.
func (f *Flow) Overlaps() (string, error) {
	text, err := os.ReadFile(filepath.Join(f.locks(), "overlaps"))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// Repeated counts the attempts beyond the first of each job.
func (f *Flow) Repeated() (int, error) {
	text, err := os.ReadFile(filepath.Join(f.locks(), "begun"))
	if err != nil {
		return 0, err
	}
	once := map[string]bool{}
	attempts := strings.Fields(string(text))
	for _, id := range attempts {
		once[id] = true
	}
	return len(attempts) - len(once), nil
}
