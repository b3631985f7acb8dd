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

	"github.com/agentos/agentos/internal/engine/adapter"
)

const (
	maxProblems = 20
	maxGroups   = 1000 // groups of a queue whose tasks are counted
	maxNames    = 20   // queues that are listed of a worker
	maxEntries  = 200  // schedules that are listed
)

// Snapshot reads the counters of the queues, the servers and what they do.
func (e *Engine) Snapshot(ctx context.Context, budget adapter.Budget) (adapter.Snapshot, error) {
	s := adapter.Snapshot{At: time.Now()}
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
func (e *Engine) readQueues(ctx context.Context, s *adapter.Snapshot, names []string, most int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	listed := names[:min(len(names), 10*most)]
	s.MoreQueue = int64(len(names) - len(listed))
	maps.DeleteFunc(e.queues, func(name string, _ adapter.Queue) bool { _, there := slices.BinarySearch(listed, name); return !there })

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

func delayed(q adapter.Queue) adapter.Queue {
	q.Jobs = maps.Clone(q.Jobs)
	for state, count := range q.Jobs {
		if count.Known == adapter.Exact {
			count.Known = adapter.Delayed
			q.Jobs[state] = count
		}
	}
	return q
}

func unread(name string) adapter.Queue {
	q := adapter.Queue{Name: name, Jobs: map[adapter.State]adapter.Count{}}
	for _, part := range parts {
		q.Jobs[part.state] = adapter.Unknown(adapter.NotYet, "There are many queues: they are read in turns.")
	}
	q.Jobs[adapter.Parked] = q.Jobs[adapter.Waiting]
	return q
}

// part is one of asynq's lists of a queue, with the state of what is in it.
type part struct {
	name, own string
	state     adapter.State
	list      bool // a list, else a sorted set
}

var parts = []part{
	{"active", "active", adapter.Running, true},
	{"pending", "pending", adapter.Waiting, true},
	{"retry", "retry", adapter.Retryable, false},
	{"scheduled", "scheduled", adapter.Scheduled, false},
	{"archived", "archived", adapter.Discarded, false},
	{"completed", "completed", adapter.Completed, false},
}

// perQueue is how many commands one queue takes.
const perQueue = 10

// queuesNow reads queues, at O(1) for each.
func (e *Engine) queuesNow(ctx context.Context, names []string, s *adapter.Snapshot) (map[string]adapter.Queue, error) {
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
	queues := make(map[string]adapter.Queue, len(names))
	oldest := map[string]string{} // the task that waits longest in each queue
	var grouped []string
	for i, name := range names {
		a := answers[i*perQueue : (i+1)*perQueue]
		q := adapter.Queue{Name: name, Jobs: map[adapter.State]adapter.Count{}}
		for j, part := range parts {
			n, err := a[j].AsInt64()
			if err != nil {
				return nil, e.explain(fmt.Sprintf("count the %s tasks of queue %q", part.own, name), err)
			}
			q.Jobs[part.state] = adapter.Exactly(n, s.At)
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
		q.Jobs[adapter.Parked] = adapter.Exactly(0, s.At)
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
func totals(answer rueidis.RedisResult, at time.Time) adapter.Totals {
	t := adapter.Totals{Today: adapter.Day{Start: at.UTC().Truncate(24 * time.Hour)}}
	n, err := numbers(answer)
	if err != nil {
		unknown := adapter.Unknown(adapter.Unrecorded, "asynq's counter is not a number.")
		t.OK, t.Failed, t.Today.OK, t.Today.Failed = unknown, unknown, unknown, unknown
		return t
	}
	t.OK, t.Failed = adapter.Exactly(n[0]-n[1], at), adapter.Exactly(n[1], at)
	t.Today.OK, t.Today.Failed = adapter.Exactly(n[2]-n[3], at), adapter.Exactly(n[3], at)
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
func (e *Engine) readOldest(ctx context.Context, queues map[string]adapter.Queue, oldest map[string]string) error {
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
func (e *Engine) readGroups(ctx context.Context, queues map[string]adapter.Queue, grouped []string, s *adapter.Snapshot) error {
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
		count := adapter.Exactly(sum, s.At)
		if len(groups) > maxGroups {
			count = adapter.LowerBound(sum, s.At, fmt.Sprintf("There are %d groups; those of the first %d are counted.", len(groups), maxGroups))
		}
		queues[name].Jobs[adapter.Parked] = count
	}
	return nil
}

// readServers reads the processes that are alive, and what they do.
func (e *Engine) readServers(ctx context.Context, s *adapter.Snapshot, budget adapter.Budget) error {
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
	slices.SortFunc(s.Workers, func(a, b adapter.Worker) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Running, func(a, b adapter.Job) int { return longest(a.StartedAt, b.StartedAt) })
	s.Running = s.Running[:min(len(s.Running), budget.Running)]
	return nil
}

func longest(a, b *time.Time) int {
	switch {
	case a == nil || b == nil:
		return 0
	default:
		return a.Compare(*b)
	}
}

func worker(s server, ends int64, at time.Time) adapter.Worker {
	slices.Sort(s.queues)
	listed := s.queues[:min(len(s.queues), maxNames)]
	beat := time.Unix(ends, 0).Add(-beats).UTC()
	return adapter.Worker{
		ID: s.id, Host: s.host, PID: int(s.pid), OwnState: s.status, StartedAt: s.startedAt, BeatAt: &beat,
		Slots: adapter.Exactly(s.slots, at), Running: adapter.Exactly(s.busy, at), Queues: listed, MoreQueue: len(s.queues) - len(listed),
	}
}

func (e *Engine) running(w work) adapter.Job {
	return adapter.Job{
		ID: join(w.queue, w.task), Kind: w.kind, Queue: w.queue, State: adapter.Running, OwnState: "active",
		Attempt:     adapter.Unknown(adapter.NotYet, "Open the task for its attempts."),
		MaxAttempts: adapter.Unknown(adapter.NotYet, "Open the task for its attempts."),
		StartedAt:   w.startedAt, Args: e.preview(w.payload), Worker: w.server,
	}
}

// readSchedules reads the entries of the schedulers that are alive.
func (e *Engine) readSchedules(ctx context.Context, s *adapter.Snapshot) error {
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
				s.Schedules = append(s.Schedules, adapter.Schedule{ID: one.id, Kind: one.kind, Spec: one.spec, NextAt: one.next, LastAt: one.last})
			}
		}
	}
	return nil
}

func problem(s *adapter.Snapshot, text string) {
	if len(s.Problems) < maxProblems {
		s.Problems = append(s.Problems, text)
	}
}
