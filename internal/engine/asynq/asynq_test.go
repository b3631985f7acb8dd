package asynq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/agentos/agentos/internal/engine/adapter"
	"github.com/agentos/agentos/internal/engine/enginetest"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/test/servers"
)

// readOnly are the grants of the package's comment.
const readOnly = "%R~asynq:* -@all +select +info +smembers +llen +lrange +zcard +zrange +zrangebyscore +zcount +get +mget +exists +hmget +hgetall +hvals +ttl"

// A fleet is a real asynq with tasks in every state.
type fleet struct {
	redis     *servers.Redis
	client    *asynq.Client
	inspector *asynq.Inspector
	tasks     map[string]map[adapter.State][]adapter.ID
	workers   []string
}

func startFleet(t *testing.T) *fleet {
	f := &fleet{redis: servers.StartRedis(t), tasks: map[string]map[adapter.State][]adapter.ID{}}
	to := asynq.RedisClientOpt{Addr: f.redis.Addr}
	f.client, f.inspector = asynq.NewClient(to), asynq.NewInspector(to)
	t.Cleanup(func() { _ = f.inspector.Close() })
	t.Cleanup(func() { _ = f.client.Close() })
	must(t, f.do("ACL", append([]string{"SETUSER", "reader", "reset", "on", ">secret"}, strings.Fields(readOnly)...)...))
	release := make(chan struct{})
	for _, queue := range []string{"alpha", "beta/two"} {
		f.serve(t, to, queue, release)
	}
	t.Cleanup(func() { close(release) }) // before the servers are shut down
	return f
}

func (f *fleet) do(command string, args ...string) error {
	return redisDo(f.redis, append([]string{command}, args...)...)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve starts a server of asynq whose tasks do what their type says.
func (f *fleet) serve(t *testing.T, to asynq.RedisClientOpt, queue string, release chan struct{}) {
	server := asynq.NewServer(to, asynq.Config{
		Concurrency: 12, Queues: map[string]int{queue: 1}, LogLevel: asynq.FatalLevel, ShutdownTimeout: 5 * time.Second,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Hour },
	})
	must(t, server.Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		switch task.Type() {
		case "block":
			select {
			case <-release:
			case <-ctx.Done():
			}
		case "fail":
			return errors.New("no connection to password=hunter2 host")
		case "result":
			_, err := io.WriteString(task.ResultWriter(), `{"rows": 12}`)
			return err
		}
		return nil
	})))
	t.Cleanup(server.Shutdown)
}

// add enqueues a task and notes in which state it will be.
func (f *fleet) add(t *testing.T, state adapter.State, queue, kind string, options ...asynq.Option) string {
	t.Helper()
	task := asynq.NewTask(kind, []byte(`{"customer": 17, "password": "hunter2"}`))
	info, err := f.client.Enqueue(task, append(options, asynq.Queue(queue))...)
	must(t, err)
	if f.tasks[queue] == nil {
		f.tasks[queue] = map[adapter.State][]adapter.ID{}
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
		f.add(t, adapter.Waiting, "bulk", "import")
		f.add(t, adapter.Scheduled, "bulk", "report", asynq.ProcessAt(due.Add(time.Duration(i/300)*time.Second)))
	}
	for i := range 12 {
		f.add(t, adapter.Parked, "bulk", "grouped", asynq.Group(fmt.Sprintf("customer-%d", i%3)))
		f.add(t, adapter.Waiting, "still", "import")
	}
	for range 11 {
		for _, queue := range []string{"alpha", "beta/two"} {
			f.add(t, adapter.Retryable, queue, "fail", asynq.MaxRetry(3))
			f.add(t, adapter.Discarded, queue, "fail", asynq.MaxRetry(0))
			f.add(t, adapter.Completed, queue, "result", asynq.Retention(time.Hour))
		}
	}
	f.add(t, "", "alpha", "done")
	f.await(t, "alpha", func(q *asynq.QueueInfo) bool { return q.Processed == 34 })
	f.await(t, "beta/two", func(q *asynq.QueueInfo) bool { return q.Processed == 33 })
	for range 8 {
		f.add(t, adapter.Running, "alpha", "block")
		f.add(t, adapter.Running, "beta/two", "block")
	}
	must(t, f.inspector.PauseQueue("still"))
	f.awaitServers(t, 2, 16)
}

func (f *fleet) await(t *testing.T, queue string, enough func(*asynq.QueueInfo) bool) {
	t.Helper()
	eventually(t, "queue "+queue, func() bool {
		info, err := f.inspector.GetQueueInfo(queue)
		must(t, err)
		return enough(info)
	})
}

// awaitServers waits for the heartbeats that tell what runs.
func (f *fleet) awaitServers(t *testing.T, servers, running int) {
	t.Helper()
	eventually(t, "servers", func() bool {
		all, err := f.inspector.Servers()
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
func (f *fleet) open(t *testing.T) adapter.Engine {
	t.Helper()
	e, err := Open(t.Context(), "redis://reader:secret@"+f.redis.Addr+"/0", redact.New(nil))
	must(t, err)
	t.Cleanup(e.Close)
	return e
}

// end lets one task of the first queue end.
func (f *fleet) end(t *testing.T, ok bool) string {
	t.Helper()
	before, err := f.inspector.GetQueueInfo("alpha")
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
	log, err := f.redis.Do("ACL", "LOG", "100")
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
	s, err := e.Snapshot(t.Context(), adapter.Budget{Queues: 100, Workers: 100, Running: 100})
	must(t, err)
	for _, q := range s.Queues {
		want, err := f.inspector.GetQueueInfo(q.Name)
		must(t, err)
		got := [...]int64{
			q.Jobs[adapter.Waiting].N, q.Jobs[adapter.Running].N, q.Jobs[adapter.Scheduled].N, q.Jobs[adapter.Retryable].N, q.Jobs[adapter.Discarded].N,
			q.Jobs[adapter.Completed].N, q.Jobs[adapter.Parked].N, q.Ended.OK.N + q.Ended.Failed.N, q.Ended.Failed.N,
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
	servers, err := f.inspector.Servers()
	must(t, err)
	for _, want := range servers {
		i := slices.IndexFunc(s.Workers, func(w adapter.Worker) bool { return w.ID == want.ID })
		if i < 0 {
			t.Fatalf("server %s is not reported", want.ID)
		}
		w := s.Workers[i]
		if w.Host != want.Host || w.PID != want.PID || w.OwnState != want.Status || w.Slots.N != int64(want.Concurrency) ||
			w.Running.N != int64(len(want.ActiveWorkers)) || !w.StartedAt.Equal(want.Started) || len(w.Queues) != len(want.Queues) {
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
			page, err := e.List(t.Context(), adapter.Filter{Queue: queue, State: state}, "", 3)
			must(t, err)
			for _, job := range page.Jobs {
				_, id, _ := split(job.ID)
				want, err := f.inspector.GetTaskInfo(queue, id)
				must(t, err)
				d, err := e.Get(t.Context(), job.ID)
				must(t, err)
				if d.Kind != want.Type || d.OwnState != want.State.String() || d.MaxAttempts.N != int64(want.MaxRetry)+1 || d.Result.Text != string(want.Result) {
					t.Errorf("task %s is %+v, the Inspector says %+v", job.ID, d, want)
				}
				if d.ArgsText.Text != `{"customer": 17, "password": "[redacted]"}` && d.ArgsText.Text != `{"customer":17,"password":"[redacted]"}` {
					t.Errorf("task %s has the arguments %s", job.ID, d.ArgsText.Text)
				}
				if strings.Contains(fmt.Sprintf("%+v", d), "hunter2") {
					t.Errorf("task %s shows a secret: %+v", job.ID, d)
				}
				checkTimes(t, job, want)
			}
		}
	}
}

// checkTimes compares the times that asynq records.
func checkTimes(t *testing.T, job adapter.Job, want *asynq.TaskInfo) {
	t.Helper()
	switch job.State {
	case adapter.Scheduled, adapter.Retryable:
		if job.DueAt == nil || !job.DueAt.Equal(want.NextProcessAt) {
			t.Errorf("task %s is due at %v, the Inspector says %v", job.ID, job.DueAt, want.NextProcessAt)
		}
	case adapter.Completed:
		if job.EndedAt == nil || !job.EndedAt.Equal(want.CompletedAt) {
			t.Errorf("task %s ended at %v, the Inspector says %v", job.ID, job.EndedAt, want.CompletedAt)
		}
	case adapter.Discarded:
		if job.EndedAt == nil || !job.EndedAt.Equal(want.LastFailedAt) || job.Error == "" {
			t.Errorf("task %s failed at %v with %q, the Inspector says %v", job.ID, job.EndedAt, job.Error, want.LastFailedAt)
		}
	case adapter.Running:
		if job.StartedAt == nil || job.Worker == "" {
			t.Errorf("task %s runs since %v at %q", job.ID, job.StartedAt, job.Worker)
		}
	}
}

// One record that cannot be read is shown as such, and hides no other.
func TestABadRecordStopsNothing(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	for range 5 {
		f.add(t, adapter.Waiting, "bulk", "import")
	}
	bad := f.tasks["bulk"][adapter.Waiting][2]
	_, id, _ := split(bad)
	must(t, f.do("HSET", key("bulk", "t:"+id), "msg", "\xff\xff no message"))
	must(t, f.do("SET", key("bulk", "processed"), "many"))
	must(t, f.do("ZADD", allServers, "99999999999", "asynq:servers:{nobody}"))
	must(t, f.do("SET", "asynq:servers:{nobody}", "\xff\xff no server"))

	e := f.open(t)
	page, err := e.List(t.Context(), adapter.Filter{State: adapter.Waiting}, "", 10)
	must(t, err)
	if len(page.Jobs) != 5 {
		t.Fatalf("%d tasks are listed of 5", len(page.Jobs))
	}
	for _, job := range page.Jobs {
		if (job.ID == bad) != (job.Error != "") || (job.ID == bad) != (job.Kind == "") {
			t.Errorf("task %+v; the bad one is %s", job, bad)
		}
	}
	if d, err := e.Get(t.Context(), bad); err != nil || d.Error == "" {
		t.Errorf("the bad one alone: %+v, %v", d, err)
	}
	s, err := e.Snapshot(t.Context(), adapter.Budget{Queues: 10, Workers: 10, Running: 10})
	must(t, err)
	if i := slices.IndexFunc(s.Queues, func(q adapter.Queue) bool { return q.Name == "bulk" }); s.Queues[i].Jobs[adapter.Waiting].N != 5 ||
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
		f.add(t, adapter.Scheduled, "bulk", "report", asynq.ProcessAt(due))
		f.add(t, adapter.Waiting, "bulk", "import")
	}
	e := f.open(t)
	for _, state := range []adapter.State{adapter.Scheduled, adapter.Waiting} {
		filter := adapter.Filter{State: state}
		first, err := e.List(t.Context(), filter, "", 20)
		must(t, err)
		for _, job := range first.Jobs[:10] {
			_, id, _ := split(job.ID)
			must(t, f.inspector.DeleteTask("bulk", id))
		}
		seen := map[adapter.ID]bool{}
		for _, job := range first.Jobs {
			seen[job.ID] = true
		}
		for cursor := first.Next; cursor != ""; {
			page, err := e.List(t.Context(), filter, cursor, 20)
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

func redisDo(r *servers.Redis, args ...string) error {
	_, err := r.Do(args...)
	return err
}

// A snapshot asks the same number of questions whatever the number of tasks.
func TestASnapshotCostsTheSameAtAnySize(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	f.add(t, adapter.Waiting, "bulk", "import")
	e := f.open(t)
	cost := func() int {
		must(t, f.do("CONFIG", "RESETSTAT"))
		_, err := e.Snapshot(t.Context(), adapter.Budget{Queues: 10, Workers: 10, Running: 10})
		must(t, err)
		stats, err := f.redis.Do("INFO", "commandstats")
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
	_, id, _ := split(f.tasks["bulk"][adapter.Waiting][0])
	for range 100 {
		must(t, f.do("LPUSH", append([]string{key("bulk", "pending")}, slices.Repeat([]string{id}, 1000)...)...))
	}
	if many := cost(); few == 0 || many != few {
		t.Errorf("%d commands for one task, %d for 100,001", few, many)
	}
	s, err := e.Snapshot(t.Context(), adapter.Budget{Queues: 10, Workers: 10, Running: 10})
	must(t, err)
	if n := s.Queues[0].Jobs[adapter.Waiting]; n.N != 100_001 {
		t.Errorf("%d tasks wait, want 100,001", n.N)
	}
}

// readCommands are those that only the adapter gives while servers of asynq are idle on other queues.
var readCommands = map[string]bool{"smembers": true, "llen": true, "zcard": true, "mget": true, "lrange": true, "hmget": true, "hvals": true}

// A page walks a bounded number of queues: where most are empty it may be short, and the next one goes on.
func TestAListOfManyEmptyQueuesGoesOn(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	f.add(t, adapter.Waiting, "zulu", "import")
	for i := range maxWalked + 20 {
		must(t, f.do("SADD", allQueues, fmt.Sprintf("empty-%04d", i)))
	}
	e := f.open(t)
	pages := 0
	var found []adapter.Job
	for cursor := adapter.Cursor(""); pages == 0 || cursor != ""; pages++ {
		page, err := e.List(t.Context(), adapter.Filter{State: adapter.Waiting}, cursor, 10)
		must(t, err)
		found, cursor = append(found, page.Jobs...), page.Next
	}
	if len(found) != 1 || found[0].Queue != "zulu" || pages != 2 {
		t.Errorf("%d pages have %+v", pages, found)
	}
}
