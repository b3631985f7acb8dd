package attach

import (
	"context"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/enginetest"
)

// TestConformance holds an attached River to the rules of all engines.
func TestConformance(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		now := time.Now()
		c := enginetest.Case{
			Queues:    map[string]map[engine.State][]engine.ID{},
			Uncounted: []engine.State{engine.Completed, engine.Cancelled, engine.Discarded},
			AllAtOnce: true, Paused: []string{"still"}, Workers: []string{clientA, clientB},
		}
		for _, queue := range []string{"default", "slow/two", "still"} {
			c.Queues[queue] = map[engine.State][]engine.ID{}
			for i, state := range engine.States() {
				for n := range 12 {
					j := job{kind: "mail", queue: queue, state: string(state), created: now.Add(-time.Minute), scheduled: now.Add(-time.Minute)}
					switch {
					case state.Ended():
						j = done("mail", string(state), now.Add(-time.Duration(60+n)*time.Second))
						j.queue = queue
					case state == engine.Running:
						j.client, j.attempt, j.attempted = []string{clientA, clientB}[n%2], 1, now.Add(-time.Duration(12*i+n)*time.Second)
					case state == engine.Scheduled || state == engine.Retryable:
						j.scheduled = now.Add(time.Hour)
					}
					c.Queues[queue][state] = append(c.Queues[queue][state], engine.NumberID(site.insert(t, j)))
				}
			}
		}
		site.exec(t, `insert into river_queue (name, updated_at, paused_at) values ('still', current_timestamp, current_timestamp)`)
		before := site.rows(t)
		c.Open = func(t *testing.T) engine.Engine {
			s := site.begun(t, nil)
			answers(t, s.Standing) // a first answer that takes long is an error, and the database may be busy
			answers(t, s.Queues)
			answers(t, s.Workers)
			answers(t, func(ctx context.Context) ([]engine.RunningJob, error) { return s.Running(ctx, 1) })
			return s.Engine()
		}
		c.End = func(t *testing.T, ok bool) string {
			if ok {
				site.insert(t, done("mail", "completed", time.Now()))
			} else {
				site.insert(t, done("mail", "discarded", time.Now(), "no host"))
			}
			before = site.rows(t)
			return "default"
		}
		c.Unwritten = func(t *testing.T) {
			if after := site.rows(t); after != before {
				t.Errorf("the rows were %.300s and are %.300s", before, after)
			}
		}
		enginetest.Run(t, c)
	})
}

// answers waits for the first answer to a question.
func answers[T any](t *testing.T, ask func(context.Context) (T, error)) {
	t.Helper()
	if _, err := firstOf(t, ask); err != nil {
		t.Fatal(err)
	}
}

// rows is what all jobs of the site come to.
func (s *site) rows(t *testing.T) (text string) {
	t.Helper()
	all := map[db.Kind]string{
		db.Postgres: `md5(string_agg(j::text, '|' order by id))`,
		db.SQLite:   `group_concat(concat_ws(' ', id, state, attempt, queue, scheduled_at, finalized_at, hex(metadata)), '|')`,
	}[s.kind]
	if err := s.pool.QueryRowContext(context.WithoutCancel(t.Context()), `select count(*) || ' ' || `+all+` from `+s.table()+` j`).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}
