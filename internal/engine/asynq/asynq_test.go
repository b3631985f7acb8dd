package asynq

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/asynq/asynqtest"
	"github.com/agentos/agentos/internal/engine/enginetest"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/test/servers"
)

// A fleet is a real asynq with tasks in every state.
type fleet struct {
	*asynqtest.Fleet
	tasks   map[string]map[engine.State][]engine.ID
	workers []string
}

func startFleet(t *testing.T) *fleet {
	t.Helper()
	return &fleet{Fleet: asynqtest.Start(t, 12, "alpha", "beta/two"), tasks: map[string]map[engine.State][]engine.ID{}}
}

func (f *fleet) do(command string, args ...string) error {
	return redisDo(f.Redis, append([]string{command}, args...)...)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// add enqueues a task and notes in which state it will be.
func (f *fleet) add(t *testing.T, state engine.State, queue, kind string, options ...asynq.Option) string {
	t.Helper()
	info, err := f.Client.Enqueue(asynqtest.Task(kind), append(options, asynq.Queue(queue))...)
	must(t, err)
	if f.tasks[queue] == nil {
		f.tasks[queue] = map[engine.State][]engine.ID{}
	}
	if state != "" {
		f.tasks[queue][state] = append(f.tasks[queue][state], join(queue, info.ID))
	}
	return info.ID
}

// fill puts tasks in every state there, and waits until asynq says so.
func (f *fleet) fill(t *testing.T) {
	due := time.Now().Add(time.Hour).Truncate(time.Second)
	for i := range 320 {
		f.add(t, engine.Waiting, "bulk", "import")
		f.add(t, engine.Scheduled, "bulk", "report", asynq.ProcessAt(due.Add(time.Duration(i/300)*time.Second)))
	}
	for i := range 12 {
		f.add(t, engine.Parked, "bulk", "grouped", asynq.Group(fmt.Sprintf("customer-%d", i%3)))
		f.add(t, engine.Waiting, "still", "import")
	}
	for range 11 {
		for _, queue := range []string{"alpha", "beta/two"} {
			f.add(t, engine.Retryable, queue, "fail", asynq.MaxRetry(3))
			f.add(t, engine.Discarded, queue, "fail", asynq.MaxRetry(0))
			f.add(t, engine.Completed, queue, "result", asynq.Retention(time.Hour))
		}
	}
	f.add(t, "", "alpha", "done")
	f.await(t, "alpha", func(q *asynq.QueueInfo) bool { return q.Processed == 34 })
	f.await(t, "beta/two", func(q *asynq.QueueInfo) bool { return q.Processed == 33 })
	for range 8 {
		f.add(t, engine.Running, "alpha", "block")
		f.add(t, engine.Running, "beta/two", "block")
	}
	must(t, f.Inspector.PauseQueue("still"))
	f.awaitServers(t, 2, 16)
}

func (f *fleet) await(t *testing.T, queue string, enough func(*asynq.QueueInfo) bool) {
	t.Helper()
	eventually(t, "queue "+queue, func() bool {
		info, err := f.Inspector.GetQueueInfo(queue)
		must(t, err)
		return enough(info)
	})
}

// awaitServers waits for the heartbeats that say what runs.
func (f *fleet) awaitServers(t *testing.T, servers, running int) {
	t.Helper()
	eventually(t, "servers", func() bool {
		all, err := f.Inspector.Servers()
		must(t, err)
		n := 0
		f.workers = nil
		for _, one := range all {
			n += len(one.ActiveWorkers)
			f.workers = append(f.workers, one.ID)
		}
		return len(all) == servers && n == running
	})
}

func eventually(t *testing.T, what string, enough func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); !enough(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// open connects as the user who may only read.
func (f *fleet) open(t *testing.T) engine.Engine {
	t.Helper()
	e, err := Open(t.Context(), "redis://reader:s3cret@"+f.Redis.Addr+"/0", redact.New(nil))
	must(t, err)
	t.Cleanup(e.Close)
	return e
}

// end lets one task of the first queue end.
func (f *fleet) end(t *testing.T, ok bool) string {
	t.Helper()
	before, err := f.Inspector.GetQueueInfo("alpha")
	must(t, err)
	kind := "fail"
	if ok {
		kind = "done"
	}
	f.add(t, "", "alpha", kind, asynq.MaxRetry(0))
	f.await(t, "alpha", func(q *asynq.QueueInfo) bool { return q.ProcessedTotal == before.ProcessedTotal+1 })
	return "alpha"
}

// unwritten looks for what Redis refused. The user may only read: what was not refused was a read. Connecting takes a PING, and a
// score is left out where it may not be read.
func (f *fleet) unwritten(t *testing.T) {
	log, err := f.Redis.Do("ACL", "LOG", "100")
	must(t, err)
	lines := strings.Fields(log)
	for i, line := range lines {
		if line == "object" && lines[i+1] != "ping" && lines[i+1] != "zscore" {
			t.Errorf("%s was refused", lines[i+1])
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	f.fill(t)
	enginetest.Run(t, enginetest.Case{
		Open: f.open, Queues: f.tasks, Paused: []string{"still"}, Workers: f.workers, End: f.end, Unwritten: f.unwritten,
	})
}

func TestFiguresAreThoseOfTheInspector(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	f.fill(t)
	e := f.open(t)
	s, err := e.Snapshot(t.Context(), engine.Budget{Queues: 100, Workers: 100, Running: 100})
	must(t, err)
	for _, q := range s.Queues {
		want, err := f.Inspector.GetQueueInfo(q.Name)
		must(t, err)
		got := [...]int64{
			q.Jobs[engine.Waiting].N, q.Jobs[engine.Running].N, q.Jobs[engine.Scheduled].N, q.Jobs[engine.Retryable].N, q.Jobs[engine.Discarded].N,
			q.Jobs[engine.Completed].N, q.Jobs[engine.Parked].N, q.Ended.OK.N + q.Ended.Failed.N, q.Ended.Failed.N,
			q.Ended.Today.OK.N + q.Ended.Today.Failed.N, q.Ended.Today.Failed.N,
		}
		if wanted := [...]int64{
			int64(want.Pending), int64(want.Active), int64(want.Scheduled), int64(want.Retry), int64(want.Archived),
			int64(want.Completed), int64(want.Aggregating), int64(want.ProcessedTotal), int64(want.FailedTotal),
			int64(want.Processed), int64(want.Failed),
		}; got != wanted {
			t.Errorf("queue %s has %d, the Inspector says %d", q.Name, got, wanted)
		}
		if latency := time.Duration(0); q.OldestAt != nil {
			latency = time.Since(*q.OldestAt)
			if off := latency - want.Latency; off < -time.Minute || off > time.Minute {
				t.Errorf("queue %s: the oldest waits for %v, the Inspector says %v", q.Name, latency, want.Latency)
			}
		} else if want.Latency != 0 {
			t.Errorf("queue %s: the oldest waits for %v, and it is not reported", q.Name, want.Latency)
		}
	}
	servers, err := f.Inspector.Servers()
	must(t, err)
	for _, want := range servers {
		i := slices.IndexFunc(s.Workers, func(w engine.Worker) bool { return w.ID == want.ID })
		if i < 0 {
			t.Fatalf("server %s is not reported", want.ID)
		}
		w := s.Workers[i]
		if w.Host != want.Host || *w.PID != want.PID || cmp.Or(w.EngineState, w.State) != want.Status || *w.Slots != want.Concurrency ||
			*w.Running != len(want.ActiveWorkers) || !w.StartedAt.Equal(want.Started) || len(w.Queues) != len(want.Queues) {
			t.Errorf("server %+v, the Inspector says %+v", w, want)
		}
		if age := time.Since(*w.BeatAt); age < -2*time.Second || age > time.Minute {
			t.Errorf("server %s beat %v ago", w.ID, age)
		}
	}
}

func TestTasksAreThoseOfTheInspector(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	f.fill(t)
	e := f.open(t)
	for queue, states := range f.tasks {
		for state := range states {
			page, err := e.List(t.Context(), engine.Filter{Queue: queue, States: []engine.State{state}, Limit: 3})
			must(t, err)
			for _, job := range page.Jobs {
				_, id, _ := split(job.ID)
				want, err := f.Inspector.GetTaskInfo(queue, id)
				must(t, err)
				d, err := e.Get(t.Context(), job.ID)
				must(t, err)
				if d.Agent != want.Type || cmp.Or(d.EngineState, string(d.State)) != want.State.String() || *d.MaxAttempts != want.MaxRetry+1 || result(d) != string(want.Result) {
					t.Errorf("task %s is %+v, the Inspector says %+v", job.ID, d, want)
				}
				if args := string(d.ArgsJSON); args != `{"customer": 17, "password": "[redacted]"}` && args != `{"customer":17,"password":"[redacted]"}` {
					t.Errorf("task %s has the arguments %s", job.ID, args)
				}
				if text, err := json.Marshal(d); err != nil || bytes.Contains(text, []byte(asynqtest.Secret)) {
					t.Errorf("task %s shows a secret: %s, %v", job.ID, text, err)
				}
				checkTimes(t, job, want)
			}
		}
	}
}

func result(d engine.Detail) string {
	if d.Result == nil {
		return ""
	}
	return *d.Result
}

// checkTimes compares the times that asynq records.
func checkTimes(t *testing.T, job engine.Job, want *asynq.TaskInfo) {
	t.Helper()
	switch job.State {
	case engine.Scheduled, engine.Retryable:
		if job.ScheduledAt == nil || !job.ScheduledAt.Equal(want.NextProcessAt) {
			t.Errorf("task %s is due at %v, the Inspector says %v", job.ID, job.ScheduledAt, want.NextProcessAt)
		}
	case engine.Completed:
		if job.FinalizedAt == nil || !job.FinalizedAt.Equal(want.CompletedAt) {
			t.Errorf("task %s ended at %v, the Inspector says %v", job.ID, job.FinalizedAt, want.CompletedAt)
		}
	case engine.Discarded:
		if job.FinalizedAt == nil || !job.FinalizedAt.Equal(want.LastFailedAt) || job.Error == nil {
			t.Errorf("task %s failed at %v with %v, the Inspector says %v", job.ID, job.FinalizedAt, job.Error, want.LastFailedAt)
		}
	case engine.Running:
		if job.AttemptedAt == nil || job.Worker == nil {
			t.Errorf("task %s runs since %v at %v", job.ID, job.AttemptedAt, job.Worker)
		}
	}
}

// One record that cannot be read is shown as such, and hides no other.
func TestABadRecordStopsNothing(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	for range 5 {
		f.add(t, engine.Waiting, "bulk", "import")
	}
	bad := f.tasks["bulk"][engine.Waiting][2]
	_, id, _ := split(bad)
	must(t, f.do("HSET", key("bulk", "t:"+id), "msg", "\xff\xff no message"))
	must(t, f.do("SET", key("bulk", "processed"), "many"))
	must(t, f.do("ZADD", allServers, "99999999999", "asynq:servers:{nobody}"))
	must(t, f.do("SET", "asynq:servers:{nobody}", "\xff\xff no server"))

	e := f.open(t)
	page, err := e.List(t.Context(), engine.Filter{States: []engine.State{engine.Waiting}, Limit: 10})
	must(t, err)
	if len(page.Jobs) != 5 {
		t.Fatalf("%d tasks are listed of 5", len(page.Jobs))
	}
	for _, job := range page.Jobs {
		if (job.ID == bad) != (job.Error != nil) || (job.ID == bad) != (job.Agent == "") {
			t.Errorf("task %+v; the bad one is %s", job, bad)
		}
	}
	if d, err := e.Get(t.Context(), bad); err != nil || d.Error == nil {
		t.Errorf("the bad one alone: %+v, %v", d, err)
	}
	s, err := e.Snapshot(t.Context(), engine.Budget{Queues: 10, Workers: 10, Running: 10})
	must(t, err)
	if i := slices.IndexFunc(s.Queues, func(q engine.QueueCounts) bool { return q.Name == "bulk" }); s.Queues[i].Jobs[engine.Waiting].N != 5 ||
		s.Queues[i].Ended.OK.Known.HasValue() || s.Queues[i].Ended.OK.Why == "" {
		t.Errorf("the queue is %+v", s.Queues[i])
	}
	if len(s.Problems) != 1 {
		t.Errorf("problems: %q", s.Problems)
	}
}

// A list goes on where it stopped, though tasks with the same second come and go before it.
func TestAListGoesOnWhileTasksLeave(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	due := time.Now().Add(time.Hour).Truncate(time.Second)
	for range 60 {
		f.add(t, engine.Scheduled, "bulk", "report", asynq.ProcessAt(due))
		f.add(t, engine.Waiting, "bulk", "import")
	}
	e := f.open(t)
	for _, state := range []engine.State{engine.Scheduled, engine.Waiting} {
		filter := engine.Filter{States: []engine.State{state}, Limit: 20}
		first, err := e.List(t.Context(), filter)
		must(t, err)
		for _, job := range first.Jobs[:10] {
			_, id, _ := split(job.ID)
			must(t, f.Inspector.DeleteTask("bulk", id))
		}
		seen := map[engine.ID]bool{}
		for _, job := range first.Jobs {
			seen[job.ID] = true
		}
		for cursor := first.Next; cursor != nil; {
			filter.Cursor = *cursor
			page, err := e.List(t.Context(), filter)
			must(t, err)
			for _, job := range page.Jobs {
				if seen[job.ID] {
					t.Errorf("%s %s is listed twice", state, job.ID)
				}
				seen[job.ID] = true
			}
			cursor = page.Next
		}
		if len(seen) != 60 {
			t.Errorf("%d %s tasks were listed of 60", len(seen), state)
		}
	}
}

func TestWhatIsNoAsynqIsRefused(t *testing.T) {
	t.Parallel()
	redis := servers.StartRedis(t)
	e, err := Open(t.Context(), "redis://"+redis.Addr+"/3", redact.New(nil))
	must(t, err)
	t.Cleanup(e.Close)
	if _, err := e.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "/3") {
		t.Errorf("an empty database: %v", err)
	}
	must(t, redisDo(redis, "ACL", "SETUSER", "other", "on", ">hunter2", "+info", "~other:*"))
	e, err = Open(t.Context(), "redis://other:hunter2@"+redis.Addr, redact.New(nil))
	must(t, err)
	t.Cleanup(e.Close)
	if _, err := e.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "grants") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a user without grants: %v", err)
	}
	for _, url := range []string{"redis://other:hunter3@" + redis.Addr, "redis://:hunter2@127.0.0.1:1", "redis://u:hunter2@[::1"} {
		if _, err := Open(t.Context(), url, redact.New(nil)); err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A Redis on this machine may be reached by a socket alone.
func TestASocketIsAnAddress(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "redis.sock")
	redis := servers.StartRedis(t, servers.RedisArgs("--unixsocket", socket))
	must(t, redisDo(redis, "SADD", allQueues, "alpha"))
	e, err := Open(t.Context(), "redis+unix://"+socket+"?db=0", redact.New(nil))
	must(t, err)
	t.Cleanup(e.Close)
	info, err := e.Probe(t.Context())
	if want := "redis+unix://" + socket + "?db=0"; err != nil || info.Where != want || About(want).Where != want {
		t.Errorf("it is at %q, want %q: %v", info.Where, want, err)
	}
}

func redisDo(r *servers.Redis, args ...string) error {
	_, err := r.Do(args...)
	return err
}

// A snapshot asks the same number of questions whatever the number of tasks.
func TestASnapshotCostsTheSameAtAnySize(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	f.add(t, engine.Waiting, "bulk", "import")
	e := f.open(t)
	cost := func() int {
		must(t, f.do("CONFIG", "RESETSTAT"))
		_, err := e.Snapshot(t.Context(), engine.Budget{Queues: 10, Workers: 10, Running: 10})
		must(t, err)
		stats, err := f.Redis.Do("INFO", "commandstats")
		must(t, err)
		calls := 0
		for line := range strings.Lines(stats) {
			if name, rest, found := strings.Cut(line, ":calls="); found && readCommands[strings.TrimPrefix(name, "cmdstat_")] {
				number, _, _ := strings.Cut(rest, ",")
				n, err := strconv.Atoi(number)
				must(t, err)
				calls += n
			}
		}
		return calls
	}
	few := cost()
	_, id, _ := split(f.tasks["bulk"][engine.Waiting][0])
	for range 100 {
		must(t, f.do("LPUSH", append([]string{key("bulk", "pending")}, slices.Repeat([]string{id}, 1000)...)...))
	}
	if many := cost(); few == 0 || many != few {
		t.Errorf("%d commands for one task, %d for 100,001", few, many)
	}
	s, err := e.Snapshot(t.Context(), engine.Budget{Queues: 10, Workers: 10, Running: 10})
	must(t, err)
	if n := s.Queues[0].Jobs[engine.Waiting]; n.N != 100_001 {
		t.Errorf("%d tasks wait, want 100,001", n.N)
	}
}

// readCommands are those that only the adapter gives while servers of asynq are idle on other queues.
var readCommands = map[string]bool{"smembers": true, "llen": true, "zcard": true, "mget": true, "lrange": true, "hmget": true, "hvals": true}

// A page walks a bounded number of queues: where most are empty it may be short, and the next one goes on.
func TestAListOfManyEmptyQueuesGoesOn(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	f.add(t, engine.Waiting, "zulu", "import")
	for i := range maxWalked + 20 {
		must(t, f.do("SADD", allQueues, fmt.Sprintf("empty-%04d", i)))
	}
	e := f.open(t)
	pages := 0
	var found []engine.Job
	for cursor := new(engine.Cursor); cursor != nil; pages++ {
		page, err := e.List(t.Context(), engine.Filter{States: []engine.State{engine.Waiting}, Cursor: *cursor, Limit: 10})
		must(t, err)
		found, cursor = append(found, page.Jobs...), page.Next
	}
	if len(found) != 1 || found[0].Queue != "zulu" || pages != 2 {
		t.Errorf("%d pages have %+v", pages, found)
	}
}
