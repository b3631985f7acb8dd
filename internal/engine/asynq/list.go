package asynq

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redis/rueidis"

	"github.com/agentos/agentos/internal/engine"
)

const (
	defaultLimit = 50
	maxLimit     = 200
	maxPreview   = 120
	maxError     = 200
	maxText      = 64 << 10
	maxWalked    = 500 // queues that are walked for one page

	// fewTasks is how many tasks are read at once: each comes with its whole payload.
	fewTasks = 16
)

// place is where a list goes on: after a task, in a queue.
type place struct {
	State engine.State `json:"s"`
	Queue string       `json:"q"`
	Group string       `json:"g,omitempty"` // of tasks that wait for their group
	Task  string       `json:"t,omitempty"` // the last task that was listed; empty at the beginning of the queue
	Score int64        `json:"v,omitempty"` // its score in a sorted set
	Index int64        `json:"i,omitempty"` // how many were listed of a list, or with this score
}

// stateAsked is the one state that a list is of: asynq has no other lists.
func stateAsked(f engine.Filter) (engine.State, error) {
	missing := func(what engine.Capability) error {
		return fmt.Errorf("%w: %s", engine.ErrUnsupported, caps()[what].Why)
	}
	switch {
	case f.Agent != "":
		return "", missing(engine.CanListByKind)
	case f.Text != "":
		return "", missing(engine.CanSearch)
	case f.Since != nil || f.Until != nil || f.EndedSince != nil || f.EndedUntil != nil:
		return "", missing(engine.CanListByTime)
	case len(f.States) != 1:
		return "", missing(engine.CanListAll)
	}
	return f.States[0], nil
}

func emptyPage() engine.Page { return engine.Page{Jobs: []engine.Job{}, Order: "engine"} }

// List lists the tasks of one state, queue by queue: waiting ones as they will be started, those due later as they are due, those
// that ended newest first.
func (e *Engine) List(ctx context.Context, f engine.Filter) (engine.Page, error) {
	limit := max(1, min(cmp.Or(f.Limit, defaultLimit), maxLimit))
	state, err := stateAsked(f)
	if err != nil {
		return engine.Page{}, err
	}
	if state == engine.Cancelled {
		return emptyPage(), nil // asynq has no such state
	}
	at, err := begin(f, state)
	if err != nil {
		return engine.Page{}, err
	}
	queues, err := e.queuesFrom(ctx, f.Queue, at.Queue)
	if err != nil {
		return engine.Page{}, err
	}
	started, err := e.startedIn(ctx, state)
	if err != nil {
		return engine.Page{}, err
	}
	page := emptyPage()
	for i, queue := range queues {
		if queue != at.Queue {
			at = place{State: state, Queue: queue}
		}
		if i == maxWalked { // most of many queues may be empty: the next page goes on
			page.Next = new(engine.CursorOf(at))
			return page, nil
		}
		groups, err := e.groupsFrom(ctx, at)
		if err != nil {
			return engine.Page{}, err
		}
		for _, group := range groups {
			if group != at.Group {
				at = place{State: state, Queue: queue, Group: group}
			}
			if at, err = e.fill(ctx, &page, at, limit, started); err != nil {
				return engine.Page{}, err
			}
			if len(page.Jobs) == limit {
				page.Next = new(engine.CursorOf(at))
				return page, nil
			}
		}
	}
	return page, nil
}

// fill adds the tasks of one list of asynq to a page until it is full, and returns the place after them.
func (e *Engine) fill(ctx context.Context, page *engine.Page, at place, limit int, started map[engine.ID]work) (place, error) {
	for len(page.Jobs) < limit {
		tasks, next, err := e.walk(ctx, at, limit-len(page.Jobs))
		if err != nil || len(tasks) == 0 {
			return at, err
		}
		jobs, err := e.read(ctx, at.Queue, tasks, started)
		if err != nil {
			return at, err
		}
		page.Jobs, at = append(page.Jobs, jobs...), next
	}
	return at, nil
}

// groupsFrom returns the groups of a queue from the place on; one without a name where tasks are not grouped.
func (e *Engine) groupsFrom(ctx context.Context, at place) ([]string, error) {
	if at.State != engine.Parked {
		return []string{""}, nil
	}
	groups, err := e.client.Do(ctx, e.client.B().Smembers().Key(key(at.Queue, "groups")).Build()).AsStrSlice()
	if err != nil {
		return nil, e.explain("list the groups of a queue", err)
	}
	slices.Sort(groups)
	begin, _ := slices.BinarySearch(groups, at.Group)
	return groups[begin:], nil
}

func begin(f engine.Filter, state engine.State) (place, error) {
	at := place{State: state, Queue: f.Queue}
	if f.Cursor == "" {
		return at, nil
	}
	if f.Cursor.Place(&at) != nil || at.State != state || at.Queue == "" || (f.Queue != "" && at.Queue != f.Queue) {
		return at, engine.ErrCursor
	}
	return at, nil
}

// queuesFrom returns the queues to walk, in order.
func (e *Engine) queuesFrom(ctx context.Context, only, from string) ([]string, error) {
	if only != "" {
		return []string{only}, nil
	}
	names, err := e.client.Do(ctx, e.client.B().Smembers().Key(allQueues).Build()).AsStrSlice()
	if err != nil {
		return nil, e.explain("list the queues", err)
	}
	slices.Sort(names)
	begin, _ := slices.BinarySearch(names, from)
	return names[begin:], nil
}

// listed is a task as a list of asynq has it.
type listed struct {
	id    string
	score int64 // in a sorted set
}

// walk returns the next tasks of one queue, at most n, and the place after them.
func (e *Engine) walk(ctx context.Context, at place, n int) ([]listed, place, error) {
	from := part{name: "g:" + at.Group, state: engine.Parked}
	if i := slices.IndexFunc(parts, func(p part) bool { return p.state == at.State }); i >= 0 {
		from = parts[i]
	}
	if from.list {
		return e.walkList(ctx, from, at, n)
	}
	return e.walkSet(ctx, from, at, n)
}

// walkList walks a list from its right end, where the next task is taken. The list shifts while tasks come and go: the last task
// that was listed is looked for around its place.
func (e *Engine) walkList(ctx context.Context, part part, at place, n int) ([]listed, place, error) {
	from := max(0, at.Index-2*maxLimit) // counted from the right
	ids, err := e.client.Do(ctx, e.client.B().Lrange().Key(key(at.Queue, part.name)).Start(-(at.Index + int64(n))).Stop(-(from + 1)).Build()).AsStrSlice()
	if err != nil {
		return nil, at, e.explain("list tasks", err)
	}
	slices.Reverse(ids)
	begin := int(at.Index - from)
	if i := slices.Index(ids, at.Task); at.Task != "" && i >= 0 {
		begin = i + 1
	}
	ids = ids[min(begin, len(ids)):]
	ids = ids[:min(len(ids), n)]
	all := make([]listed, len(ids))
	for i, id := range ids {
		all[i] = listed{id: id}
	}
	if len(ids) > 0 {
		at.Task, at.Index = ids[len(ids)-1], from+int64(begin+len(ids))
	}
	return all, at, nil
}

// walkSet walks a sorted set by score and then by name, upwards what is due, downwards what ended. Scores are seconds, so that many
// tasks may have the same: how many of these were listed saves reading them again.
func (e *Engine) walkSet(ctx context.Context, part part, at place, n int) ([]listed, place, error) {
	down := part.state == engine.Discarded || part.state == engine.Completed
	skip, count := max(0, at.Index-1), int64(n+1)
	for {
		entries, err := e.client.Do(ctx, e.rangeOf(part, at, down, skip, count)).AsZScores()
		if err != nil {
			return nil, at, e.explain("list tasks", err)
		}
		begin := slices.IndexFunc(entries, func(z rueidis.ZScore) bool { return !at.passed(z, down) })
		switch {
		case begin == 0 && skip > 0: // tasks before it are gone: look from the first with this score on
			skip, count = 0, fewScores
		case begin < 0 && int64(len(entries)) == count: // all of these were listed
			skip, count = skip+count, fewScores
		case begin < 0:
			return nil, at, nil
		default:
			return take(entries[begin:], n, at, skip+int64(begin))
		}
	}
}

// fewScores is how many tasks with the same score are read at once where a list looks for its place.
const fewScores = 1000

// passed reports whether an entry is at or before the place.
func (at place) passed(z rueidis.ZScore, down bool) bool {
	switch {
	case at.Task == "" || int64(z.Score) != at.Score:
		return false
	case down:
		return z.Member >= at.Task
	}
	return z.Member <= at.Task
}

// take returns at most n of the entries, of which with the score of the place as many as skipped were listed before.
func take(entries []rueidis.ZScore, n int, at place, skipped int64) ([]listed, place, error) {
	entries = entries[:min(len(entries), n)]
	all := make([]listed, len(entries))
	for i, z := range entries {
		all[i] = listed{z.Member, int64(z.Score)}
		if at.Task == "" || all[i].score != at.Score {
			at.Score, skipped = all[i].score, 0
		}
		skipped++
		at.Task, at.Index = z.Member, skipped
	}
	return all, at, nil
}

func (e *Engine) rangeOf(part part, at place, down bool, skip, count int64) rueidis.Completed {
	set := e.client.B().Zrange().Key(key(at.Queue, part.name))
	from := strconv.FormatInt(at.Score, 10)
	switch {
	case down && at.Task == "":
		from = "+inf"
	case at.Task == "":
		from = "-inf"
	}
	if down {
		return set.Min(from).Max("-inf").Byscore().Rev().Limit(skip, count).Withscores().Build()
	}
	return set.Min(from).Max("+inf").Byscore().Limit(skip, count).Withscores().Build()
}

// read reads tasks as lists show them. One that is gone since is left out.
func (e *Engine) read(ctx context.Context, queue string, tasks []listed, started map[engine.ID]work) ([]engine.Job, error) {
	jobs := make([]engine.Job, 0, len(tasks))
	for few := range slices.Chunk(tasks, fewTasks) {
		commands := make([]rueidis.Completed, len(few))
		for i, one := range few {
			commands[i] = e.client.B().Hmget().Key(key(queue, "t:"+one.id)).Field("msg", "state", "pending_since").Build()
		}
		for i, answer := range e.do(ctx, commands) {
			values, err := answer.ToArray()
			if err != nil {
				return nil, e.explain("read a task", err)
			}
			job, _, there := e.job(queue, few[i].id, values)
			if !there {
				continue
			}
			if job.State == engine.Scheduled || job.State == engine.Retryable {
				job.ScheduledAt = timeOf(unix(few[i].score))
			}
			if w, runs := started[job.ID]; runs && job.State == engine.Running {
				job.AttemptedAt, job.Worker = timeOf(w.startedAt), &w.server
			}
			jobs = append(jobs, job)
		}
	}
	return jobs, nil
}

// startedIn reads which server runs what, for a list of what runs.
func (e *Engine) startedIn(ctx context.Context, state engine.State) (map[engine.ID]work, error) {
	if state != engine.Running {
		return nil, nil
	}
	all := map[engine.ID]work{}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	alive, err := e.client.Do(ctx, e.client.B().Zrangebyscore().Key(allServers).Min(now).Max("+inf").Build()).AsStrSlice()
	if err != nil {
		return nil, e.explain("list the servers", err)
	}
	commands := make([]rueidis.Completed, len(alive))
	for i, one := range alive {
		commands[i] = e.client.B().Hvals().Key(workersOf(one)).Build()
	}
	for _, answer := range e.do(ctx, commands) {
		doing, err := answer.AsStrSlice()
		if err != nil {
			return nil, e.explain("read what a server does", err)
		}
		for _, message := range doing {
			if w, err := parseWork([]byte(message)); err == nil {
				w.payload = nil
				all[join(w.queue, w.task)] = w
			}
		}
	}
	return all, nil
}

// job makes a job of the fields msg, state and pending_since of a task.
func (e *Engine) job(queue, id string, values []rueidis.RedisMessage) (engine.Job, task, bool) {
	message, err := values[0].AsBytes()
	if err != nil {
		return engine.Job{}, task{}, false // it is gone
	}
	own, _ := values[1].ToString()
	state := stateOf(own)
	t, err := parseTask(message)
	if err != nil {
		why := "The record of the task cannot be read."
		return engine.Job{ID: join(queue, id), Queue: queue, State: state, EngineState: ownWord(own, state), Error: &why}, t, true
	}
	most := int(t.retry + 1)
	job := engine.Job{
		ID: join(queue, id), Agent: t.kind, Queue: queue, State: state, EngineState: ownWord(own, state),
		Attempt: attempts(t, state), MaxAttempts: &most, Args: e.preview(t.payload),
	}
	if t.failure != "" {
		failure := clip(e.redact.Text(t.failure), maxError)
		job.Error = &failure
	}
	switch state {
	case engine.Waiting:
		job.ScheduledAt = timeOf(nanos(values[2]))
	case engine.Completed:
		job.FinalizedAt = timeOf(unix(t.completed))
	case engine.Discarded:
		job.FinalizedAt = timeOf(unix(t.lastFailed))
	}
	return job, t, true
}

// ownWord is asynq's word for a state, where ours is another one.
func ownWord(own string, state engine.State) string {
	if own == string(state) {
		return ""
	}
	return own
}

// attempts counts those that were begun; nil where asynq does not record it. It counts retries: the first attempt, and the last one of
// a task that gave up, are not.
func attempts(t task, state engine.State) *int {
	n := int(t.retried)
	switch {
	case state == engine.Running || state == engine.Completed:
		n++
	case state == engine.Discarded && t.lastFailed == 0: // archived by hand before it ran
		n = 0
	case state == engine.Discarded && t.retried < t.retry:
		return nil // by hand, or by an attempt that was the last for another reason
	case state == engine.Discarded:
		n++
	}
	return &n
}

func stateOf(own string) engine.State {
	for _, part := range parts {
		if part.own == own {
			return part.state
		}
	}
	return engine.Parked // aggregating
}

// Get reads one task.
func (e *Engine) Get(ctx context.Context, id engine.ID) (engine.Detail, error) {
	queue, name, ok := split(id)
	if !ok || len(queue) > maxQueueName || len(id) > 512 {
		return engine.Detail{}, engine.ErrNotFound
	}
	values, err := e.client.Do(ctx, e.client.B().Hmget().Key(key(queue, "t:"+name)).Field("msg", "state", "pending_since", "result").Build()).ToArray()
	if err != nil {
		return engine.Detail{}, e.explain("read a task", err)
	}
	job, t, there := e.job(queue, name, values)
	if !there {
		return engine.Detail{}, engine.ErrNotFound
	}
	d := engine.Detail{Job: job, Tags: []string{}, Errors: []engine.AttemptError{}, Runs: []engine.Run{}, Notes: notes(t, job.State)}
	e.describe(&d, t)
	if result, err := values[3].AsBytes(); err == nil {
		text := e.text(result)
		d.Result, d.ResultBytes, d.ResultCut = &text.Text, &text.Bytes, text.Cut
	}
	if err := e.place(ctx, &d, name); err != nil {
		return d, err
	}
	return d, nil
}

// describe adds the payload and the last error. A payload that is no JSON is shown as a text.
func (e *Engine) describe(d *engine.Detail, t task) {
	args := e.text(t.payload)
	d.ArgsBytes, d.ArgsCut = args.Bytes, args.Cut
	if d.ArgsJSON = json.RawMessage(args.Text); args.Cut || !json.Valid(d.ArgsJSON) {
		d.ArgsJSON, _ = json.Marshal(args.Text) // a text always encodes
	}
	if t.failure == "" {
		return
	}
	failure := engine.AttemptError{Attempt: int(max(t.retried, 1)), Error: e.text([]byte(t.failure)).Text}
	if at := timeOf(unix(t.lastFailed)); at != nil {
		failure.At = *at
	}
	if d.State == engine.Discarded && d.Attempt != nil {
		failure.Attempt = *d.Attempt
	}
	d.Errors, d.ErrorsTotal = append(d.Errors, failure), 1
}

// place adds what is not in the task itself: when it is due, if that may be asked, and who runs it.
func (e *Engine) place(ctx context.Context, d *engine.Detail, name string) error {
	switch d.State {
	case engine.Scheduled, engine.Retryable:
		set := map[engine.State]string{engine.Scheduled: "scheduled", engine.Retryable: "retry"}[d.State]
		if score, err := e.client.Do(ctx, e.client.B().Zscore().Key(key(d.Queue, set)).Member(name).Build()).AsFloat64(); err == nil {
			d.ScheduledAt = timeOf(unix(int64(score)))
		}
		return nil
	case engine.Running:
	default:
		return nil
	}
	started, err := e.startedIn(ctx, d.State)
	if w, runs := started[d.ID]; runs {
		d.AttemptedAt, d.Worker = timeOf(w.startedAt), &w.server
	}
	return err
}

func notes(t task, state engine.State) []engine.Note {
	all := []engine.Note{}
	add := func(name, value string) { all = append(all, engine.Note{Name: name, Value: value}) }
	if t.timeoutS > 0 {
		add("Time limit", (time.Duration(t.timeoutS) * time.Second).String())
	}
	if at := unix(t.deadline); at != nil {
		add("Deadline", at.Format(time.RFC3339))
	}
	if t.retentionS > 0 {
		add("Kept after its end", (time.Duration(t.retentionS) * time.Second).String())
	}
	if attempts(t, state) == nil {
		add("Attempts", fmt.Sprintf("at least %d", max(t.retried, 1)))
	}
	if t.group != "" {
		add("Group", t.group)
	}
	if at := unix(t.lastFailed); at != nil {
		add("Last failure", at.Format(time.RFC3339))
	}
	return all
}

// preview is one short line of a payload, without secrets.
func (e *Engine) preview(payload []byte) string {
	if !utf8.Valid(payload) {
		return fmt.Sprintf("(%d bytes)", len(payload))
	}
	text := string(payload[:min(len(payload), maxText)])
	return clip(strings.Join(strings.Fields(e.redact.Any(text)), " "), maxPreview)
}

func (e *Engine) text(whole []byte) engine.Text {
	if !utf8.Valid(whole) {
		return engine.Text{Text: fmt.Sprintf("(%d bytes that are not text)", len(whole)), Bytes: int64(len(whole))}
	}
	if len(whole) <= maxText {
		return engine.Text{Text: e.redact.Output(string(whole)), Bytes: int64(len(whole))}
	}
	return engine.Text{Text: e.redact.Beginning(clip(string(whole), maxText)), Bytes: int64(len(whole)), Cut: true}
}

// clip cuts a text to a number of bytes, between characters.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
