package adapter

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/enginetest"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/rollup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(dbtest.Main(m)) }

const fleetYAML = `
agents:
  mail:
    command: [sh, -c, "true"]
    schedule: "@hourly"
`

// fleet is a fleet of ours that nobody runs.
type fleet struct {
	db      *db.DB
	workers []string
}

func (f *fleet) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := f.db.Write.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// work lets a worker beat.
func (f *fleet) work(t *testing.T, id string) {
	t.Helper()
	now := time.Now().UnixMilli()
	f.exec(t, `insert into worker (id, host, pid, version, state, started_ms, beat_ms, slots, done, queues, agents) values ($1, 'h', 7, 'test', 'active', $2, $2, 4, 0, '{}', '{}')`, id, now)
	f.workers = append(f.workers, id)
}

// insert puts a job there as River and its worker would have left it: with an attempt if it runs, or has failures or an end.
func (f *fleet) insert(t *testing.T, queue string, state engine.State, at time.Time, failures ...string) engine.ID {
	t.Helper()
	var attempted, finalized any
	attempt, due := 0, at
	if state == engine.Running || state.Ended() {
		attempt, attempted = max(1, len(failures)), f.db.Stamp(at)
	}
	if state.Ended() {
		finalized = f.db.Stamp(at)
	}
	if state == engine.Scheduled || state == engine.Retryable {
		due = at.Add(time.Hour)
	}
	client := river.ClientID(f.workers[attempt%len(f.workers)], 1)
	errors, by, tags := "[]", fmt.Sprintf(`[%q]`, client), `jsonb('[]')`
	if len(failures) > 0 {
		errors = fmt.Sprintf(`[{"at":%q,"attempt":1,"error":%q,"trace":""}]`, at.UTC().Format(time.RFC3339Nano), failures[0])
	}
	values := `jsonb($8), jsonb($9)`
	if f.db.Kind == db.Postgres {
		values, tags = `array(select jsonb_array_elements($8::jsonb)), array(select jsonb_array_elements_text($9::jsonb))`, `'{}'`
	}
	json := map[db.Kind]string{db.SQLite: `jsonb('{}')`, db.Postgres: `'{}'`}[f.db.Kind]
	var id engine.ID
	err := f.db.Write.QueryRowContext(t.Context(), `insert into river_job (kind, queue, state, attempt, max_attempts, created_at, scheduled_at, attempted_at, finalized_at, errors, attempted_by, metadata, args, tags)
		values ('mail', $1, $2, $3, 25, $4, $5, $6, $7, `+values+`, `+json+`, `+json+`, `+tags+`) returning id`,
		queue, string(state), attempt, f.db.Stamp(at), f.db.Stamp(due), attempted, finalized, errors, by).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	if state == engine.Running {
		n, _ := id.Number()
		f.exec(t, `insert into run (job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, wait_ms) values ($1, 1, 25, 'mail', $2, $3, 'running', $4, $4, 0)`,
			n, queue, f.workers[attempt%len(f.workers)], at.UnixMilli())
	}
	return id
}

// rows is what all jobs and attempts come to.
func (f *fleet) rows(t *testing.T) (text string) {
	t.Helper()
	err := f.db.Read.QueryRowContext(context.WithoutCancel(t.Context()), `select (select count(*) || ' ' || sum(id) || ' ' || sum(attempt) || ' ' || min(state) || max(state) || ' ' || count(finalized_at) || max(queue) from river_job)
		|| '; ' || (select count(*) || ' ' || count(ended_ms) from run) || '; ' || (select count(*) || ' ' || max(beat_ms) from worker)`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestConformance holds a fleet of ours to the rules of all engines.
func TestConformance(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		of, err := agent.Parse("agentos.yaml", t.TempDir(), []byte(fleetYAML))
		if err != nil {
			t.Fatal(err)
		}
		f, now := &fleet{db: d}, time.Now()
		for _, id := range []string{"worker-h-7-a", "worker-h-8-b"} {
			f.work(t, id)
		}
		c := enginetest.Case{
			Queues:    map[string]map[engine.State][]engine.ID{},
			Uncounted: []engine.State{engine.Completed, engine.Cancelled, engine.Discarded},
			AllAtOnce: true, Paused: []string{"still"}, Workers: f.workers,
		}
		for _, queue := range []string{"mail", "slow/two", "still"} {
			c.Queues[queue] = map[engine.State][]engine.ID{}
			for _, state := range engine.States() {
				for n := range 12 {
					c.Queues[queue][state] = append(c.Queues[queue][state], f.insert(t, queue, state, now.Add(-time.Duration(60+n)*time.Second)))
				}
			}
		}
		f.exec(t, `insert into river_queue (name, metadata, updated_at, paused_at) values ('still', $1, $2, $2)`, "{}", d.Stamp(now))
		before := f.rows(t)
		c.Open = func(*testing.T) engine.Engine {
			reader := river.NewReader(d, nil, rollup.New(d), func() *agent.Fleet { return of }, "all lines are kept")
			return Own(reader, d, nil, func() *agent.Fleet { return of })
		}
		c.End = func(t *testing.T, ok bool) string {
			if ok {
				f.insert(t, "mail", engine.Completed, time.Now())
			} else {
				f.insert(t, "mail", engine.Discarded, time.Now(), "no host")
			}
			before = f.rows(t)
			return "mail"
		}
		c.Unwritten = func(t *testing.T) {
			if after := f.rows(t); after != before {
				t.Errorf("the rows came to %s, and come to %s", before, after)
			}
		}
		enginetest.Run(t, c)
	})
}

func TestSchedulesAreThoseOfTheFile(t *testing.T) {
	d := dbtest.New(t)
	of, err := agent.Parse("agentos.yaml", t.TempDir(), []byte(fleetYAML))
	if err != nil {
		t.Fatal(err)
	}
	reader := river.NewReader(d, nil, rollup.New(d), func() *agent.Fleet { return of }, "")
	s, err := Own(reader, d, nil, func() *agent.Fleet { return of }).Snapshot(t.Context(), engine.Budget{Queues: 10, Workers: 10, Running: 10})
	if err != nil || len(s.Schedules) != 1 || s.Schedules[0].Kind != "mail" || s.Schedules[0].Spec != "@hourly" || s.Schedules[0].NextAt.Before(time.Now()) {
		t.Errorf("%+v, %v", s.Schedules, err)
	}
}
