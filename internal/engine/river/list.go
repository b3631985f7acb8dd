package river

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/needle"
)

const (
	listDefault = 50
	listMax     = 200
	// lookFor is how long a page may look for jobs that fit: a filter that hardly any job passes must not read them all. Each
	// page that goes on from there may look four times as long, up to deepest times.
	lookFor = 30 * time.Millisecond
	deepest = 3
	// Jobs are looked at a stretch at a time, each twice as long as the one before.
	scanFirst = 500
	scanMost  = 4_000
	textMost  = 1_000 // their arguments are looked through
	// The jobs of states or kinds that have no more than this are found by the states' or the kinds' index, if the newest jobs
	// do not fill the page.
	fewOfStates = 20_000
	fewOfKind   = 5_000
	rareAfter   = 3_000 // jobs of other kinds
)

// List returns the jobs a filter lets through. A filter that makes no sense is an ErrInvalid.
func (t *Table) List(ctx context.Context, f engine.Filter) (engine.Page, error) {
	w, err := t.walkOf(ctx, f)
	if err != nil {
		return engine.Page{}, err
	}
	run := w.byCreation
	if w.ended {
		run = w.byEnd
	}
	if err := run(ctx); err != nil {
		return engine.Page{}, engine.WrapDB("list jobs", err)
	}
	return w.page, nil
}

// walk goes through the jobs from the newest to the oldest, a stretch at a time.
type walk struct {
	table  *Table
	filter engine.Filter
	needle *needle.Needle    // nil: any text
	ended  bool              // by the end, not by the creation
	below  int64             // ids to come are smaller, if by creation
	lowest int64             // and at least this
	last   place             // of the last job on the page, if by end
	before place             // ends to come are before this one, if by end
	until  int64             // and ids smaller than this
	many   map[together]bool // that are more than are sorted
	began  time.Time         // when the search did
	depth  int               // how many pages have searched before without finding enough
	page   engine.Page
}

func (t *Table) walkOf(ctx context.Context, f engine.Filter) (*walk, error) {
	w := &walk{table: t, filter: f, needle: needle.New(f.Text), below: math.MaxInt64, until: math.MaxInt64, began: time.Now()}
	w.before = t.lastPlace()
	w.page.Jobs, w.page.Order = []engine.Job{}, "created"
	switch {
	case f.Limit < 0 || f.Limit > listMax:
		return nil, engine.ErrorOf(engine.ErrInvalid, "limit is %d: use 1 to %d", f.Limit, listMax)
	case f.Limit == 0:
		w.filter.Limit = listDefault
	}
	w.ended = len(f.States) > 0
	for _, state := range f.States {
		if !slices.Contains(engine.States(), state) {
			return nil, engine.ErrorOf(engine.ErrInvalid, "%q is no state of a job; there are: %s", engine.Clip(string(state), 40), joined(engine.States(), ", "))
		}
		w.ended = w.ended && state.Ended()
	}
	switch {
	case w.ended:
		w.page.Order = "ended"
	case f.EndedSince != nil || f.EndedUntil != nil:
		return nil, engine.ErrorOf(engine.ErrInvalid, "ended_since and ended_until are for jobs that have ended: add state=%s or some of these", joined(endStates, ","))
	}
	if f.EndedUntil != nil {
		w.before = place{at: *f.EndedUntil, id: 1} // no id is smaller
	}
	if f.Cursor != "" && !w.from(f.Cursor) {
		return nil, engine.ErrCursor
	}
	return w, engine.WrapDB("find the time span", w.between(ctx))
}

// endStates are those of jobs that have ended.
var endStates = []engine.State{engine.Completed, engine.Cancelled, engine.Discarded}

func joined(states []engine.State, by string) string {
	texts := make([]string, len(states))
	for i, state := range states {
		texts[i] = string(state)
	}
	return strings.Join(texts, by)
}

// lastPlace is after every job that ended, whatever its clock was.
func (t *Table) lastPlace() place {
	if t.db.Kind == db.SQLite {
		return place{text: "\U0010FFFF", id: math.MaxInt64} // after all texts
	}
	return place{at: db.Infinity, id: math.MaxInt64}
}

// from goes on where a page ended: "ID", or "MICROSECONDS.ID" by end, with "~DEPTH" after a search.
func (w *walk) from(cursor engine.Cursor) bool {
	at, depth, _ := strings.Cut(string(cursor), "~")
	if depth != "" {
		n, err := strconv.Atoi(depth)
		if err != nil || n < 1 || n > deepest {
			return false
		}
		w.depth = n
	}
	micros, id, byEnd := strings.Cut(at, ".")
	if byEnd != w.ended {
		return false
	}
	if !byEnd {
		id = micros
	}
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n < 1 {
		return false
	}
	if !byEnd {
		w.below = n
		return true
	}
	end, ok := endOf(micros)
	end.id = n
	w.before = end
	return ok
}

// between turns times into ids, which come in the order of creation.
func (w *walk) between(ctx context.Context) error {
	if w.filter.Until != nil {
		first, err := w.table.FirstSince(ctx, *w.filter.Until)
		if err != nil {
			return err
		}
		w.below, w.until = min(w.below, first), first
	}
	if w.filter.Since != nil {
		first, err := w.table.FirstSince(ctx, *w.filter.Since)
		if err != nil {
			return err
		}
		w.lowest = first
	}
	return nil
}

func (w *walk) byCreation(ctx context.Context) error {
	seen := 0
	for stretch := scanFirst; ; stretch = min(2*stretch, w.most()) {
		end, n, err := w.stretch(ctx, stretch)
		if err != nil || n == 0 {
			return err
		}
		rows, upTo, err := w.matching(ctx, nil, `j.id < $1 and j.id >= $2`, w.below, end)
		if err != nil || w.take(rows) {
			return err
		}
		if upTo > 0 {
			w.goOnFrom(strconv.FormatInt(upTo, 10))
			return nil
		}
		w.page.Searched += n
		w.below = end
		if seen == 0 {
			if done, err := w.byStates(ctx); err != nil || done {
				return err
			}
		}
		if seen < rareAfter && seen+n >= rareAfter { // once
			if done, err := w.byRareKind(ctx); err != nil || done {
				return err
			}
		}
		seen += n
		if w.timeIsUp() {
			w.goOnFrom(strconv.FormatInt(end, 10))
			return nil
		}
	}
}

// most is how long a stretch gets.
func (w *walk) most() int {
	if w.needle != nil {
		return textMost
	}
	return scanMost
}

// timeIsUp reports whether the search is to end for this page.
func (w *walk) timeIsUp() bool {
	bound := w.table.lookFor << (2 * w.depth)
	w.page.SearchBounded = time.Since(w.began) > bound
	return w.page.SearchBounded
}

// stretch returns where the next n candidates end and how many there are.
func (w *walk) stretch(ctx context.Context, n int) (end int64, found int, err error) {
	err = w.table.db.Read.QueryRowContext(ctx, `select coalesce(min(id), 0), count(*) from (
		select j.id from river_job j where j.id < $1 and j.id >= $2 order by j.id desc limit $3) stretch`, w.below, w.lowest, n).Scan(&end, &found)
	return end, found, err
}

// matching reads the candidates that pass the filter, one more than the page still needs. If the time was up before all were searched
// it returns the last that was. They are searched in an order that is given, else the newest first.
func (w *walk) matching(ctx context.Context, order []int64, candidates string, args ...any) (rows []jobRow, upTo int64, err error) {
	condition := candidates
	add := func(format string, value any) {
		args = append(args, value)
		condition += fmt.Sprintf(format, len(args))
	}
	if len(w.filter.States) > 0 {
		condition += ` and ` + w.table.sql.stateOf + ` in ` + db.Params(len(args)+1, len(w.filter.States))
		for _, state := range w.filter.States {
			args = append(args, state)
		}
	}
	if w.filter.Agent != "" {
		add(` and j.kind = $%d`, w.filter.Agent)
	}
	if w.filter.Queue != "" {
		add(` and j.queue = $%d`, w.filter.Queue)
	}
	if w.needle == nil {
		add(` order by j.id desc limit $%d`, w.filter.Limit-len(w.page.Jobs)+1)
		rows, err = w.table.jobsWhere(ctx, `where `+condition, args...)
		return rows, 0, err
	}
	all, err := w.candidates(ctx, condition, args)
	if err != nil {
		return nil, 0, err
	}
	if order != nil {
		at := make(map[int64]int, len(order))
		for i, id := range order {
			at[id] = i
		}
		slices.SortFunc(all, func(a, b candidate) int { return at[a.id] - at[b.id] })
	}
	found, looked, err := w.search(ctx, all)
	if looked < len(all) {
		w.page.Searched += looked
		upTo = all[looked-1].id
	}
	if err != nil || len(found) == 0 {
		return nil, upTo, err
	}
	rows, err = w.byID(ctx, found)
	return rows, upTo, err
}

// byID reads jobs in the order of the ids.
func (w *walk) byID(ctx context.Context, ids []int64) ([]jobRow, error) {
	condition, args := w.table.db.In(`j.id`, ids)
	rows, err := w.table.jobsWhere(ctx, `where `+condition, args...)
	slices.SortFunc(rows, func(a, b jobRow) int { return slices.Index(ids, a.id) - slices.Index(ids, b.id) })
	return rows, err
}

// take puts jobs on the page; it returns true when the page is full.
func (w *walk) take(rows []jobRow) bool {
	for _, r := range rows {
		if len(w.page.Jobs) == w.filter.Limit {
			w.goOnFrom(string(w.page.Jobs[len(w.page.Jobs)-1].ID))
			return true
		}
		w.page.Jobs = append(w.page.Jobs, r.Job)
	}
	return false
}

// goOnFrom ends the page; a search that found nothing may take longer for the next one.
func (w *walk) goOnFrom(cursor string) {
	if w.page.SearchBounded && len(w.page.Jobs) == 0 {
		cursor = fmt.Sprintf("%s~%d", cursor, min(w.depth+1, deepest))
	}
	next := engine.Cursor(cursor)
	w.page.Next = &next
}
