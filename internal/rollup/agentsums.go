package rollup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

const (
	// closing is for how many seconds the sums of a minute still grow as a rule: these are read each time.
	closing = 2 * minuteStep
)

// partSums are of those agents that were asked for; they are not to be changed.
type partSums struct {
	mark    partMark
	of      map[string]bool
	byAgent map[string]*packedSums
	spark   map[string][]endedCount // of parts by minutes: what ended in each SparkStep, from the one in which the part begins
}

// packedSums are sums as they are kept.
type packedSums struct {
	tallies
	run, wait packedHistogram
}

func (p *packedSums) addTo(s *sums) error {
	s.addTallies(p.tallies)
	return errors.Join(s.run.addPacked(&p.run), s.wait.addPacked(&p.wait))
}

type endedCount struct{ ok, failed int64 }

// partMark is of the sums of all agents: it differs when anything in a part does, because they only grow. (Those of a foreign
// database are counted again for a while, and might differ with an equal mark; but no part is kept for longer than an hour.)
type partMark struct {
	rows, ok, failed, timeout, lost, cancelled int64
	runMax, waitMax, tokens, bytes             int64 // added up
}

// SumByAgent fills in the last hour, the last day and the spark line of some agents. Its cost is by their number, not by that of
// all agents.
func (r *Store) SumByAgent(ctx context.Context, now time.Time, stats map[string]*engine.AgentStats) error {
	from, to := spanEnding(now, hourSpan)
	dayFrom, _ := spanEnding(now, daySpan)
	hour, newest := cut(to-closing, part{minuteStep, from, to})
	day, newestOfDay := cut(to-closing, r.partsOf(dayFrom, to)...)
	names := slices.Sorted(maps.Keys(stats))
	read, err := r.closedParts(ctx, slices.Concat(hour, day), names)
	if err != nil {
		return err
	}
	for _, p := range newest { // those of the day are among them
		if read[p], err = r.readPart(ctx, p, names); err != nil {
			return err
		}
	}
	hour, day = slices.Concat(hour, newest), slices.Concat(day, newestOfDay)
	hours, err := addUp(read, hour, stats)
	if err != nil {
		return err
	}
	days, err := addUp(read, day, stats)
	if err != nil {
		return err
	}
	recorded, err := r.recordedSince(ctx)
	if err != nil {
		return err
	}
	for name, a := range stats {
		a.LastHour, a.LastDay = sumsOf(hours, name).window(now, hourSpan, recorded), sumsOf(days, name).window(now, daySpan, recorded)
	}
	fillSparks(stats, floorTo(now.Unix(), engine.SparkStep)-(engine.SparkBuckets-1)*engine.SparkStep, recorded, read, hour)
	return nil
}

// cut parts the closed ones from the newest minutes, which begin at edge.
func cut(edge int64, parts ...part) (closed, newest []part) {
	for _, p := range parts {
		to := p.to
		if p.step == minuteStep {
			to = min(to, edge)
			for minute := max(p.from, edge); minute < p.to; minute += minuteStep {
				newest = append(newest, part{minuteStep, minute, minute + minuteStep})
			}
		}
		if p.from < to {
			closed = append(closed, part{p.step, p.from, to})
		}
	}
	return closed, newest
}

func addUp(read map[part]partSums, parts []part, stats map[string]*engine.AgentStats) (map[string]*sums, error) {
	all := map[string]*sums{}
	for _, p := range parts {
		for name := range stats {
			if packed := read[p].byAgent[name]; packed != nil {
				if err := packed.addTo(sumsOf(all, name)); err != nil {
					return nil, err
				}
			}
		}
	}
	return all, nil
}

// fillSparks counts what ended in minutes of these parts in small buckets.
func fillSparks(stats map[string]*engine.AgentStats, start int64, recorded time.Time, read map[part]partSums, parts []part) {
	for _, a := range stats {
		a.SparkStart = time.Unix(start, 0).UTC()
		a.SparkOK, a.SparkFailed = engine.NewCounts(engine.SparkBuckets, start, engine.SparkStep, recorded), engine.NewCounts(engine.SparkBuckets, start, engine.SparkStep, recorded)
	}
	for _, p := range parts {
		first := (floorTo(p.from, engine.SparkStep) - start) / engine.SparkStep
		for name, counts := range read[p].spark {
			a := stats[name]
			for i, n := range counts {
				if at := first + int64(i); a != nil && at >= 0 {
					a.SparkOK.Add(at, n.ok)
					a.SparkFailed.Add(at, n.failed)
				}
			}
		}
	}
}

// maxSummed bounds of how many agents the sums of a part are kept.
const maxSummed = 200

// closedParts reads parts, or takes what it kept of them, and keeps them until the next time.
func (r *Store) closedParts(ctx context.Context, parts []part, names []string) (map[part]partSums, error) {
	marks, err := r.marksOf(ctx, parts)
	if err != nil {
		return nil, err
	}
	known, read := r.kept(), make(map[part]partSums, len(parts))
	for i, p := range parts {
		found := known[p]
		if found.mark != marks[i] {
			found = partSums{}
		}
		missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return found.of[name] })
		if len(missing) > 0 && len(found.of)+len(missing) > maxSummed {
			found, missing = partSums{}, names
		}
		if len(missing) > 0 {
			// What comes between the mark and this makes the next mark another one.
			more, err := r.readPart(ctx, p, missing)
			if err != nil {
				return nil, err
			}
			found = found.with(more)
			found.mark = marks[i]
		}
		read[p] = found
	}
	kept := maps.Clone(read)
	r.closed.Store(&kept)
	return read, nil
}

// with returns these sums and those of other agents.
func (p partSums) with(other partSums) partSums {
	maps.Copy(other.of, p.of)
	maps.Copy(other.byAgent, p.byAgent)
	maps.Copy(other.spark, p.spark)
	return other
}

// kept is what was read of all but the newest minutes the last time: histograms, by far the most expensive to read, are read again only
// when the plain columns show that something was added.
func (r *Store) kept() map[part]partSums {
	if parts := r.closed.Load(); parts != nil {
		return *parts
	}
	return nil
}

// marksOf reads the marks of several parts at once.
func (r *Store) marksOf(ctx context.Context, parts []part) ([]partMark, error) {
	marks := make([]partMark, len(parts))
	var each []string
	var args []any
	for i, p := range parts {
		n := len(args)
		each = append(each, fmt.Sprintf(`select %d, count(*), coalesce(sum(ok), 0), coalesce(sum(failed), 0), coalesce(sum(timeout), 0),
			coalesce(sum(lost), 0), coalesce(sum(cancelled), 0), coalesce(sum(run_max_ms), 0), coalesce(sum(wait_max_ms), 0),
			coalesce(sum(input_tokens + output_tokens), 0), coalesce(sum(length(run_ms) + length(wait_ms)), 0) from rollup
			where step_s = $%d and agent = '' and queue = '' and start_s >= $%d and start_s < $%d`, i, n+1, n+2, n+3))
		args = append(args, p.step, p.from, p.to)
	}
	rows, err := r.db.Read.QueryContext(ctx, strings.Join(each, " union all "), args...)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var i int
		var m partMark
		err := rows.Scan(&i, &m.rows, &m.ok, &m.failed, &m.timeout, &m.lost, &m.cancelled, &m.runMax, &m.waitMax, &m.tokens, &m.bytes)
		marks[i] = m
		return struct{}{}, err
	})
	return marks, err
}

func (r *Store) readPart(ctx context.Context, p part, names []string) (partSums, error) {
	found := partSums{of: map[string]bool{}, byAgent: map[string]*packedSums{}, spark: map[string][]endedCount{}}
	for _, name := range names {
		found.of[name] = true
	}
	// By agent and time: the cost grows neither with the number of agents nor with how long sums are kept.
	rows, err := r.db.Read.QueryContext(ctx, `select agent, start_s, `+sumColumns+` from `+r.dialect.byAgent+`
		where step_s = $1 and start_s >= $2 and start_s < $3 and `+r.dialect.amongNames, p.step, p.from, p.to, r.db.Names(slices.Values(names)))
	byAgent := map[string]*sums{}
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var name string
		var start int64
		var r sumRow
		if err := rows.Scan(append([]any{&name, &start}, r.fields()...)...); err != nil {
			return struct{}{}, err
		}
		if p.step == minuteStep {
			counts := found.spark[name]
			if counts == nil {
				counts = make([]endedCount, (p.to-1)/engine.SparkStep-p.from/engine.SparkStep+1)
				found.spark[name] = counts
			}
			n := &counts[start/engine.SparkStep-p.from/engine.SparkStep]
			n.ok, n.failed = n.ok+r.ok, n.failed+r.failed+r.timeout+r.lost
		}
		return struct{}{}, sumsOf(byAgent, name).addRow(&r)
	})
	for name, s := range byAgent {
		found.byAgent[name] = &packedSums{s.tallies, s.run.pack(), s.wait.pack()}
	}
	return found, err
}
