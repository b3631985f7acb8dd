package worker

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivershared/riverpilot"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/db"
)

// pilot stands between River and its driver where River fetches jobs, see docs/decisions/0105-fetching.md: it holds a fetch
// to the gate's limits, and tells River which queues to look at, so that River need not ask each of them all the time.
type pilot struct {
	riverpilot.StandardPilot
	service *Service
	wakes   wakes
}

// Listener puts our wakes among the notifications of the database.
func (p *pilot) Listener(driver riverdriver.Listener) riverdriver.Listener {
	s := p.service
	return &listener{
		Listener: driver, wakes: &p.wakes, reconnect: s.lookForPauses,
		log: func(err error) { s.health.report(listening, db.Explain(err)) },
	}
}

// ProducerInit gives River what it tells of the end of each job that it was given.
func (p *pilot) ProducerInit(ctx context.Context, exec riverdriver.Executor, params *riverpilot.ProducerInitParams) (int64, riverpilot.ProducerState, error) {
	id, _, err := p.StandardPilot.ProducerInit(ctx, exec, params)
	return id, producerState{p.service.gate}, err
}

type producerState struct{ gate *gate }

func (s producerState) JobFinish(job *rivertype.JobRow) { s.gate.release(job) }

// JobGetAvailable fetches jobs of a queue for this process, as far as its limits allow.
func (p *pilot) JobGetAvailable(ctx context.Context, exec riverdriver.Executor, state riverpilot.ProducerState, params *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	s := p.service
	permit := s.gate.ask(params.Queue, params.Kind, params.MaxToLock)
	if permit.most == 0 {
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, persistTimeout)
	defer cancel()
	f := &fetch{pilot: p, exec: exec, state: state, params: *params, permit: permit, claimed: map[string]int{}, looked: map[string]bool{}}
	err := f.run(ctx)
	kept, surplus, suspects := s.gate.settle(permit, f.claimed, f.result.Jobs)
	f.result.Jobs = kept
	s.putBack(ctx, surplus, params.ClientID, 0)
	s.putBack(ctx, suspects, params.ClientID, suspectLater)
	if err != nil && len(kept) > 0 { // what was fetched before the failure is run
		s.health.report("fetch jobs", err)
		err = nil
	}
	return &f.result, err
}

// fetch is one fetch from a queue.
type fetch struct {
	*pilot
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
		n := f.service.gate.claim(kind, shares[kind])
		f.claimed[kind] = n
		if n < shares[kind] {
			f.service.gate.denied(kind, f.params.Queue)
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
	limit := f.service.gate.fleetLimit(kind)
	if limit == 0 || n == 0 {
		return f.take(ctx, []string{kind}, n)
	}
	s := f.service
	var result *riverdriver.JobGetAvailableResult
	err := s.db.InTx(ctx, func(tx *db.Tx) error {
		result = nil
		alone, err := s.db.TryLock(ctx, tx, "limit of "+kind)
		if err != nil || !alone { // another worker is at it
			return err
		}
		running, err := runningOf(ctx, tx, kind)
		if err != nil || running >= limit {
			return err
		}
		params := f.params
		params.Kind, params.MaxToLock = []string{kind}, min(n, limit-running)
		result, err = s.queue.FetchTx(ctx, tx, &params)
		return err
	})
	if err != nil {
		return err
	}
	if result != nil {
		f.add(result)
	}
	if result == nil || len(result.Jobs) < n {
		s.gate.denied(kind, f.params.Queue)
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
				f.service.gate.denied(kind, f.params.Queue)
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
// could run. How many these are is settled when they are fetched.
func (f *fetch) lookAtFleet(ctx context.Context, kinds []string) error {
	for _, kind := range kinds {
		limit := f.service.gate.fleetLimit(kind)
		if limit == 0 || f.looked[kind] {
			continue
		}
		running, err := runningOf(ctx, f.service.db.Read, kind)
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
	s := f.service
	args := []any{f.params.Queue, s.db.Stamp(time.Now()), n}
	which := "kind = any($4)"
	if s.db.Kind == db.Postgres {
		args = append(args, kinds)
	} else {
		text, err := json.Marshal(kinds)
		if err != nil {
			return nil, err
		}
		which = "kind in (select value from json_each($4))"
		args = append(args, string(text))
	}
	rows, err := s.db.Read.QueryContext(ctx, `select kind from river_job where state = 'available' and queue = $1
		and scheduled_at <= $2 and `+which+` order by priority, scheduled_at, id limit $3`, args...)
	return db.Collect(rows, err, func(rows *sql.Rows) (kind string, err error) { return kind, rows.Scan(&kind) })
}

// putBack returns jobs that were fetched beyond a limit to their places, or to later ones. One that cannot be put back is an
// orphan, see reap.go.
func (s *Service) putBack(ctx context.Context, jobs []*rivertype.JobRow, client string, later time.Duration) {
	for _, job := range jobs {
		at := job.ScheduledAt
		if later > 0 {
			at = time.Now().Add(later)
		}
		err := s.actor.PutBack(ctx, job, client, at)
		s.health.report("put a job back", err)
	}
}

func (g *gate) fleetLimit(kind string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lane(kind).fleet
}

// wake lets River look at a queue again, in the generation that fetches.
func (s *Service) wake(queue string) {
	if g := s.current.Load(); g != nil {
		g.pilot.wakes.add(queue)
	}
}

// lookForJobs looks for jobs that nobody announced: inserted by other programs, due after a short wait, or beyond a limit before.
// It asks for all queues at once, so that an idle fleet costs the same whatever its size.
func (s *Service) lookForJobs(loopCtx context.Context) {
	look := -1
	every(loopCtx, fetchPoll, func() {
		if look++; s.active.isDraining() {
			return
		}
		ctx, cancel := context.WithTimeout(loopCtx, persistTimeout)
		waiting, paused, err := s.waitingQueues(ctx)
		cancel()
		s.health.report("look for waiting jobs", err)
		if err != nil {
			return
		}
		s.gate.setPaused(paused)
		g := s.current.Load()
		if s.missed.Swap(false) {
			g.tellPauses(paused)
		}
		rooms := s.gate.rooms()
		for _, queue := range waiting {
			room, known := rooms[queue]
			if g.serves[queue] && (room || !known || look%fullLook == 0) {
				g.pilot.wakes.add(queue)
			}
		}
	})
}

// waitingQueues returns the queues with waiting jobs that are not paused, by one step down River's index for each, and those that
// are paused.
func (s *Service) waitingQueues(ctx context.Context) (waiting, paused []string, err error) {
	rows, err := s.db.Read.QueryContext(ctx, `with recursive waiting(queue) as (
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

// fullLook is every how many looks a queue is woken whose own agents have no free slot: others' jobs may be in it.
const fullLook = 10

// ownPoll is how often River looks at a queue by itself, which lookForJobs does for it.
const ownPoll = time.Hour
