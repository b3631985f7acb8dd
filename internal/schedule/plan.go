package schedule

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/jobspec"
)

const (
	holdEvery = 5 * time.Second
	// holdFor is how long the file of a process that went without a word still decides.
	holdFor   = 30 * time.Second
	filesKept = 50
	// formerFor is how long jobs may still come to rest in a queue that their agent left: as long as an attempt can take, and more.
	formerFor = 2 * agent.MaxTimeout
	moveBatch = 5000
)

// fleetPlan is what one version of the agents' file says of jobs that are still to come: schedules, queues, arguments. Where
// processes have different files, the newest that knows an agent decides on it, as long as a live process has that file.
type plan struct {
	fleet  *agent.Fleet
	due    map[string]*agent.Schedule // of the agents that have one
	text   map[string]string          // of those schedules, as their rows have it
	rules  map[string]string          // agent to a sum of its rule
	hash   string
	number int64

	at      time.Duration                // of the last look, since the start of this process
	newer   map[string]map[string]string // rules by hash, of files that are newer
	checked map[string]farCheck
	moved   bool          // the jobs of all agents that it decides on wait in their queues
	former  []formerQueue // where more may come to rest
}

// farCheck is the last time of an agent that was found to be within reach, and when.
type farCheck struct {
	next int64
	at   time.Time
}

func newPlan(fleet *agent.Fleet) (*plan, error) {
	p := &plan{fleet: fleet, due: map[string]*agent.Schedule{}, text: map[string]string{}, rules: map[string]string{}, checked: map[string]farCheck{}}
	for _, spec := range fleet.Agents {
		due, err := spec.Due()
		if err != nil {
			return nil, err
		}
		rule := *spec
		if due != nil {
			p.due[spec.Name], p.text[spec.Name] = due, due.String()
			rule.Schedule = p.text[spec.Name]
		}
		// How it runs is each worker's own business, and may differ from host to host.
		rule.Command, rule.Dir, rule.Env, rule.PassEnv, rule.Description = nil, "", nil, nil, ""
		p.rules[spec.Name] = sumOf(rule)[:16]
	}
	p.hash = sumOf(p.rules)
	return p, nil
}

func sumOf(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // plain data: cannot happen
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// decides reports whether this process has the say on an agent's schedule and queue.
func (p *plan) decides(name string) bool {
	for _, rules := range p.newer {
		if rule, known := rules[name]; known && rule != p.rules[name] {
			return false
		}
	}
	return true
}

// tooFar reports whether a time is later than any that an agent's schedule could have set by now. It remembers what it found: as
// long as the clock goes on, a time within reach stays so.
func (p *plan) tooFar(name string, next int64, now time.Time) bool {
	if seen := p.checked[name]; seen.next == next && !now.Before(seen.at) {
		return false
	}
	if p.due[name].Latest(now).Before(db.FromMS(next)) {
		return true
	}
	p.checked[name] = farCheck{next, now}
	return false
}

// hold makes the plan's file known as one that this process goes by. A file that nobody had before is the newest, unless it was
// written earlier than the one in force; one that was known before keeps its place, so that a process that comes late with it
// changes nothing. It becomes the newest again when nobody else has another, or when this process had the newest and was given
// it instead: then somebody wanted it back.
func (k *Keeper) hold(ctx context.Context, p, before *plan) error {
	err := k.db.InTx(ctx, func(tx *db.Tx) error {
		var top, bottom, inForce, inForceFile sql.NullInt64
		err := tx.QueryRowContext(ctx, `select max(number), min(number) from fleet_file`).Scan(&top, &bottom)
		if err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, `select f.number, f.file_ms from fleet_file f join fleet_holder h on h.hash = f.hash
			where h.beat_ms >= `+k.db.NowMS()+` - $1 and h.process <> $2 order by f.number desc limit 1`,
			holdFor.Milliseconds(), k.process).Scan(&inForce, &inForceFile)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var fileMS int64
		if !p.fleet.ModTime.IsZero() {
			fileMS = p.fleet.ModTime.UnixMilli()
		}
		wanted := before != nil && before.hash != p.hash && len(before.newer) == 0
		err = tx.QueryRowContext(ctx, `select number from fleet_file where hash = $1`, p.hash).Scan(&p.number)
		switch known := err == nil; {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case known && !wanted && inForce.Valid, known && p.number == top.Int64:
		case !known && !wanted && inForce.Valid && 0 < fileMS && fileMS < inForceFile.Int64:
			p.number = bottom.Int64 - 1
		default:
			p.number = top.Int64 + 1
		}
		rules, err := json.Marshal(p.rules)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `insert into fleet_file (hash, number, file_ms, seen_ms, rules) values ($1, $2, $3, `+k.db.NowMS()+`, $4)
			on conflict (hash) do update set number = excluded.number, file_ms = excluded.file_ms`, p.hash, p.number, fileMS, string(rules))
		if err != nil {
			return err
		}
		if err := k.beatFile(ctx, tx.ExecContext, p); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `delete from fleet_holder where beat_ms < `+k.db.NowMS()+` - $1`, 2*holdFor.Milliseconds()); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `delete from fleet_file where number <= $1 and hash not in (select hash from fleet_holder)`, p.number-filesKept)
		return err
	})
	if err != nil {
		return err
	}
	p.at = time.Since(k.began)
	return k.lookAtFiles(ctx, p)
}

// beatFile records that this process goes by the plan's file.
func (k *Keeper) beatFile(ctx context.Context, exec func(context.Context, string, ...any) (sql.Result, error), p *plan) error {
	_, err := exec(ctx, `insert into fleet_holder (process, hash, beat_ms) values ($1, $2, `+k.db.NowMS()+`)
		on conflict (process) do update set hash = excluded.hash, beat_ms = excluded.beat_ms`, k.process, p.hash)
	return err
}

// Release ends this process's say.
func (k *Keeper) Release(ctx context.Context) error {
	_, err := k.db.Write.ExecContext(ctx, `delete from fleet_holder where process = $1`, k.process)
	return err
}

// LookAgain has the next InsertDue look at the files of other processes, which it does every few seconds otherwise.
func (k *Keeper) LookAgain() {
	k.working.Lock()
	defer k.working.Unlock()
	k.plan.at -= holdEvery
}

// keepHold does from time to time what must be done as long as this process goes by a file: it records that, sees which newer
// files there are, and moves jobs that came to rest where their agent was before.
func (k *Keeper) keepHold(ctx context.Context, p *plan) error {
	at := time.Since(k.began)
	if at-p.at < holdEvery {
		return nil
	}
	if err := k.beatFile(ctx, k.db.Write.ExecContext, p); err != nil {
		return err
	}
	if err := k.lookAtFiles(ctx, p); err != nil {
		return err
	}
	p.at = at
	return k.moveJobs(ctx, p)
}

// lookAtFiles sees which files of live processes are newer than the plan's.
func (k *Keeper) lookAtFiles(ctx context.Context, p *plan) error {
	rows, err := k.db.Read.QueryContext(ctx, `select f.hash from fleet_file f, fleet_file own where own.hash = $1
		and (f.number > own.number or f.number = own.number and f.hash > own.hash)
		and exists (select 1 from fleet_holder h where h.hash = f.hash and h.beat_ms >= `+k.db.NowMS()+` - $2)`, p.hash, holdFor.Milliseconds())
	hashes, err := db.Collect(rows, err, func(rows *sql.Rows) (hash string, err error) { return hash, rows.Scan(&hash) })
	if err != nil {
		return err
	}
	newer := map[string]map[string]string{}
	for _, hash := range hashes {
		if newer[hash] = p.newer[hash]; newer[hash] != nil {
			continue
		}
		var text string
		if err := k.db.Read.QueryRowContext(ctx, `select rules from fleet_file where hash = $1`, hash).Scan(&text); err != nil {
			return err
		}
		rules := map[string]string{}
		if err := json.Unmarshal([]byte(text), &rules); err != nil {
			return err
		}
		newer[hash] = rules
	}
	if maps.EqualFunc(newer, p.newer, func(map[string]string, map[string]string) bool { return true }) {
		return nil
	}
	if p.newer = newer; len(newer) > 0 {
		k.log.Warn("another process has a newer agents' file: it decides on schedules and queues as long as it lives", "file", p.fleet.Path)
	} else {
		k.log.Info("this process's agents' file decides on schedules and queues again", "file", p.fleet.Path)
	}
	p.moved = false
	return nil
}

// formerQueue is one that an agent's jobs waited in before.
type formerQueue struct{ agent, queue string }

// moveJobs has the jobs of each agent that this process decides on wait in the agent's queue: when that is another than
// before, they follow. Jobs that somebody put into some further queue stay. What ends later in a queue that no worker of this
// file serves any more, such as an attempt that is tried again, follows too.
func (k *Keeper) moveJobs(ctx context.Context, p *plan) error {
	var current map[string]string
	if !p.moved {
		var err error
		if current, p.former, err = k.readQueuesOfAgents(ctx, p); err != nil {
			return err
		}
	}
	for _, f := range p.former {
		if err := k.follow(ctx, p, f); err != nil {
			return err
		}
	}
	if p.moved {
		return nil
	}
	if err := k.writeQueuesOfAgents(ctx, p, current); err != nil {
		return err
	}
	p.moved = true
	p.former = slices.DeleteFunc(p.former, func(f formerQueue) bool { return jobspec.Serves(p.fleet, f.queue) })
	return nil
}

// readQueuesOfAgents returns where the jobs of each agent wait, and which queues they are to be taken out of.
func (k *Keeper) readQueuesOfAgents(ctx context.Context, p *plan) (current map[string]string, former []formerQueue, err error) {
	rows, err := k.db.Read.QueryContext(ctx, `select agent, queue, left_ms is null from agent_queue
		where left_ms is null or left_ms >= `+k.db.NowMS()+` - $1`, formerFor.Milliseconds())
	current = map[string]string{}
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (f formerQueue, err error) {
		var still bool
		if err = rows.Scan(&f.agent, &f.queue, &still); still {
			current[f.agent] = f.queue
		}
		if spec := p.fleet.Agent(f.agent); spec != nil && spec.Queue != f.queue && (still || !jobspec.Serves(p.fleet, f.queue)) {
			former = append(former, f)
		}
		return f, err
	})
	return current, former, err
}

func (k *Keeper) writeQueuesOfAgents(ctx context.Context, p *plan, current map[string]string) error {
	changed := slices.DeleteFunc(slices.Clone(p.fleet.Agents), func(spec *agent.Spec) bool {
		return current[spec.Name] == spec.Queue || !p.decides(spec.Name)
	})
	if len(changed) == 0 {
		return nil
	}
	return k.db.InTx(ctx, func(tx *db.Tx) error {
		for _, spec := range changed {
			_, err := tx.ExecContext(ctx, `update agent_queue set left_ms = `+k.db.NowMS()+` where agent = $1 and left_ms is null`, spec.Name)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `insert into agent_queue (agent, queue) values ($1, $2) on conflict (agent, queue) do update set left_ms = null`,
				spec.Name, spec.Queue)
			if err != nil {
				return err
			}
			if before := current[spec.Name]; before != "" {
				k.log.Info("the agent's queue changed: its waiting jobs follow", "agent", spec.Name, "from", before, "to", spec.Queue)
			}
		}
		return nil
	})
}

// follow moves the jobs that wait in a queue their agent left.
func (k *Keeper) follow(ctx context.Context, p *plan, f formerQueue) error {
	spec := p.fleet.Agent(f.agent)
	if spec == nil || !p.decides(f.agent) {
		return nil
	}
	for _, state := range []string{"available", "scheduled", "retryable"} {
		for {
			result, err := k.db.Write.ExecContext(ctx, `update river_job set queue = $1 where id in (select id from river_job
				where state = $2 and queue = $3 and kind = $4 limit $5) and state = $2`, spec.Queue, state, f.queue, f.agent, moveBatch)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil || n < moveBatch {
				if err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}
