package jobs

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"
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
	at time.Time
	id int64
}

func (p place) String() string { return fmt.Sprintf("%d.%d", p.at.UnixMicro(), p.id) }

// compare orders places as the list does.
func (p place) compare(other place) int {
	return cmp.Or(other.at.Compare(p.at), cmp.Compare(other.id, p.id))
}

// endedJob is what the index and the filter need to know of a job.
type endedJob struct {
	place
	kind, queue string
}

// together are the jobs that ended in one state at one time.
type together struct {
	state  string
	micros int64
}

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
	return next, nil
}

// endedIn returns the next jobs of one state, about n of them.
func (w *walk) endedIn(ctx context.Context, state string, n int) (stage, error) {
	first, err := w.endedAt(ctx, state, w.before, n)
	if err != nil || !first.end {
		return first, err
	}
	// The index has no ids in it: an order by them would sort all that ended together, however many these are.
	rows, err := w.table.db.Read.QueryContext(ctx, `select id, kind, queue, finalized_at from river_job
		where state = $1 and finalized_at is not null and finalized_at < $2 order by finalized_at desc limit $3`, state, w.table.db.Stamp(w.before.at), n+1)
	later, err := Collect(rows, err, scanEnded)
	if err != nil {
		return stage{}, err
	}
	s := stage{jobs: slices.Concat(first.jobs, later), others: first.others, end: len(later) <= n}
	if !s.end { // of the last ones more may have ended at the same time
		last := later[n].at
		s.jobs = slices.DeleteFunc(s.jobs, func(j endedJob) bool { return j.at.Equal(last) })
		if len(s.jobs) == 0 {
			s, err = w.endedAt(ctx, state, place{last, math.MaxInt64}, n)
			if s.end {
				s.end, s.to = false, place{last, 1} // no id is smaller
			}
			return s, err
		}
		s.to = place{last, math.MaxInt64}
	}
	slices.SortFunc(s.jobs, func(a, b endedJob) int { return a.compare(b.place) })
	return s, nil
}

// endedAt returns the jobs of one state that ended at the time of a place and come after it.
func (w *walk) endedAt(ctx context.Context, state string, from place, n int) (stage, error) {
	if w.many[together{state, from.at.UnixMicro()}] {
		return w.byIDs(ctx, state, from, n)
	}
	rows, err := w.table.db.Read.QueryContext(ctx, `select id, kind, queue, finalized_at from river_job
		where state = $1 and finalized_at is not null and finalized_at = $2 limit $3`, state, w.table.db.Stamp(from.at), w.table.sameEnd+1)
	all, err := Collect(rows, err, scanEnded)
	if err != nil {
		return stage{}, err
	}
	if len(all) > w.table.sameEnd {
		if w.many == nil {
			w.many = map[together]bool{}
		}
		w.many[together{state, from.at.UnixMicro()}] = true
		return w.byIDs(ctx, state, from, n)
	}
	all = slices.DeleteFunc(all, func(j endedJob) bool { return j.id >= from.id })
	slices.SortFunc(all, func(a, b endedJob) int { return a.compare(b.place) })
	return stage{jobs: all, end: true}, nil
}

// byIDs is endedAt for jobs too many to sort: they lie close together as a rule.
func (w *walk) byIDs(ctx context.Context, state string, from place, n int) (stage, error) {
	if from.id == math.MaxInt64 { // those that were created later cannot be among them
		first, err := w.table.FirstSince(ctx, from.at.Add(clocksDiffer))
		if err != nil {
			return stage{}, err
		}
		from.id = first
	}
	s, at := stage{to: from}, w.table.db.Stamp(from.at)
	rows, err := w.table.db.Read.QueryContext(ctx, `select id, kind, queue, coalesce(state = $1 and finalized_at = $2, false)
		from (select id, kind, queue, state, finalized_at from river_job where id < $3 order by id desc limit $4) newest`, state, at, from.id, n)
	_, err = Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		j, fits := endedJob{place: place{at: from.at}}, false
		err := rows.Scan(&j.id, &j.kind, &j.queue, &fits)
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
	// Over the gap at once, at the price of a look at all of them. The sum keeps the planner from walking down the ids.
	var next sql.NullInt64
	err = w.table.db.Read.QueryRowContext(ctx, `select max(id + 0) from river_job
		where state = $1 and finalized_at is not null and finalized_at = $2 and id < $3`, state, at, s.to.id).Scan(&next)
	s.end, s.to.id = !next.Valid, next.Int64+1
	return s, err
}

func scanEnded(rows *sql.Rows) (j endedJob, err error) {
	return j, rows.Scan(&j.id, &j.kind, &j.queue, &j.at)
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
		if w.text == "" && len(ids) > w.filter.Limit-len(w.page.Jobs) {
			break
		}
	}
	for chunk := range slices.Chunk(ids, scanFirst) {
		condition, args := w.table.sql.in(`j.id`, chunk)
		rows, err := w.matching(ctx, condition, args...)
		if err != nil {
			return false, err
		}
		slices.SortFunc(rows, func(a, b jobRow) int { return slices.Index(chunk, a.ID) - slices.Index(chunk, b.ID) })
		for _, r := range rows {
			if len(w.page.Jobs) == w.filter.Limit {
				w.goOnFrom(w.last.String())
				return true, nil
			}
			w.last = places[r.ID]
			r.Order = -w.last.at.UnixMilli()
			w.page.Jobs = append(w.page.Jobs, r.Job)
		}
	}
	return false, nil
}
