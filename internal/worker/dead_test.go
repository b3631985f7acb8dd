package worker

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/test/servers"
)

// backWithin is what is promised: the time from a worker's end, of whatever kind, to another's beginning with its jobs.
const backWithin = 15 * time.Second

// single is an agent whose attempts notice when two of a folder run at once. Each says in "begins" that it began, and
// ends when there is a "gate".
func single(dir string, more ...string) string {
	return agents(sh("slow", `exec 9>`+dir+`/running; flock -n 9 || echo twice >> `+dir+`/overlaps
		trap "" TERM; echo began >> `+dir+`/begins; while [ ! -e `+dir+`/gate ]; do sleep 0.1; done`, more...))
}

func begins(dir string) int {
	text, err := os.ReadFile(dir + "/begins")
	if err != nil {
		return 0
	}
	return strings.Count(string(text), "began")
}

// expectTakeover waits for the second attempt at a job whose first worker is out of order, and lets it end.
func expectTakeover(t *testing.T, reader *Service, dir string, job engine.ID, from, to string) {
	t.Helper()
	since := time.Now()
	until(t, "it runs elsewhere", func() bool { return begins(dir) == 2 })
	if took := time.Since(since); took > backWithin {
		t.Errorf("it took %v", took)
	} else {
		t.Logf("run again after %v", took)
	}
	touch(t, dir+"/gate")
	d := untilState(t, reader, job, "completed")
	if len(d.Runs) != 2 || d.Runs[0].Worker != to || d.Runs[0].Outcome != "ok" || d.Runs[0].Attempt != 1 || d.Runs[1].Worker != from || d.Runs[1].Outcome != "lost" {
		t.Errorf("runs %+v", d.Runs)
	}
	if exists(dir + "/overlaps") {
		t.Error("it ran twice at once")
	}
}

// Workers with folders of their own see nothing of each other but heartbeats, like workers on different hosts.
func TestAWorkerKilledOnAnotherHostIsTakenOver(t *testing.T) {
	t.Parallel()
	dir, url := t.TempDir(), dbtest.PostgresURL(t)
	yaml := single(dir)
	reader := newService(t, dbtest.OpenURL(t, url), "", fleetOf(t, yaml))
	first := startProcess(t, url, t.TempDir(), yaml)
	job := enqueue(t, reader, "slow")
	until(t, "it runs", func() bool { return begins(dir) == 1 })
	second := startProcess(t, url, t.TempDir(), yaml)
	first.kill(t)
	expectTakeover(t, reader, dir, job.ID, first.id, second.id)
	second.end(t)
}

func TestAWorkerThatStandsStillIsTakenOver(t *testing.T) {
	t.Parallel()
	dir, url := t.TempDir(), dbtest.PostgresURL(t)
	yaml := single(dir)
	reader := newService(t, dbtest.OpenURL(t, url), "", fleetOf(t, yaml))
	data := t.TempDir() // the lock of a suspended one is held
	first := startProcess(t, url, data, yaml)
	job := enqueue(t, reader, "slow")
	until(t, "it runs", func() bool { return begins(dir) == 1 })
	second := startProcess(t, url, data, yaml)
	first.signal(t, syscall.SIGSTOP)
	expectTakeover(t, reader, dir, job.ID, first.id, second.id)
	first.signal(t, syscall.SIGCONT)
	until(t, "it is alive again", func() bool {
		w, err := reader.Workers(t.Context())
		return err == nil && len(w) == 2 && w[0].State == "active" && w[1].State == "active"
	})
	second.end(t)
	os.Remove(dir + "/gate")
	again := enqueue(t, reader, "slow")
	until(t, "it runs jobs again", func() bool { return begins(dir) == 3 })
	touch(t, dir+"/gate")
	if d := untilState(t, reader, again.ID, "completed"); d.Runs[0].Worker != first.id {
		t.Errorf("run %+v", d.Runs[0])
	}
	if d := get(t, reader, job.ID); d.State != "completed" || len(d.Runs) != 2 {
		t.Errorf("the one that was stopped changed %+v", d)
	}
	first.end(t)
}

func TestAWorkerCutOffFromTheDatabaseIsTakenOver(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(*servers.Proxy){"refused": (*servers.Proxy).Cut, "hung": (*servers.Proxy).Hang} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, url := t.TempDir(), dbtest.PostgresURL(t)
			way, proxy := proxied(t, url)
			fleet := fleetOf(t, single(dir))
			asked := make(chan struct{}, 1000)
			first := startWith(t, Options{DB: dbtest.OpenURL(t, way), Fleet: fleet, CutOff: func(context.Context) bool { asked <- struct{}{}; return true }})
			job := enqueue(t, first, "slow")
			until(t, "it runs", func() bool { return begins(dir) == 1 })
			second := startWith(t, Options{DB: dbtest.OpenURL(t, url), Fleet: fleet})
			cut(proxy)
			expectTakeover(t, second, dir, job.ID, first.Worker(), second.Worker())
			if len(asked) != 1 {
				t.Errorf("asked %d times whether only it is cut off", len(asked))
			}
			mend(t, proxy)
			until(t, "the first is back", func() bool { return first.WriteError() == nil && len(first.active.held()) == 0 })
			if d := get(t, second, job.ID); d.State != "completed" || len(d.Runs) != 2 {
				t.Errorf("the one that was cut off changed %+v", d)
			}
		})
	}
}

// While the database is away for all, attempts go on.
func TestAnOutageForAllEndsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url, proxy := proxied(t, dbtest.PostgresURL(t))
	fleet := fleetOf(t, single(dir))
	asked := make(chan struct{}, 1000)
	options := Options{DB: dbtest.OpenURL(t, url), Fleet: fleet, CutOff: func(context.Context) bool {
		select {
		case asked <- struct{}{}:
		default:
		}
		return false
	}}
	first := startWith(t, options)
	job := enqueue(t, first, "slow")
	until(t, "it runs", func() bool { return begins(dir) == 1 })
	second := startWith(t, options)
	proxy.Cut()
	until(t, "both worry for a while", func() bool { return len(asked) > 20 })
	mend(t, proxy)
	until(t, "both are back", func() bool { return first.WriteError() == nil && second.WriteError() == nil })
	touch(t, dir+"/gate")
	if d := untilState(t, second, job.ID, "completed"); len(d.Runs) != 1 || d.Runs[0].Outcome != "ok" {
		t.Errorf("runs %+v", d.Runs)
	}
}

// An agent may say that its attempts go on when their worker is cut off. What they bring does not count.
func TestAnAttemptThatMayGoOnCutOffChangesNothingLater(t *testing.T) {
	t.Parallel()
	dir, url := t.TempDir(), dbtest.PostgresURL(t)
	way, proxy := proxied(t, url)
	yaml := agents(sh("slow", `echo began >> `+dir+`/begins; while [ ! -e `+dir+`/gate ]; do sleep 0.1; done; echo ended >> `+dir+`/ends`, "cut_off: continue"))
	first := startWith(t, Options{DB: dbtest.OpenURL(t, way), Fleet: fleetOf(t, yaml)})
	job := enqueue(t, first, "slow")
	until(t, "it runs", func() bool { return begins(dir) == 1 })
	second := startWith(t, Options{DB: dbtest.OpenURL(t, url), Fleet: fleetOf(t, yaml)})
	proxy.Cut()
	until(t, "it runs elsewhere too", func() bool { return begins(dir) == 2 })
	touch(t, dir+"/gate")
	d := untilState(t, second, job.ID, "completed")
	until(t, "both came to their end", func() bool {
		text, err := os.ReadFile(dir + "/ends")
		return err == nil && strings.Count(string(text), "ended") == 2
	})
	mend(t, proxy)
	until(t, "the first is back", func() bool { return first.WriteError() == nil && len(first.active.held()) == 0 })
	if after := get(t, second, job.ID); after.State != "completed" || len(after.Runs) != 2 || after.Runs[0].ID != d.Runs[0].ID || after.Runs[1].Outcome != "lost" {
		t.Errorf("runs %+v", after.Runs)
	}
}
