package jobs

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Filter says which jobs a list holds. Zero values do not restrict.
type Filter struct {
	States []string
	Agent  string
	Queue  string
	Text   string // in the id, the redacted arguments (up to 16 KB of them) or the last error
	Since  *time.Time
	Until  *time.Time // created before
	Limit  int        // zero means 50; at most 200
	Cursor string     // Page.Next of the page before
}

// Page is a part of a list of jobs, newest first.
type Page struct {
	Jobs          []Job   `json:"jobs"`
	Next          *string `json:"next" doc:"The cursor of the next page; null at the end"`
	Searched      int     `json:"searched" doc:"How many jobs were looked at for this page"`
	SearchBounded bool    `json:"search_bounded" doc:"The search stopped before the page was full: the next page goes on from there"`
}

const (
	listDefault = 50
	listMax     = 200
	// How many jobs are looked at for one page: a filter that hardly any job passes must not read them all.
	scanBound = 50_000
	textBound = 10_000
	scanFirst = 500 // the first stretch; each further one is twice as long
	scanMost  = 5_000
	// rareBound: the jobs of states that have no more than this are found by the states' index instead.
	rareBound = 5_000
)

var jobStates = []string{"available", "scheduled", "retryable", "running", "completed", "cancelled", "discarded", "pending"}

// List returns the jobs a filter lets through. A filter that makes no sense is an ErrInvalid.
func (t *Table) List(ctx context.Context, f Filter) (Page, error) {
	w, err := t.walkOf(ctx, f)
	if err != nil {
		return Page{}, err
	}
	if err := w.run(ctx); err != nil {
		return Page{}, Explain("list jobs", err)
	}
	return w.page, nil
}

// walk goes through the jobs from the newest to the oldest, a stretch at a time.
type walk struct {
	table  *Table
	filter Filter
	text   string
	below  int64 // ids to come are smaller
	lowest int64 // and at least this
	bound  int
	page   Page
}

func (t *Table) walkOf(ctx context.Context, f Filter) (*walk, error) {
	w := &walk{table: t, filter: f, text: strings.ToLower(strings.TrimSpace(f.Text)), below: math.MaxInt64, bound: scanBound}
	w.page.Jobs = []Job{}
	switch {
	case f.Limit < 0 || f.Limit > listMax:
		return nil, ErrorOf(ErrInvalid, "limit is %d: use 1 to %d", f.Limit, listMax)
	case f.Limit == 0:
		w.filter.Limit = listDefault
	}
	for _, state := range f.States {
		if !slices.Contains(jobStates, state) {
			return nil, ErrorOf(ErrInvalid, "%q is no state of a job; there are: %s", Clip(state, 40), strings.Join(jobStates, ", "))
		}
	}
	if w.text != "" {
		w.bound = textBound
	}
	if f.Cursor != "" {
		id, err := strconv.ParseInt(f.Cursor, 10, 64)
		if err != nil || id < 1 {
			return nil, ErrorOf(ErrInvalid, "the cursor is not one of a page: leave it out to begin with the newest")
		}
		w.below = id
	}
	return w, Explain("find the time span", w.between(ctx))
}

// between turns times into ids, which come in the order of creation.
func (w *walk) between(ctx context.Context) error {
	if w.filter.Until != nil {
		first, err := w.table.FirstSince(ctx, *w.filter.Until)
		if err != nil {
			return err
		}
		w.below = min(w.below, first)
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

func (w *walk) run(ctx context.Context) error {
	ids, rare, err := w.rareIDs(ctx)
	if err != nil {
		return err
	}
	if rare {
		return w.through(ctx, ids)
	}
	for stretch := scanFirst; ; stretch = min(2*stretch, scanMost) {
		end, n, err := w.stretch(ctx, stretch)
		if err != nil || n == 0 {
			return err
		}
		rows, err := w.matching(ctx, `j.id < $1 and j.id >= $2`, w.below, end)
		if err != nil || w.take(rows) {
			return err
		}
		w.page.Searched += n
		w.below = end
		if w.page.Searched >= w.bound {
			w.goOnFrom(end)
			w.page.SearchBounded = true
			return nil
		}
	}
}

// stretch returns where the next n candidates end and how many there are.
func (w *walk) stretch(ctx context.Context, n int) (end int64, found int, err error) {
	condition, args := `j.id < $1 and j.id >= $2`, []any{w.below, w.lowest, n}
	if w.filter.Agent != "" { // the index by kind has the ids in order
		condition, args = condition+` and j.kind = $4`, append(args, w.filter.Agent)
	}
	err = w.table.db.Read.QueryRowContext(ctx, `select coalesce(min(id), 0), count(*) from (
		select j.id from river_job j where `+condition+` order by j.id desc limit $3) stretch`, args...).Scan(&end, &found)
	return end, found, err
}

// rareIDs returns all jobs of the states asked for, newest first, if they are few.
func (w *walk) rareIDs(ctx context.Context) ([]int64, bool, error) {
	if len(w.filter.States) == 0 {
		return nil, false, nil
	}
	var ids []int64
	for _, state := range w.filter.States {
		condition := `state = $1`
		if slices.Contains([]string{"completed", "cancelled", "discarded"}, state) {
			condition += ` and finalized_at is not null` // the other index
		}
		args := []any{state, rareBound + 1 - len(ids)}
		if w.filter.Queue != "" && !strings.Contains(condition, "finalized") {
			condition, args = condition+` and queue = $3`, append(args, w.filter.Queue)
		}
		rows, err := w.table.db.Read.QueryContext(ctx, `select id from river_job where `+condition+` limit $2`, args...)
		some, err := Collect(rows, err, scanID)
		if err != nil {
			return nil, false, err
		}
		if ids = append(ids, some...); len(ids) > rareBound {
			return nil, false, nil
		}
	}
	ids = slices.DeleteFunc(ids, func(id int64) bool { return id >= w.below || id < w.lowest })
	slices.SortFunc(ids, func(a, b int64) int { return int(b - a) })
	return ids, true, nil
}

// through looks at the given jobs.
func (w *walk) through(ctx context.Context, ids []int64) error {
	for chunk := range slices.Chunk(ids, scanFirst) {
		condition, args := w.table.sql.in(`j.id`, 1, chunk)
		rows, err := w.matching(ctx, condition, args...)
		if err != nil || w.take(rows) {
			return err
		}
		w.page.Searched += len(chunk)
	}
	return nil
}

// matching reads the candidates that pass the filter, one more than the page still needs.
func (w *walk) matching(ctx context.Context, candidates string, args ...any) ([]jobRow, error) {
	condition := candidates
	add := func(format string, value any) {
		args = append(args, value)
		condition += fmt.Sprintf(format, len(args))
	}
	if len(w.filter.States) > 0 {
		condition += ` and j.state in ` + list(len(args)+1, len(w.filter.States))
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
	limit := w.filter.Limit - len(w.page.Jobs) + 1
	if w.text == "" {
		add(` order by j.id desc limit $%d`, limit)
		return w.table.jobsWhere(ctx, `where `+condition, args...)
	}
	add(` and (cast(j.id as text) = $%[1]d or `+w.table.sql.argsHave+` or `+w.table.sql.errorHas+`)`, w.text)
	rows, err := w.table.jobsWhere(ctx, `where `+condition+` order by j.id desc`, args...)
	// What the database found may be a secret, which must not be found out by searching.
	rows = slices.DeleteFunc(rows, func(r jobRow) bool { return !r.contains(w.text) })
	return rows[:min(len(rows), limit)], err
}

// contains tells whether what users may see of a job has the text, which is in lower case.
func (r *jobRow) contains(text string) bool {
	if strconv.FormatInt(r.ID, 10) == text || r.Error != nil && strings.Contains(strings.ToLower(*r.Error), text) {
		return true
	}
	args, ok := redact(r.rawArgs.String)
	return ok && strings.Contains(strings.ToLower(args), text)
}

// take puts jobs on the page; it returns true when the page is full.
func (w *walk) take(rows []jobRow) bool {
	for _, r := range rows {
		if len(w.page.Jobs) == w.filter.Limit {
			w.goOnFrom(w.page.Jobs[len(w.page.Jobs)-1].ID)
			return true
		}
		w.page.Jobs = append(w.page.Jobs, r.Job)
	}
	return false
}

func (w *walk) goOnFrom(id int64) {
	cursor := strconv.FormatInt(id, 10)
	w.page.Next = &cursor
}
