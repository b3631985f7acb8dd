package worker

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
)

// happened gathers the events of a service.
type happened struct {
	mu   sync.Mutex
	seen map[engine.Event]int
}

func (h *happened) add(e engine.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen[e]++
}

func (h *happened) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = map[engine.Event]int{}
}

func (h *happened) has(events ...engine.Event) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !slices.ContainsFunc(events, func(e engine.Event) bool { return h.seen[e] == 0 })
}

func TestChangesAreReported(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		got := &happened{seen: map[engine.Event]int{}}
		fleet := fleetOf(t, agents(sh("slow", gated(dir)+`; echo '{"progress":0.5}' >&2; echo line >&2`), sh("bad", "exit 1", "max_attempts: 1")))
		s, err := New(t.Context(), Options{DB: database, Fleet: fleet, DataDir: t.TempDir(), Log: testLog(t), OnEvent: got.add})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stop(t, s) })
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		step := func(what string, act func(), events ...engine.Event) {
			t.Helper()
			got.reset()
			act()
			until(t, what+" is reported", func() bool { return got.has(events...) })
		}
		step("a pause", func() {
			if err := s.PauseAgent(t.Context(), "slow"); err != nil {
				t.Fatal(err)
			}
		}, engine.QueueChanged)
		step("an enqueued job", func() { enqueue(t, s, "slow") }, engine.JobEnqueued)
		step("the start", func() {
			if err := s.ResumeAgent(t.Context(), "slow"); err != nil {
				t.Fatal(err)
			}
			until(t, "it runs", func() bool { return exists(dir + "/began") })
		}, engine.JobStarted)
		step("the log and the end", func() { touch(t, dir+"/gate") }, engine.JobEnded, engine.SumsAdded)
		step("a failure", func() {
			id := enqueue(t, s, "bad").ID
			untilState(t, s, id, "discarded")
			got.reset()
		}, engine.SumsAdded)
		step("a reload", func() {
			if err := s.Reload(t.Context(), fleetOf(t, agents(sh("slow", "true")))); err != nil {
				t.Fatal(err)
			}
		}, engine.AgentsChanged)
	})
}

func TestWorkersAndQueuesShowWhatTheyOffer(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		dir := t.TempDir()
		s := start(t, database, agents(sh("slow", gated(dir), "concurrency: 3"), sh("left", "true", "queue: both"), sh("right", "true", "queue: both"))+
			"queues:\n  both: {concurrency: 4}\n")
		job := enqueue(t, s, "slow")
		until(t, "it runs", func() bool { return exists(dir + "/began") })
		var w []engine.Worker
		until(t, "the heartbeat shows it", func() bool {
			var err error
			w, err = s.Workers(t.Context())
			return err == nil && len(w) == 1 && *w[0].Running == 1
		})
		if w[0].ID != s.Worker() || w[0].State != "active" || *w[0].Slots != 7 || *w[0].Agents != 3 || *w[0].PID == 0 || w[0].Version != "test" || w[0].Host != hostName() ||
			w[0].AgentNames != nil || w[0].Queues != nil || *w[0].BeatAgeMS > river.SilentFor.Milliseconds() {
			t.Errorf("worker %+v", w[0])
		}
		queues, err := s.Queues(t.Context())
		if err != nil || len(queues) != 2 {
			t.Fatalf("queues %+v, %v", queues, err)
		}
		if q := queues[0]; q.Name != "slow" || *q.Slots != 3 || *q.Processing != 1 || !slices.Equal(q.Agents, []string{"slow"}) {
			t.Errorf("queue %+v", q)
		}
		if q := queues[1]; q.Name != "both" || *q.Slots != 4 || !slices.Equal(q.Agents, []string{"left", "right"}) {
			t.Errorf("queue %+v", q)
		}
		running, err := s.Running(t.Context(), 5)
		if err != nil || len(running) != 1 || running[0].ID != job.ID || running[0].Host != hostName() || *running[0].Worker != s.Worker() || running[0].RunID == nil || time.Since(running[0].StartedAt.Time) > time.Minute {
			t.Errorf("running %+v, %v", running, err)
		}
		stats, err := described(t.Context(), s)
		if err != nil || stats["slow"].Running != 1 || stats["left"].Running != 0 || len(stats["slow"].SparkOK) != engine.SparkBuckets {
			t.Errorf("agents %+v, %v", stats, err)
		}
		touch(t, dir+"/gate")
		untilState(t, s, job.ID, "completed")
		until(t, "the heartbeat shows it", func() bool { w, err := s.Workers(t.Context()); return err == nil && *w[0].Done == 1 })
	})
}

func TestJobsOfASharedQueueAreCountedByAgent(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, "", fleetOf(t, agents(sh("left", "true", "queue: both"), sh("right", "true", "queue: both"))+
			"queues:\n  both: {concurrency: 4}\n"))
		for _, name := range []string{"left", "right", "right"} {
			enqueue(t, s, name)
			enqueueWith(t, s, engine.EnqueueParams{Agent: name, Queue: "default"})
		}
		later := time.Now().Add(time.Hour)
		enqueueWith(t, s, engine.EnqueueParams{Agent: "left", ScheduledAt: &later})
		stats, err := described(t.Context(), s)
		if err != nil || stats["left"].Waiting != 2 || stats["right"].Waiting != 4 || stats["left"].Scheduled != 1 {
			t.Errorf("agents %+v, %v", stats, err)
		}
	})
}

func TestAServiceWithoutWorkInsertsAndReads(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s, err := New(t.Context(), Options{DB: database, Fleet: fleetOf(t, agents(sh("quick", "true"))), NoWork: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		job := enqueue(t, s, "quick")
		if d := get(t, s, job.ID); d.State != "available" {
			t.Errorf("job %+v", d.Job)
		}
		if w, err := s.Workers(t.Context()); err != nil || len(w) != 0 {
			t.Errorf("workers %+v, %v", w, err)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestReadsReportThatTheDatabaseIsGone(t *testing.T) {
	eachOutage(t, func(t *testing.T, database *db.DB, away, back func()) {
		s := start(t, database, agents(sh("quick", "true")))
		away()
		until(t, "reads fail", func() bool { return cycle(t.Context(), s) != nil })
		_, err := s.Queues(t.Context())
		if err == nil || !strings.Contains(err.Error(), by(s, "the database file is gone", "Postgres is not there")) || !strings.Contains(err.Error(), engine.ErrUnavailable.Error()) {
			t.Errorf("error %v", err)
		}
		if _, err := s.Enqueue(t.Context(), engine.EnqueueParams{Agent: "quick"}); err == nil {
			t.Error("enqueued")
		}
		back()
		until(t, "reads work", func() bool { return cycle(t.Context(), s) == nil })
		var job engine.Job
		until(t, "a job can be enqueued", func() bool {
			var err error
			job, err = s.Enqueue(context.Background(), engine.EnqueueParams{Agent: "quick"})
			return err == nil
		})
		untilState(t, s, job.ID, "completed")
	})
}

func TestLostWorkersAreListedForAWhile(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, "", fleetOf(t, agents(sh("quick", "true"))))
		for id, age := range map[string]time.Duration{"fresh": 0, "late": river.SilentFor + time.Second, "gone": 9 * time.Minute, "forgotten": 11 * time.Minute} {
			insertWorker(t, s, id, time.Now().Add(-age))
		}
		w, err := s.Workers(t.Context())
		states := map[string]string{}
		for _, one := range w {
			states[one.ID] = one.State
		}
		if diff := cmp.Diff(map[string]string{"fresh": "active", "late": "lost", "gone": "lost"}, states); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}
