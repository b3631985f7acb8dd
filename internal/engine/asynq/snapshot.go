package asynq

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/agentos/agentos/internal/engine"
)

const (
	maxProblems = 20
	maxGroups   = 1000 // groups of a queue whose tasks are counted
	maxNames    = 20   // queues that are listed of a worker
	maxEntries  = 200  // schedules that are listed
)

// Snapshot reads the counters of the queues, the servers and what they do.
func (e *Engine) Snapshot(ctx context.Context, budget engine.Budget) (engine.Snapshot, error) {
	s := engine.Snapshot{At: time.Now()}
	names, err := e.client.Do(ctx, e.client.B().Smembers().Key(allQueues).Build()).AsStrSlice()
	if err != nil {
		return s, e.explain("list the queues", err)
	}
	slices.Sort(names)
	if err := e.readQueues(ctx, &s, names, budget.Queues); err != nil {
		return s, err
	}
	if err := e.readServers(ctx, &s, budget); err != nil {
		return s, err
	}
	return s, e.readSchedules(ctx, &s)
}

// readQueues reads as many queues as the budget allows, beginning after those that were read last, and reports all that are known.
func (e *Engine) readQueues(ctx context.Context, s *engine.Snapshot, names []string, most int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	listed := names[:min(len(names), 10*most)]
	s.MoreQueue = int64(len(names) - len(listed))
	maps.DeleteFunc(e.queues, func(name string, _ engine.QueueCounts) bool {
		_, there := slices.BinarySearch(listed, name)
		return !there
	})

	turn := takeTurn(listed, e.turn, most)
	read, err := e.queuesNow(ctx, turn, s)
	if err != nil {
		return err
	}
	for _, name := range listed {
		before, known := e.queues[name]
		now, anew := read[name]
		switch {
		case anew:
			e.queues[name] = now
		case known:
			now = delayed(before)
		default:
			now = unread(name)
		}
		s.Queues = append(s.Queues, now)
	}
	if len(turn) > 0 {
		e.turn = turn[len(turn)-1]
	}
	return nil
}

// takeTurn returns n names, beginning after the one that was last, around the end.
func takeTurn(names []string, last string, n int) []string {
	if len(names) <= n {
		return names
	}
	begin, found := slices.BinarySearch(names, last)
	if found {
		begin++
	}
	turn := make([]string, n)
	for i := range turn {
		turn[i] = names[(begin+i)%len(names)]
	}
	return turn
}

func delayed(q engine.QueueCounts) engine.QueueCounts {
	q.Jobs = maps.Clone(q.Jobs)
	for state, count := range q.Jobs {
		if count.Known == engine.Exact {
			count.Known = engine.Delayed
			q.Jobs[state] = count
		}
	}
	return q
}

func unread(name string) engine.QueueCounts {
	q := engine.QueueCounts{Name: name, Jobs: map[engine.State]engine.Count{}}
	for _, part := range parts {
		q.Jobs[part.state] = engine.Unknown(engine.NotYet, "There are many queues: they are read in turns.")
	}
	q.Jobs[engine.Parked] = q.Jobs[engine.Waiting]
	return q
}

// part is one of asynq's lists of a queue, with the state of what is in it.
type part struct {
	name, own string
	state     engine.State
	list      bool // a list, else a sorted set
}

var parts = []part{
	{"active", "active", engine.Running, true},
	{"pending", "pending", engine.Waiting, true},
	{"retry", "retry", engine.Retryable, false},
	{"scheduled", "scheduled", engine.Scheduled, false},
	{"archived", "archived", engine.Discarded, false},
	{"completed", "completed", engine.Completed, false},
}

// perQueue is how many commands one queue takes.
const perQueue = 10

// queuesNow reads queues, at O(1) for each.
func (e *Engine) queuesNow(ctx context.Context, names []string, s *engine.Snapshot) (map[string]engine.QueueCounts, error) {
	b, day := e.client.B, s.At.UTC().Format(time.DateOnly)
	commands := make([]rueidis.Completed, 0, perQueue*len(names))
	for _, name := range names {
		for _, part := range parts {
			if part.list {
				commands = append(commands, b().Llen().Key(key(name, part.name)).Build())
			} else {
				commands = append(commands, b().Zcard().Key(key(name, part.name)).Build())
			}
		}
		commands = append(commands,
			b().Mget().Key(key(name, "processed"), key(name, "failed"), key(name, "processed:"+day), key(name, "failed:"+day)).Build(),
			b().Get().Key(key(name, "paused")).Build(),
			b().Lrange().Key(key(name, "pending")).Start(-1).Stop(-1).Build(),
			b().Exists().Key(key(name, "groups")).Build())
	}
	answers := e.do(ctx, commands)
	queues := make(map[string]engine.QueueCounts, len(names))
	oldest := map[string]string{} // the task that waits longest in each queue
	var grouped []string
	for i, name := range names {
		a := answers[i*perQueue : (i+1)*perQueue]
		q := engine.QueueCounts{Name: name, Jobs: map[engine.State]engine.Count{}}
		for j, part := range parts {
			n, err := a[j].AsInt64()
			if err != nil {
				return nil, e.explain(fmt.Sprintf("count the %s tasks of queue %q", part.own, name), err)
			}
			q.Jobs[part.state] = engine.Exactly(n, s.At)
		}
		if err := cmp.Or(a[6].Error(), a[8].Error(), a[9].Error()); err != nil {
			return nil, e.explain(fmt.Sprintf("read queue %q", name), err)
		}
		q.Ended = totals(a[6], s.At)
		if at, err := a[7].AsInt64(); err == nil {
			q.PausedAt = unix(at)
		}
		if ids, err := a[8].AsStrSlice(); err == nil && len(ids) == 1 {
			oldest[name] = ids[0]
		}
		q.Jobs[engine.Parked] = engine.Exactly(0, s.At)
		if n, err := a[9].AsInt64(); err == nil && n > 0 {
			grouped = append(grouped, name)
		}
		queues[name] = q
	}
	if err := e.readOldest(ctx, queues, oldest); err != nil {
		return nil, err
	}
	return queues, e.readGroups(ctx, queues, grouped, s)
}

// totals reads asynq's counters: of all attempts that ended, and of those that failed.
func totals(answer rueidis.RedisResult, at time.Time) engine.Totals {
	t := engine.Totals{Today: engine.Day{Start: at.UTC().Truncate(24 * time.Hour)}}
	n, err := numbers(answer)
	if err != nil {
		unknown := engine.Unknown(engine.Unrecorded, "asynq's counter is not a number.")
		t.OK, t.Failed, t.Today.OK, t.Today.Failed = unknown, unknown, unknown, unknown
		return t
	}
	t.OK, t.Failed = engine.Exactly(n[0]-n[1], at), engine.Exactly(n[1], at)
	t.Today.OK, t.Today.Failed = engine.Exactly(n[2]-n[3], at), engine.Exactly(n[3], at)
	return t
}

// numbers reads counters, which are not there before the first. One command reads them all, so that they agree.
func numbers(answer rueidis.RedisResult) ([]int64, error) {
	values, err := answer.ToArray()
	all := make([]int64, len(values))
	for i, value := range values {
		if value.IsNil() {
			continue
		}
		if all[i], err = value.AsInt64(); err != nil {
			break
		}
	}
	return all, err
}

// readOldest reads since when the next task of each queue waits.
func (e *Engine) readOldest(ctx context.Context, queues map[string]engine.QueueCounts, oldest map[string]string) error {
	names := slices.Sorted(maps.Keys(oldest))
	commands := make([]rueidis.Completed, len(names))
	for i, name := range names {
		commands[i] = e.client.B().Hmget().Key(key(name, "t:"+oldest[name])).Field("pending_since").Build()
	}
	for i, answer := range e.do(ctx, commands) {
		values, err := answer.ToArray()
		if err != nil {
			return e.explain("read since when a task waits", err)
		}
		q := queues[names[i]]
		q.OldestAt = nanos(values[0])
		queues[names[i]] = q
	}
	return nil
}

func nanos(value rueidis.RedisMessage) *time.Time {
	n, err := value.AsInt64()
	if err != nil || n <= 0 {
		return nil
	}
	at := time.Unix(0, n).UTC()
	return &at
}

// readGroups counts the tasks that wait for their group to be full.
func (e *Engine) readGroups(ctx context.Context, queues map[string]engine.QueueCounts, grouped []string, s *engine.Snapshot) error {
	for _, name := range grouped {
		groups, err := e.client.Do(ctx, e.client.B().Smembers().Key(key(name, "groups")).Build()).AsStrSlice()
		if err != nil {
			return e.explain("list the groups of a queue", err)
		}
		commands := make([]rueidis.Completed, min(len(groups), maxGroups))
		for i := range commands {
			commands[i] = e.client.B().Zcard().Key(key(name, "g:"+groups[i])).Build()
		}
		sum := int64(0)
		for _, answer := range e.do(ctx, commands) {
			n, err := answer.AsInt64()
			if err != nil {
				return e.explain("count the tasks of a group", err)
			}
			sum += n
		}
		count := engine.Exactly(sum, s.At)
		if len(groups) > maxGroups {
			count = engine.LowerBound(sum, s.At, fmt.Sprintf("There are %d groups; those of the first %d are counted.", len(groups), maxGroups))
		}
		queues[name].Jobs[engine.Parked] = count
	}
	return nil
}

// readServers reads the processes that are alive, and what they do.
func (e *Engine) readServers(ctx context.Context, s *engine.Snapshot, budget engine.Budget) error {
	alive, err := e.client.Do(ctx, e.client.B().Zrangebyscore().Key(allServers).Min(strconv.FormatInt(s.At.Unix(), 10)).Max("+inf").Withscores().Build()).AsZScores()
	if err != nil {
		return e.explain("list the servers", err)
	}
	more := max(0, len(alive)-budget.Workers)
	s.MoreWork = int64(more)
	alive = alive[:len(alive)-more]
	var commands []rueidis.Completed
	for _, one := range alive {
		commands = append(commands, e.client.B().Get().Key(one.Member).Build(),
			e.client.B().Hvals().Key(workersOf(one.Member)).Build())
	}
	answers := e.do(ctx, commands)
	for i, one := range alive {
		message, err := answers[2*i].AsBytes()
		if rueidis.IsRedisNil(err) {
			continue // it has just left
		}
		if err != nil {
			return e.explain("read a server", err)
		}
		srv, err := parseServer(message)
		if err != nil {
			problem(s, fmt.Sprintf("%s is not a server's entry of asynq.", one.Member))
			continue
		}
		s.Workers = append(s.Workers, worker(srv, int64(one.Score), s.At))
		doing, err := answers[2*i+1].AsStrSlice()
		if err != nil {
			return e.explain("read what a server does", err)
		}
		for _, message := range doing {
			w, err := parseWork([]byte(message))
			if err != nil {
				problem(s, fmt.Sprintf("An entry of %s is none of asynq.", one.Member))
				continue
			}
			s.Running = append(s.Running, e.running(w))
		}
	}
	slices.SortFunc(s.Workers, func(a, b engine.Worker) int { return strings.Compare(a.ID, b.ID) })
	slices.SortStableFunc(s.Running, longest)
	s.Running = s.Running[:min(len(s.Running), budget.Running)]
	return nil
}

// longest orders jobs by the start of their attempts; those of which it is not recorded come last.
func longest(a, b engine.RunningJob) int {
	switch {
	case a.StartedAt.Known() && b.StartedAt.Known():
		return a.StartedAt.Compare(b.StartedAt.Time)
	case a.StartedAt.Known():
		return -1
	case b.StartedAt.Known():
		return 1
	}
	return 0
}

// worker makes a worker of a server's entry, which ends some time after its last heartbeat.
func worker(s server, ends int64, at time.Time) engine.Worker {
	slices.Sort(s.queues)
	listed := s.queues[:min(len(s.queues), maxNames)]
	beat := time.Unix(ends, 0).Add(-beats).UTC()
	age := max(at.Sub(beat).Milliseconds(), 0)
	pid, slots, busy := int(s.pid), int(s.slots), int(s.busy)
	w := engine.Worker{
		ID: s.id, Host: s.host, PID: &pid, State: "active", StartedAt: s.startedAt, BeatAt: &beat, BeatAgeMS: &age,
		Slots: &slots, Running: &busy, Queues: listed, MoreQueues: len(s.queues) - len(listed),
	}
	if s.status != w.State {
		w.State, w.EngineState = "draining", s.status // stopped or closed
	}
	if s.startedAt != nil {
		w.Order = s.startedAt.UnixMilli()
	}
	return w
}

func (e *Engine) running(w work) engine.RunningJob {
	started := timeOf(w.startedAt)
	job := engine.RunningJob{
		Job: engine.Job{
			ID: join(w.queue, w.task), Agent: w.kind, Queue: w.queue, State: engine.Running, EngineState: "active",
			AttemptedAt: started, Args: e.preview(w.payload), Worker: &w.server,
		},
		Host: w.host,
	}
	if started != nil {
		job.StartedAt, job.Order = *started, started.UnixMilli()
	}
	return job
}

// timeOf is a time of asynq's; nil for none.
func timeOf(at *time.Time) *engine.Time {
	if at == nil {
		return nil
	}
	t := engine.TimeOf(*at)
	return &t
}

// readSchedules reads the entries of the schedulers that are alive.
func (e *Engine) readSchedules(ctx context.Context, s *engine.Snapshot) error {
	alive, err := e.client.Do(ctx, e.client.B().Zrangebyscore().Key(allSchedulers).Min(strconv.FormatInt(s.At.Unix(), 10)).Max("+inf").Build()).AsStrSlice()
	if err != nil {
		return e.explain("list the schedulers", err)
	}
	for _, scheduler := range alive {
		entries, err := e.client.Do(ctx, e.client.B().Lrange().Key(scheduler).Start(0).Stop(maxEntries-1).Build()).AsStrSlice()
		if err != nil {
			return e.explain("read a scheduler", err)
		}
		for _, message := range entries {
			one, err := parseEntry([]byte(message))
			if err != nil {
				problem(s, fmt.Sprintf("An entry of %s is none of asynq.", scheduler))
				continue
			}
			if len(s.Schedules) < maxEntries {
				s.Schedules = append(s.Schedules, engine.Schedule{ID: one.id, Kind: one.kind, Spec: one.spec, NextAt: one.next, LastAt: one.last})
			}
		}
	}
	return nil
}

func problem(s *engine.Snapshot, text string) {
	if len(s.Problems) < maxProblems {
		s.Problems = append(s.Problems, text)
	}
}
