package fetch

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivershared/riverpilot"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine/river"
)

// Pilot stands between River and its driver where River fetches jobs, see docs/decisions/0105-fetching.md: it holds a fetch
// to the gate's limits, and wakes River for the queues to look at, so that River need not ask each of them all the time.
type Pilot struct {
	riverpilot.StandardPilot
	*Fetcher
	wakes wakes
}

// Fetcher is what all versions of a process's fleet have in common when they fetch.
type Fetcher struct {
	db     *db.DB
	actor  *river.Actor
	gate   *Gate
	report func(what string, err error)
	missed atomic.Bool // River may have missed what was announced
}

// NewFetcher makes a fetcher that keeps to a gate, and reports what came of each kind of work.
func NewFetcher(d *db.DB, actor *river.Actor, g *Gate, report func(what string, err error)) *Fetcher {
	return &Fetcher{db: d, actor: actor, gate: g, report: report}
}

// NewPilot makes the pilot of a version of the fleet.
func (f *Fetcher) NewPilot() *Pilot { return &Pilot{Fetcher: f} }

// lookForPauses makes River's client look again which of its queues are paused: it may have missed what was announced.
func (f *Fetcher) lookForPauses() { f.missed.Store(true) }

// Missed reports whether River may have missed what was announced, once.
func (f *Fetcher) Missed() bool { return f.missed.Swap(false) }

// Wake lets River look at a queue.
func (p *Pilot) Wake(queue string) { p.wakes.add(queue) }

// Control informs River that a queue, or "*" for all, is paused or resumed.
func (p *Pilot) Control(action, queue string) { p.wakes.control(action, queue) }

// Listener puts our wakes among the notifications of the database.
func (p *Pilot) Listener(driver riverdriver.Listener) riverdriver.Listener {
	return &listener{
		Listener: driver, wakes: &p.wakes, reconnect: p.lookForPauses,
		log: func(err error) { p.report(Listening, db.Wrap(err)) },
	}
}

// ProducerInit gives River the producer state that it calls at the end of each job.
func (p *Pilot) ProducerInit(ctx context.Context, exec riverdriver.Executor, params *riverpilot.ProducerInitParams) (int64, riverpilot.ProducerState, error) {
	id, _, err := p.StandardPilot.ProducerInit(ctx, exec, params)
	return id, producerState{p.gate}, err
}

type producerState struct{ gate *Gate }

func (s producerState) JobFinish(job *rivertype.JobRow) { s.gate.release(job) }

// JobGetAvailable fetches jobs of a queue for this process, as far as its limits allow.
func (p *Pilot) JobGetAvailable(ctx context.Context, exec riverdriver.Executor, state riverpilot.ProducerState, params *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	permit := p.gate.ask(params.Queue, params.Kind, params.MaxToLock)
	if permit.most == 0 {
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	f := &fetch{Pilot: p, exec: exec, state: state, params: *params, permit: permit, claimed: map[string]int{}, looked: map[string]bool{}}
	err := f.run(ctx)
	kept, surplus, suspects := p.gate.endFetch(permit, f.claimed, f.result.Jobs)
	f.result.Jobs = kept
	p.putBack(ctx, surplus, params.ClientID, 0)
	p.putBack(ctx, suspects, params.ClientID, suspectLater)
	if err != nil && len(kept) > 0 { // what was fetched before the failure is run
		p.report("fetch jobs", err)
		err = nil
	}
	return &f.result, err
}

// fetchTimeout bounds one fetch.
const fetchTimeout = 10 * time.Second

// fetch is one fetch from a queue.
type fetch struct {
	*Pilot
	exec    riverdriver.Executor
	state   riverpilot.ProducerState
	params  riverdriver.JobGetAvailableParams
	permit  permit
	claimed map[string]int  // slots by agent
	looked  map[string]bool // agents whose share the fleet was asked for
	result  riverdriver.JobGetAvailableResult
}

func (f *fetch) run(ctx context.Context) error {
	if len(f.permit.tight) == 0 {
		return f.take(ctx, f.permit.free, f.permit.most)
	}
	shares, err := f.shares(ctx)
	if err != nil {
		return err
	}
	rest := 0
	var errs []error
	for _, kind := range slices.Sorted(maps.Keys(shares)) {
		if _, tight := f.permit.tight[kind]; !tight {
			rest += shares[kind]
			continue
		}
		n := f.gate.claim(kind, shares[kind])
		f.claimed[kind] = n
		if n < shares[kind] {
			f.gate.denied(kind, f.params.Queue)
		}
		errs = append(errs, f.takeOf(ctx, kind, n))
	}
	return errors.Join(append(errs, f.take(ctx, f.permit.free, rest))...)
}

// take fetches n jobs of some agents, in River's order.
func (f *fetch) take(ctx context.Context, kinds []string, n int) error {
	if n == 0 || len(kinds) == 0 {
		return nil
	}
	params := f.params
	params.Kind, params.MaxToLock = kinds, n
	result, err := f.exec.JobGetAvailable(ctx, &params)
	if err == nil {
		f.add(result)
	}
	return err
}

func (f *fetch) add(result *riverdriver.JobGetAvailableResult) {
	f.result.Jobs = append(f.result.Jobs, result.Jobs...)
	if f.result.DecodeErrors == nil {
		f.result.DecodeErrors = map[int64]error{}
	}
	maps.Copy(f.result.DecodeErrors, result.DecodeErrors)
}

// takeOf fetches n jobs of one agent, fewer when the whole fleet may run no more of it.
func (f *fetch) takeOf(ctx context.Context, kind string, n int) error {
	limit := f.gate.fleetLimit(kind)
	if limit == 0 || n == 0 {
		return f.take(ctx, []string{kind}, n)
	}
	var result *riverdriver.JobGetAvailableResult
	err := f.db.InTx(ctx, func(tx *db.Tx) error {
		result = nil
		locked, err := f.db.TryLock(ctx, tx, "limit of "+kind)
		if err != nil || !locked { // another worker is at it
			return err
		}
		running, err := runningOf(ctx, tx, kind)
		if err != nil || running >= limit {
			return err
		}
		params := f.params
		params.Kind, params.MaxToLock = []string{kind}, min(n, limit-running)
		result, err = f.actor.Client().FetchTx(ctx, tx, &params)
		return err
	})
	if err != nil {
		return err
	}
	if result != nil {
		f.add(result)
	}
	if result == nil || len(result.Jobs) < n {
		f.gate.denied(kind, f.params.Queue)
	}
	return nil
}

// shares works out whose jobs are next in the queue, by agent: the first in River's order, passing those above a limit.
func (f *fetch) shares(ctx context.Context) (map[string]int, error) {
	full := map[string]int{} // whose share is fixed
	for {
		open := slices.Clone(f.permit.free)
		for kind := range f.permit.tight {
			if _, fixed := full[kind]; !fixed {
				open = append(open, kind)
			}
		}
		shares, n := maps.Clone(full), 0
		for _, m := range full {
			n += m
		}
		if n == f.permit.most || len(open) == 0 {
			return shares, nil
		}
		next, err := f.peek(ctx, open, f.permit.most-n)
		if err != nil {
			return nil, err
		}
		if err := f.lookAtFleet(ctx, next); err != nil {
			return nil, err
		}
		passed := false
		for _, kind := range next {
			if limit, tight := f.permit.tight[kind]; tight && shares[kind] == limit {
				full[kind], passed = limit, true
				f.gate.denied(kind, f.params.Queue)
				continue
			}
			shares[kind]++
		}
		if !passed {
			return shares, nil
		}
	}
}

// lookAtFleet lowers the shares of agents that the whole fleet may run less of, so that their jobs do not stand for others' that
// could run. How many these are is decided when they are fetched.
func (f *fetch) lookAtFleet(ctx context.Context, kinds []string) error {
	for _, kind := range kinds {
		limit := f.gate.fleetLimit(kind)
		if limit == 0 || f.looked[kind] {
			continue
		}
		running, err := runningOf(ctx, f.db.Read, kind)
		if err != nil {
			return err
		}
		f.looked[kind] = true
		f.permit.tight[kind] = min(f.permit.tight[kind], max(limit-running, 0))
	}
	return nil
}

// runningOf counts the jobs of an agent that run, wherever that is.
func runningOf(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, kind string) (n int, err error) {
	err = q.QueryRowContext(ctx, `select count(*) from river_job where state = 'running' and kind = $1`, kind).Scan(&n)
	return n, err
}

// peek returns the agents of the first jobs of a queue.
func (f *fetch) peek(ctx context.Context, kinds []string, n int) ([]string, error) {
	args := []any{f.params.Queue, f.db.Stamp(time.Now()), n}
	which := "kind = any($4)"
	if f.db.Kind == db.Postgres {
		args = append(args, kinds)
	} else {
		text, err := json.Marshal(kinds)
		if err != nil {
			return nil, err
		}
		which = "kind in (select value from json_each($4))"
		args = append(args, string(text))
	}
	rows, err := f.db.Read.QueryContext(ctx, `select kind from river_job where state = 'available' and queue = $1
		and scheduled_at <= $2 and `+which+` order by priority, scheduled_at, id limit $3`, args...)
	return db.Collect(rows, err, func(rows *sql.Rows) (kind string, err error) { return kind, rows.Scan(&kind) })
}

// putBack returns jobs that were fetched beyond a limit to their places, or to later ones. One that cannot be put back is an
// orphan, see reap.go.
func (f *Fetcher) putBack(ctx context.Context, jobs []*rivertype.JobRow, client string, later time.Duration) {
	for _, job := range jobs {
		at := job.ScheduledAt
		if later > 0 {
			at = time.Now().Add(later)
		}
		err := f.actor.PutBack(ctx, job, client, at)
		f.report("put a job back", err)
	}
}

// WaitingQueues returns the queues with waiting jobs that are not paused, by one step down River's index for each, and those that
// are paused.
func (f *Fetcher) WaitingQueues(ctx context.Context) (waiting, paused []string, err error) {
	rows, err := f.db.Read.QueryContext(ctx, `with recursive waiting(queue) as (
			select (select queue from river_job where state = 'available' order by queue limit 1)
			union all
			select (select j.queue from river_job j where j.state = 'available' and j.queue > waiting.queue order by j.queue limit 1)
			from waiting where waiting.queue is not null)
		select queue, 0 from waiting where queue is not null
			and not exists (select 1 from river_queue q where q.name = waiting.queue and q.paused_at is not null)
		union all select name, 1 from river_queue where paused_at is not null`)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (queue string, err error) {
		var isPaused int
		err = rows.Scan(&queue, &isPaused)
		if isPaused == 1 {
			paused = append(paused, queue)
		} else {
			waiting = append(waiting, queue)
		}
		return queue, err
	})
	return waiting, paused, err
}
