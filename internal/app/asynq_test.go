package app

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/asynq/asynqtest"
	"github.com/agentos/agentos/test/servers"
)

const waitingTasks = 100_000

// asynqFleet is a real asynq: two servers, and five queues with tasks in every state.
type asynqFleet struct{ *asynqtest.Fleet }

func startAsynq(t *testing.T) *asynqFleet {
	t.Helper()
	return &asynqFleet{asynqtest.Start(t, 40, "mail", "reports")}
}

func (f *asynqFleet) do(t *testing.T, args ...string) string {
	t.Helper()
	answer, err := f.Redis.Do(args...)
	must(t, err)
	return answer
}

func (f *asynqFleet) add(t *testing.T, queue, kind string, options ...asynq.Option) {
	t.Helper()
	_, err := f.Client.Enqueue(asynqtest.Task(kind), append(options, asynq.Queue(queue))...)
	must(t, err)
}

// addMany makes waiting tasks like the one that waits in a queue, inside Redis: asynq's client takes ten seconds for them.
const addMany = `local ids = redis.call('LRANGE', KEYS[1], 0, 0)
local message = redis.call('HGET', KEYS[2] .. ids[1], 'msg')
local at = string.find(message, ids[1], 1, true)
local head, tail = string.sub(message, 1, at - 1), string.sub(message, at + #ids[1])
for i = 1, tonumber(ARGV[1]) do
	local id = string.format('00000000-0000-0000-0000-%012d', i)
	redis.call('HSET', KEYS[2] .. id, 'msg', head .. id .. tail, 'state', 'pending', 'pending_since', ARGV[2])
	redis.call('LPUSH', KEYS[1], id)
end
return redis.call('LLEN', KEYS[1])`

// fill puts tasks into every state, and waits until asynq says so.
func (f *asynqFleet) fill(t *testing.T) {
	t.Helper()
	f.add(t, "import", "import")
	f.do(t, "EVAL", addMany, "2", "asynq:{import}:pending", "asynq:{import}:t:", fmt.Sprint(waitingTasks-1), fmt.Sprint(time.Now().UnixNano()))
	for range 40 {
		f.add(t, "later", "report", asynq.ProcessIn(time.Hour))
	}
	for range 3 {
		f.add(t, "still", "import")
	}
	must(t, f.Inspector.PauseQueue("still"))
	for _, queue := range []string{"mail", "reports"} {
		for range 6 {
			f.add(t, queue, "fail", asynq.MaxRetry(3))
			f.add(t, queue, "fail", asynq.MaxRetry(0))
			f.add(t, queue, "result", asynq.Retention(time.Hour))
		}
	}
	f.await(t, 36)
	for _, queue := range []string{"mail", "reports"} {
		for range 25 {
			f.add(t, queue, "block")
		}
	}
	eventually(t, func() error {
		all, err := f.Inspector.Servers()
		must(t, err)
		n := 0
		for _, one := range all {
			n += len(one.ActiveWorkers)
		}
		if len(all) != 2 || n != 50 {
			return fmt.Errorf("%d servers run %d tasks", len(all), n)
		}
		return nil
	})
}

// await waits until so many attempts have ended.
func (f *asynqFleet) await(t *testing.T, ended int) {
	t.Helper()
	eventually(t, func() error {
		n := 0
		for _, queue := range []string{"mail", "reports"} {
			info, err := f.Inspector.GetQueueInfo(queue)
			must(t, err)
			n += info.ProcessedTotal
		}
		if n != ended {
			return fmt.Errorf("%d attempts have ended, want %d", n, ended)
		}
		return nil
	})
}

func eventually(t *testing.T, enough func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var err error
	for end := time.After(time.Minute); ; {
		if err = enough(); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatal(err)
		}
	}
}

// served is a server of ours, with a token that reads.
type served struct {
	url, token string
}

// serve runs a server until the test ends.
func serve(t *testing.T, cfg *config.Config) *served {
	t.Helper()
	cfg.Data, cfg.Listen, cfg.Interval, cfg.LogLevel = t.TempDir(), "127.0.0.1:0", 500*time.Millisecond, "error"
	cfg.MaxStreams, cfg.AdminPassword, cfg.Drain = 10, "harbour lights 2026", time.Second
	database, err := db.Open(t.Context(), cfg.DatabaseURL(), nil)
	must(t, err)
	must(t, database.Migrate(t.Context()))
	accounts, err := auth.Open(t.Context(), database, auth.Options{})
	must(t, err)
	_, secret, err := accounts.CreateToken(t.Context(), auth.TokenParams{Name: "test", Role: auth.RoleAdmin, Service: true})
	must(t, err, database.Close())

	reader, writer := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := Serve(ctx, cfg, writer, io.Discard); err != nil {
			t.Errorf("serve: %v", err)
		}
		_ = writer.Close()
	})
	t.Cleanup(running.Wait)
	t.Cleanup(stop)
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		if _, at, found := strings.Cut(lines.Text(), "dashboard  "); found {
			running.Go(func() { _, _ = io.Copy(io.Discard, reader) })
			return &served{at, secret}
		}
	}
	t.Fatal("the server does not say where it is")
	return nil
}

// get returns the status and the body.
func (s *served) get(t *testing.T, path string) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+s.token)
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return response.StatusCode, text
}

func (s *served) read(t *testing.T, path string, into any) {
	t.Helper()
	status, text := s.get(t, path)
	if status != http.StatusOK {
		t.Fatalf("%s: status %d: %s", path, status, text)
	}
	if strings.Contains(string(text), asynqtest.Secret) {
		t.Errorf("%s shows a secret", path)
	}
	must(t, json.Unmarshal(text, into))
}

func (s *served) document(t *testing.T) *document.Document {
	t.Helper()
	eventually(t, func() error { // the first one may take a moment
		if status, text := s.get(t, "/api/admin/ssot"); status != http.StatusOK {
			return fmt.Errorf("status %d: %s", status, text)
		}
		return nil
	})
	d := &document.Document{}
	s.read(t, "/api/admin/ssot", d)
	return d
}

// monitor notes each command that clients give, by their address, until the test ends.
func (f *asynqFleet) monitor(t *testing.T) func() map[string][]string {
	t.Helper()
	conn, err := net.Dial("tcp", f.Redis.Addr)
	must(t, err)
	_, err = io.WriteString(conn, "MONITOR\r\n")
	must(t, err)
	var mu sync.Mutex
	byClient := map[string][]string{}
	var reading sync.WaitGroup
	form := regexp.MustCompile(`\[\d+ ([^\]]+)\] "([^"]+)"`)
	reading.Go(func() {
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			if m := form.FindStringSubmatch(lines.Text()); m != nil {
				mu.Lock()
				byClient[m[1]] = append(byClient[m[1]], strings.ToLower(m[2]))
				mu.Unlock()
			}
		}
	})
	t.Cleanup(reading.Wait)
	t.Cleanup(func() { must(t, conn.Close()) })
	return func() map[string][]string {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(byClient)
	}
}

var clientAddress = regexp.MustCompile(`(?m)\baddr=(\S+).* user=reader\b`)

// reads are the commands that change nothing.
var reads = strings.Fields("hello auth select info smembers llen lrange zcard zrange zrangebyscore zcount get mget exists hmget hgetall hvals ttl zscore ping client")

// An asynq of 100,000 waiting tasks is shown as its own Inspector shows it, by a user who may only read.
func TestAsynqIsShownAsItsInspectorShowsIt(t *testing.T) {
	f := startAsynq(t)
	f.fill(t)
	commands := f.monitor(t)
	s := serve(t, &config.Config{Attach: "redis://reader:s3cret@" + f.Redis.Addr + "/0"})
	var d *document.Document
	eventually(t, func() error {
		d = s.document(t)
		if d.Analytics == nil || d.Dashboard.Queue == nil || d.Dashboard.Workers == nil || d.Dashboard.Jobs == nil || d.AgentsWorkers.Agents == nil {
			return errors.New("not all sections are collected")
		}
		return nil
	})
	f.checkQueues(t, d)
	f.checkWorkers(t, d)
	f.checkJobs(t, d)
	checkWhatIsMissing(t, d)
	f.checkAPI(t, s)
	f.checkAnalytics(t, s)
	checkObservability(t, s)

	ours := clientAddress.FindAllStringSubmatch(f.do(t, "CLIENT", "LIST"), -1)
	if len(ours) == 0 {
		t.Fatal("no client of ours is connected")
	}
	seen := commands()
	for _, client := range ours {
		given := slices.Compact(slices.Sorted(slices.Values(seen[client[1]])))
		if !slices.Contains(given, "llen") {
			t.Errorf("client %s gave only %v", client[1], given)
		}
		for _, command := range given {
			if !slices.Contains(reads, command) {
				t.Errorf("%s was given, which is no read", command)
			}
		}
	}
	refused := strings.Split(f.do(t, "ACL", "LOG", "100"), "\n")
	for i, line := range refused {
		if line == "object" && refused[i+1] != "ping" && refused[i+1] != "zscore" {
			t.Errorf("%s was refused", refused[i+1])
		}
	}
}

func (f *asynqFleet) checkQueues(t *testing.T, d *document.Document) {
	t.Helper()
	queue := d.Dashboard.Queue
	names, err := f.Inspector.Queues()
	must(t, err)
	var pending, running, scheduled, retryable int64
	paused := 0
	for _, name := range names {
		want, err := f.Inspector.GetQueueInfo(name)
		must(t, err)
		got, listed := queue.Items[name]
		if !listed {
			t.Errorf("queue %s is not listed", name)
			continue
		}
		for what, figures := range map[string][2]int64{
			"waiting": {figure0(got.Pending), int64(want.Pending)}, "running": {figure0(got.Processing), int64(want.Active)},
			"scheduled": {figure0(got.Scheduled), int64(want.Scheduled)}, "to be retried": {figure0(got.Retryable), int64(want.Retry)}, "grouped": {figure0(got.Parked), int64(want.Aggregating)},
		} {
			if figures[0] != figures[1] {
				t.Errorf("queue %s: %d tasks %s, the Inspector says %d", name, figures[0], what, figures[1])
			}
		}
		if (got.PausedAt != "") != want.Paused || got.Inexact != nil || got.Slots != nil || got.Agents != nil {
			t.Errorf("queue %s is %+v", name, got)
		}
		if since, known := got.OldestAt.At(); known != (want.Pending > 0) || known && (time.Since(since)-want.Latency).Abs() > time.Minute {
			t.Errorf("queue %s: the oldest waits since %v, the Inspector says for %v", name, got.OldestAt, want.Latency)
		}
		pending, running, scheduled, retryable = pending+int64(want.Pending), running+int64(want.Active), scheduled+int64(want.Scheduled), retryable+int64(want.Retry)
		if want.Paused {
			paused++
		}
	}
	got := []int64{figure0(queue.Pending), figure0(queue.Processing), figure0(queue.Scheduled), figure0(queue.Retryable), int64(queue.Paused), int64(queue.Total)}
	if want := []int64{pending, running, scheduled, retryable, int64(paused), int64(len(names))}; !slices.Equal(got, want) || pending != waitingTasks+3 || running != 50 || len(queue.Inexact) > 0 {
		t.Errorf("the queues sum up to %v, want %v; %v", got, want, queue.Inexact)
	}
}

// figure0 is a figure that has to be known.
func figure0(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}

func (f *asynqFleet) checkWorkers(t *testing.T, d *document.Document) {
	t.Helper()
	workers := d.Dashboard.Workers
	all, err := f.Inspector.Servers()
	must(t, err)
	if workers.Total != 2 || workers.Active != 2 || workers.Busy == nil || *workers.Busy != 50 || workers.Slots == nil || *workers.Slots != 80 {
		t.Errorf("the workers are %+v", workers)
	}
	for _, want := range all {
		got := workers.Items[want.ID]
		if got.Host != want.Host || got.PID == nil || *got.PID != want.PID || got.State != document.WorkerActive || got.Slots == nil || *got.Slots != want.Concurrency ||
			got.Running == nil || *got.Running != len(want.ActiveWorkers) || got.StartedAt == nil || !got.StartedAt.Equal(want.Started.Truncate(time.Second)) && !got.StartedAt.Equal(want.Started) ||
			!slices.Equal(got.Queues, slices.Collect(maps.Keys(want.Queues))) || got.Done != nil || got.Version != "" {
			t.Errorf("server %+v, the Inspector says %+v", got, want)
		}
	}
}

func (f *asynqFleet) checkJobs(t *testing.T, d *document.Document) {
	t.Helper()
	jobs := d.Dashboard.Jobs
	var ended, failed int64
	for _, queue := range []string{"mail", "reports"} {
		info, err := f.Inspector.GetQueueInfo(queue)
		must(t, err)
		ended, failed = ended+int64(info.Processed), failed+int64(info.Failed)
	}
	if figure0(jobs.CompletedToday) != ended-failed || figure0(jobs.FailedToday) != failed || jobs.DayZone != "UTC" {
		t.Errorf("today %d ended well and %d failed in %s; the Inspector says %d and %d", figure0(jobs.CompletedToday), figure0(jobs.FailedToday), jobs.DayZone, ended-failed, failed)
	}
	if jobs.TotalToday != nil || jobs.CancelledToday != nil || jobs.GaveUpToday != nil || len(jobs.Newest) != 0 {
		t.Errorf("what asynq does not record is shown: %+v", jobs)
	}
	if len(jobs.Running) == 0 || len(jobs.Failures) == 0 {
		t.Errorf("%d tasks run, %d failed", len(jobs.Running), len(jobs.Failures))
	}
	for id, job := range jobs.Running {
		queue, name, _ := strings.Cut(id, "/")
		want, err := f.Inspector.GetTaskInfo(queue, name)
		must(t, err)
		if _, known := job.StartedAt.At(); job.Agent != want.Type || job.Queue != want.Queue || job.EngineState != "active" || !known || job.RunID != nil || job.Priority != nil || job.CreatedAt != "" {
			t.Errorf("running %+v, the Inspector says %+v", job, want)
		}
	}
	for _, failure := range jobs.Failures {
		queue, name, _ := strings.Cut(failure.JobID, "/")
		want, err := f.Inspector.GetTaskInfo(queue, name)
		must(t, err)
		if failure.Agent != want.Type || !strings.HasPrefix(failure.Error, "no connection to password=") || failure.Similar24h < 12 || !failure.SimilarCapped || failure.RunMS != nil {
			t.Errorf("failure %+v, the Inspector says %+v", failure, want)
		}
	}
}

// checkWhatIsMissing looks at what asynq does not record: it is null, and said.
func checkWhatIsMissing(t *testing.T, d *document.Document) {
	t.Helper()
	e := d.Dashboard.System.Engine
	if e.Name != "asynq" || e.Version != nil {
		t.Errorf("the engine is %s %v", e.Name, e.Version)
	}
	for _, what := range []document.Capability{
		document.CapabilityEnqueuedAt, document.CapabilityDurations, document.CapabilityKinds, document.CapabilityAttempts, document.CapabilityLogs, document.CapabilityProgress,
		document.CapabilityUsage, document.CapabilityPriorities, document.CapabilityVersions, document.CapabilityWorkerTotals, document.CapabilityCancelled,
		document.CapabilityListAll, document.CapabilityListByKind, document.CapabilitySearch,
	} {
		if missing := e.Missing[what]; missing.Answer != document.AnswerNo || missing.Why == "" {
			t.Errorf("%s: %+v", what, missing)
		}
	}
	if e.Missing[document.CapabilityFinished].Answer != document.AnswerNeedsSetting {
		t.Errorf("finished tasks: %+v", e.Missing[document.CapabilityFinished])
	}
	agents := d.AgentsWorkers.Agents
	if agents.TotalAgents != nil || agents.ActiveAgents != nil || agents.PausedAgents != nil || len(agents.Items) != 0 {
		t.Errorf("the agents are %+v", agents)
	}
	for name, w := range map[string]document.Window{"hour": d.Analytics.Hour, "day": d.Analytics.Day} {
		if w.Cancelled != nil || w.Usage != nil || w.Run != (document.Percentiles{}) || w.Wait != (document.Percentiles{}) {
			t.Errorf("what asynq does not record is in the %s: %+v", name, w)
		}
	}
	if a := d.Dashboard.System.Attached; a == nil || strings.Contains(a.Database, "s3cret") || a.Kinds != nil || a.Error != nil || len(a.Missing) != 0 {
		t.Errorf("attached: %+v", a)
	}
	if health := d.Component("attached"); health.Status != document.ComponentOK {
		t.Errorf("the component is %+v", health)
	}
}

// states are ours, with what the Inspector lists of asynq's.
func (f *asynqFleet) states() map[string]func(queue string, opts ...asynq.ListOption) ([]*asynq.TaskInfo, error) {
	return map[string]func(queue string, opts ...asynq.ListOption) ([]*asynq.TaskInfo, error){
		"available": f.Inspector.ListPendingTasks, "running": f.Inspector.ListActiveTasks, "scheduled": f.Inspector.ListScheduledTasks,
		"retryable": f.Inspector.ListRetryTasks, "discarded": f.Inspector.ListArchivedTasks, "completed": f.Inspector.ListCompletedTasks,
	}
}

func (f *asynqFleet) checkAPI(t *testing.T, s *served) {
	t.Helper()
	for state, list := range f.states() {
		for _, queue := range []string{"import", "mail", "reports", "later", "still"} {
			var page engine.Page
			s.read(t, "/api/jobs?limit=50&state="+state+"&queue="+queue, &page)
			all, err := list(queue, asynq.PageSize(50))
			must(t, err)
			var got, want []string
			for _, job := range page.Jobs {
				got = append(got, string(job.ID))
			}
			for _, task := range all {
				want = append(want, queue+"/"+task.ID)
			}
			if state != "available" { // those are in the order in which they start, which is the Inspector's
				slices.Sort(got)
				slices.Sort(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s in %s: %d tasks %.200q, the Inspector lists %d %.200q", state, queue, len(got), got, len(want), want)
			}
			for _, task := range all[:min(len(all), 2)] {
				f.checkTask(t, s, queue, task)
			}
		}
	}
	for path, why := range map[string]string{
		"/api/jobs": "choose a state", "/api/jobs?state=available&agent=import": "task types", "/api/jobs?state=available&q=17": "no index of what is in a task",
		"/api/jobs?state=available&since=2026-01-01T00:00:00Z": "no index of times",
	} {
		if status, text := s.get(t, path); status != http.StatusUnprocessableEntity || !strings.Contains(string(text), why) {
			t.Errorf("%s: status %d: %s", path, status, text)
		}
	}
	if status, _ := s.get(t, "/api/jobs/mail%2Fnone"); status != http.StatusNotFound {
		t.Errorf("a task that is not there: status %d", status)
	}
}

func (f *asynqFleet) checkTask(t *testing.T, s *served, queue string, want *asynq.TaskInfo) {
	t.Helper()
	var got engine.Detail
	s.read(t, "/api/jobs/"+url.PathEscape(queue+"/"+want.ID), &got)
	if got.Agent != want.Type || got.Queue != queue || cmp.Or(got.EngineState, string(got.State)) != want.State.String() || got.MaxAttempts == nil || *got.MaxAttempts != want.MaxRetry+1 || len(got.Runs) != 0 || got.Priority != nil {
		t.Errorf("task %s is %+v, the Inspector says %+v", want.ID, got, want)
	}
	if !strings.Contains(string(got.ArgsJSON), `"customer"`) || (want.LastErr != "") != (got.Error != nil) {
		t.Errorf("task %s has the arguments %s and the error %v, the Inspector says %q", want.ID, got.ArgsJSON, got.Error, want.LastErr)
	}
	if len(want.Result) > 0 && (got.Result == nil || *got.Result != string(want.Result)) {
		t.Errorf("task %s has the result %v, the Inspector says %s", want.ID, got.Result, want.Result)
	}
}

// checkAnalytics lets tasks end: they are in the sums, exactly.
func (f *asynqFleet) checkAnalytics(t *testing.T, s *served) {
	t.Helper()
	for range 7 {
		f.add(t, "mail", "done")
	}
	f.add(t, "mail", "fail", asynq.MaxRetry(0))
	f.await(t, 36+8)
	var d *document.Document
	eventually(t, func() error {
		d = s.document(t)
		if hour := d.Analytics.Hour; hour.OK != 7 || hour.Failed != 1 {
			return fmt.Errorf("in the last hour %d ended well and %d failed, want 7 and 1", hour.OK, hour.Failed)
		}
		return nil
	})
	if rate := d.Analytics.SuccessRate; rate == nil || *rate != 87.5 {
		t.Errorf("%v %% ended well, want 87.5", rate)
	}
	var ok int64
	for _, n := range d.Analytics.Throughput.OK {
		if n != nil {
			ok += *n
		}
	}
	if ok != 7 || len(d.Analytics.Throughput.Cancelled) != 0 || len(d.Analytics.Throughput.P95MS) != 0 {
		t.Errorf("the throughput is %+v", d.Analytics.Throughput)
	}
}

// checkObservability looks at what the operator of the server reads.
func checkObservability(t *testing.T, s *served) {
	t.Helper()
	if status, _ := s.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("readyz: status %d", status)
	}
	_, text := s.get(t, "/metrics")
	for _, want := range []string{"agentos_attached_up 1", fmt.Sprintf("agentos_queue_pending %d", waitingTasks+3), `agentos_agent_attempts_last_hour{agent="(other)",outcome="ok"} 7`} {
		if !strings.Contains(string(text), want+"\n") {
			t.Errorf("the metrics have no %s", want)
		}
	}
	for _, none := range []string{"agentos_agents{", `outcome="cancelled"`, "agentos_attached_history_ratio"} {
		if strings.Contains(string(text), none) {
			t.Errorf("the metrics have %s, which is not known", none)
		}
	}
}

// A server starts while the attached Redis is away, says so, and shows it when it is there.
func TestServerStartsWithoutTheAttachedRedis(t *testing.T) {
	redis := servers.StartRedis(t)
	redis.Stop()
	s := serve(t, &config.Config{Attach: redis.URL()})
	eventually(t, func() error {
		d := s.document(t)
		if health := d.Component("attached"); health.Status != document.ComponentDown {
			return fmt.Errorf("the component is %+v", health)
		}
		if d.Dashboard.System.Engine.Name != "asynq" || d.Dashboard.Queue != nil {
			return fmt.Errorf("the engine is %+v", d.Dashboard.System.Engine)
		}
		return nil
	})
	must(t, redis.Start())
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: redis.Addr})
	t.Cleanup(func() { must(t, client.Close()) })
	_, err := client.Enqueue(asynq.NewTask("import", nil))
	must(t, err)
	eventually(t, func() error {
		d := s.document(t)
		if health := d.Component("attached"); health.Status != document.ComponentOK || d.Dashboard.Queue == nil || figure0(d.Dashboard.Queue.Pending) != 1 {
			return fmt.Errorf("the component is %+v, the queues are %+v", health, d.Dashboard.Queue)
		}
		return nil
	})
	redis.Stop()
	eventually(t, func() error {
		d := s.document(t)
		if health := d.Component("attached"); health.Status != document.ComponentDown {
			return fmt.Errorf("the component is %+v", health)
		}
		if meta := d.Meta.Sections["queue"]; figure0(d.Dashboard.Queue.Pending) != 1 || meta.Error == nil {
			return fmt.Errorf("the last good data is %+v, the section says %+v", d.Dashboard.Queue, meta)
		}
		return nil
	})
}
