package river

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

const (
	// sameEnd is how many jobs with one time of their end are put in order: more than that, which were ended by one statement,
	// are looked for by their ids.
	sameEnd = 2_000
	// clocksDiffer is how far the clock that gave a job its creation may be ahead of the one that gave it its end.
	clocksDiffer = 10 * time.Minute
)

// place is where a job is among those that ended: the last first, of those that ended together the newest first.
type place struct {
	at   time.Time
	text string // what SQLite keeps, if it does not write at that way; then at is only about right
	id   int64
}

func (p place) String() string {
	if p.text != "" {
		return fmt.Sprintf("t%s.%d", base64.RawURLEncoding.EncodeToString([]byte(p.text)), p.id)
	}
	return fmt.Sprintf("%d.%d", p.at.UnixMicro(), p.id)
}

// endOf reads the first part of a place as String writes it.
func endOf(text string) (p place, ok bool) {
	if raw, odd := strings.CutPrefix(text, "t"); odd {
		kept, err := base64.RawURLEncoding.DecodeString(raw)
		return place{text: string(kept)}, err == nil && len(kept) > 0
	}
	micros, err := strconv.ParseInt(text, 10, 64)
	return place{at: time.UnixMicro(micros)}, err == nil
}

// stamp is the time of a place as an argument to compare with.
func (p place) stamp(d *db.DB) any {
	if p.text != "" {
		return p.text
	}
	return d.Stamp(p.at)
}

// sameTime reports whether jobs ended together.
func (p place) sameTime(other place) bool { return p.at.Equal(other.at) && p.text == other.text }

// compare orders places as the list does.
func (p place) compare(other place) int {
	return cmp.Or(p.laterThan(other), cmp.Compare(other.id, p.id))
}

// laterThan compares the times, the later one first. SQLite compares texts.
func (p place) laterThan(other place) int {
	if p.text == "" && other.text == "" {
		return other.at.Compare(p.at)
	}
	return strings.Compare(cmp.Or(other.text, db.SQLiteTime(other.at)), cmp.Or(p.text, db.SQLiteTime(p.at)))
}

// endedJob is what the index and the filter need to know of a job.
type endedJob struct {
	place
	kind, queue string
}

// together are the jobs that ended in one state at one time.
type together struct {
	state engine.State
	end   string
}

func (p place) in(state engine.State) together { return together{state, p.atZero().String()} }

// atZero is the place before all that ended at the time.
func (p place) atZero() place { p.id = 0; return p }

// stage is what was read of the ended jobs of some states: all from a place to another one.
type stage struct {
	jobs   []endedJob // in order
	others int        // that were looked at
	to     place      // as far as all of them are known, this place included; no matter at the end
	end    bool       // there are no more
}

// byEnd goes through the jobs of the states asked for in the order of their ends, by the index of these.
func (w *walk) byEnd(ctx context.Context) error {
	for stretch := max(w.filter.Limit+1, 100); ; stretch = min(2*stretch, w.most()) {
		next, err := w.nextEnded(ctx, stretch)
		if err != nil {
			return err
		}
		full, err := w.takeEnded(ctx, next.jobs)
		if err != nil || full {
			return err
		}
		w.page.Searched += len(next.jobs) + next.others
		if next.end {
			return nil
		}
		w.before = next.to
		if w.timeIsUp() {
			w.goOnFrom(w.before.String())
			return nil
		}
	}
}

// nextEnded returns the next jobs of the states asked for, about n of them.
func (w *walk) nextEnded(ctx context.Context, n int) (next stage, err error) {
	next.end = true
	for _, state := range w.filter.States { // each is in order by itself
		one, err := w.endedIn(ctx, state, n)
		if err != nil {
			return stage{}, err
		}
		next.jobs = append(next.jobs, one.jobs...)
		next.others += one.others
		if !one.end && (next.end || one.to.compare(next.to) < 0) {
			next.end, next.to = false, one.to
		}
	}
	slices.SortFunc(next.jobs, func(a, b endedJob) int { return a.compare(b.place) })
	if !next.end { // what lies beyond may lack jobs of another state
		next.jobs = slices.DeleteFunc(next.jobs, func(j endedJob) bool { return j.compare(next.to) > 0 })
	}
	if since := w.filter.EndedSince; since != nil {
		all := len(next.jobs)
		next.jobs = slices.DeleteFunc(next.jobs, func(j endedJob) bool { return j.at.Before(*since) })
		next.end = next.end || len(next.jobs) < all || next.to.text == "" && next.to.at.Before(*since)
	}
	return next, nil
}

// endedIn returns the next jobs of one state, about n of them.
func (w *walk) endedIn(ctx context.Context, state engine.State, n int) (stage, error) {
	first, err := w.endedAt(ctx, state, w.before, n)
	if err != nil || !first.end {
		return first, err
	}
	// The index has no ids in it: an order by them would sort all that ended together, however many these are.
	rows, err := w.table.db.Read.QueryContext(ctx, `select id, kind, queue, `+w.table.sql.endText+` from river_job
		where state = $1 and finalized_at is not null`+w.table.sql.endIsText+` and finalized_at < $2 order by finalized_at desc limit $3`, state, w.before.stamp(w.table.db), n+1)
	later, err := db.Collect(rows, err, w.table.scanEnded)
	if err != nil {
		return stage{}, err
	}
	s := stage{jobs: slices.Concat(first.jobs, later), others: first.others, end: len(later) <= n}
	if !s.end { // of the last ones more may have ended at the same time
		last := later[n].place
		s.jobs = slices.DeleteFunc(s.jobs, func(j endedJob) bool { return j.sameTime(last) })
		last.id = math.MaxInt64
		if len(s.jobs) == 0 {
			s, err = w.endedAt(ctx, state, last, n)
			if s.end {
				last.id = 1 // no id is smaller
				s.end, s.to = false, last
			}
			return s, err
		}
		s.to = last
	}
	slices.SortFunc(s.jobs, func(a, b endedJob) int { return a.compare(b.place) })
	return s, nil
}

// endedAt returns the jobs of one state that ended at the time of a place and come after it.
func (w *walk) endedAt(ctx context.Context, state engine.State, from place, n int) (stage, error) {
	if w.many[from.in(state)] {
		return w.byIDs(ctx, state, from, n)
	}
	rows, err := w.table.db.Read.QueryContext(ctx, `select id, kind, queue, `+w.table.sql.endText+` from river_job
		where state = $1 and finalized_at is not null and finalized_at = $2 limit $3`, state, from.stamp(w.table.db), w.table.sameEnd+1)
	all, err := db.Collect(rows, err, w.table.scanEnded)
	if err != nil {
		return stage{}, err
	}
	if len(all) > w.table.sameEnd {
		if w.many == nil {
			w.many = map[together]bool{}
		}
		w.many[from.in(state)] = true
		return w.byIDs(ctx, state, from, n)
	}
	all = slices.DeleteFunc(all, func(j endedJob) bool { return j.id >= from.id })
	slices.SortFunc(all, func(a, b endedJob) int { return a.compare(b.place) })
	return stage{jobs: all, end: true}, nil
}

// byIDs is endedAt for jobs too many to sort: they lie close together as a rule.
func (w *walk) byIDs(ctx context.Context, state engine.State, from place, n int) (stage, error) {
	if from.id == math.MaxInt64 { // those that were created later cannot be among them
		first, err := w.table.FirstSince(ctx, from.at.Add(clocksDiffer))
		if err != nil {
			return stage{}, err
		}
		from.id = first
	}
	s, at := stage{to: from}, from.stamp(w.table.db)
	rows, err := w.table.db.Read.QueryContext(ctx, `select id, kind, queue, coalesce(state = $1 and finalized_at = $2, false)
		from (select id, kind, queue, state, finalized_at from river_job where id < $3 order by id desc limit $4) newest`, state, at, from.id, n)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		j, fits := endedJob{place: from}, false
		err := rows.Scan(&j.id, engine.ScanName(&j.kind), engine.ScanName(&j.queue), &fits)
		if fits {
			s.jobs = append(s.jobs, j)
		} else {
			s.others++
		}
		s.to.id = min(s.to.id, j.id)
		return struct{}{}, err
	})
	if err != nil {
		return stage{}, err
	}
	s.end = len(s.jobs)+s.others < n
	slices.SortFunc(s.jobs, func(a, b endedJob) int { return a.compare(b.place) })
	if s.end || len(s.jobs) > 0 {
		return s, nil
	}
	// Over the gap at once, at the cost of a look at all of them. The sum keeps the planner from walking down the ids.
	var next sql.NullInt64
	err = w.table.db.Read.QueryRowContext(ctx, `select max(id + 0) from river_job
		where state = $1 and finalized_at is not null and finalized_at = $2 and id < $3`, state, at, s.to.id).Scan(&next)
	s.end, s.to.id = !next.Valid, next.Int64+1
	return s, err
}

func (t *Table) scanEnded(rows *sql.Rows) (j endedJob, err error) {
	if t.db.Kind == db.Postgres {
		var end engine.Time
		err = rows.Scan(&j.id, engine.ScanName(&j.kind), engine.ScanName(&j.queue), &end)
		j.at = end.Time
		return j, err
	}
	var kept string
	if err := rows.Scan(&j.id, engine.ScanName(&j.kind), engine.ScanName(&j.queue), &kept); err != nil {
		return j, err
	}
	var end engine.Time
	_ = end.Scan(kept) // it takes any text
	j.at = end.Time
	if db.SQLiteTime(j.at) != kept {
		j.text = kept
	}
	return j, nil
}

// takeEnded puts those that pass the filter on the page; it returns true when the page is full.
func (w *walk) takeEnded(ctx context.Context, next []endedJob) (full bool, err error) {
	places := map[int64]place{}
	var ids []int64
	for _, j := range next {
		fits := (w.filter.Agent == "" || j.kind == w.filter.Agent) && (w.filter.Queue == "" || j.queue == w.filter.Queue) && j.id >= w.lowest && j.id < w.until
		if !fits {
			continue
		}
		ids, places[j.id] = append(ids, j.id), j.place
		if w.needle == nil && len(ids) > w.filter.Limit-len(w.page.Jobs) {
			break
		}
	}
	searched := 0
	for chunk := range slices.Chunk(ids, scanFirst) {
		condition, args := w.table.db.In(`j.id`, chunk)
		rows, upTo, err := w.matching(ctx, chunk, condition, args...)
		if err != nil {
			return false, err
		}
		slices.SortFunc(rows, func(a, b jobRow) int { return slices.Index(chunk, a.id) - slices.Index(chunk, b.id) })
		for _, r := range rows {
			if len(w.page.Jobs) == w.filter.Limit {
				w.goOnFrom(w.last.String())
				return true, nil
			}
			w.last = places[r.id]
			r.Order = -w.last.at.UnixMilli()
			w.page.Jobs = append(w.page.Jobs, r.Job)
		}
		if upTo > 0 {
			w.page.Searched += searched
			w.goOnFrom(places[upTo].String())
			return true, nil
		}
		searched += len(chunk)
	}
	return false, nil
}
