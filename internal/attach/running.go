package attach

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/paced"
)

// maxRunning bounds how many running jobs are looked at; a fleet has as many as its clients have slots.
const maxRunning = 50_000

// running is which jobs run.
type running struct {
	paced.Answer[*nowRunning]
	longest paced.Answer[[]engine.RunningJob]
}

// longestRead is how many of the jobs that run longest are read.
const longestRead = 50

// nowRunning sums up the running jobs.
type nowRunning struct {
	byQueue, byKind map[string]int64
	byClient        map[string]*clientNow
}

// clientNow is what a client runs.
type clientNow struct {
	running int64
	newest  time.Time // when its latest attempt began
	kinds   map[string]bool
	queues  map[string]bool
}

// runningJobs reads the running jobs, some 2 µs each.
func (s *Service) runningJobs(ctx context.Context) (*nowRunning, error) {
	if s.noActive() {
		return nil, missing(activeIndex)
	}
	found, _, err := s.running.Get(ctx, s.refresher, s.fresh(), shareRunning, func(ctx context.Context) (*nowRunning, error) {
		found, err := s.readRunning(ctx)
		return found, engine.WrapDB("read the running jobs", err)
	})
	return found, err
}

func (s *Service) readRunning(ctx context.Context) (*nowRunning, error) {
	found := &nowRunning{byQueue: map[string]int64{}, byKind: map[string]int64{}, byClient: map[string]*clientNow{}}
	lastClient, _ := river.LastAttempt(s.foreign.Kind)
	rows, err := s.foreign.Read.QueryContext(ctx, `select kind, queue, client, count(*), max(attempted_at) from (
		select j.kind, j.queue, `+lastClient+` as client, j.attempted_at from river_job j where j.state = 'running' order by j.queue, j.priority, j.scheduled_at, j.id limit $1) picked
		group by kind, queue, client`, maxRunning)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var kind, queue string
		var client sql.NullString
		var n int64
		var newest engine.Time
		if err := rows.Scan(engine.ScanName(&kind), engine.ScanName(&queue), &client, &n, &newest); err != nil {
			return struct{}{}, err
		}
		found.byQueue[queue] += n
		found.byKind[kind] += n
		if client.Valid {
			if !newest.Known() {
				newest = engine.Time{}
			}
			found.client(client.String).add(kind, queue, n, newest.Time)
		}
		return struct{}{}, nil
	})
	return found, err
}

func (r *nowRunning) client(id string) *clientNow {
	if r.byClient[id] == nil {
		r.byClient[id] = &clientNow{kinds: map[string]bool{}, queues: map[string]bool{}}
	}
	return r.byClient[id]
}

func (c *clientNow) add(kind, queue string, n int64, newest time.Time) {
	c.running += n
	c.kinds[kind], c.queues[queue] = true, true
	c.newest = later(c.newest, newest)
}

// Running returns at most n jobs under way, those that run longest first.
func (s *Service) Running(ctx context.Context, n int) ([]engine.RunningJob, error) {
	if s.noActive() {
		return nil, missing(activeIndex)
	}
	all, _, err := s.running.longest.Get(ctx, s.refresher, s.fresh(), shareLongest, func(ctx context.Context) ([]engine.RunningJob, error) {
		all, err := s.readLongest(ctx)
		return all, engine.WrapDB("read the running jobs", err)
	})
	return slices.Clone(all[:min(n, len(all))]), err
}

func (s *Service) readLongest(ctx context.Context) ([]engine.RunningJob, error) {
	list, err := s.Where(ctx, `where j.id in (select id from (select id, attempted_at from river_job where state = 'running' order by queue, priority, scheduled_at, id limit $1) picked
		order by attempted_at limit $2) order by j.attempted_at, j.id`, maxRunning, longestRead)
	if err != nil {
		return nil, err
	}
	all := make([]engine.RunningJob, 0, len(list))
	for _, j := range list {
		if j.AttemptedAt == nil {
			continue
		}
		one := engine.RunningJob{Job: j, StartedAt: *j.AttemptedAt}
		one.Order = one.StartedAt.UnixMilli()
		if j.Worker != nil {
			one.Host, _ = describeClient(*j.Worker)
		}
		all = append(all, one)
	}
	return all, nil
}
