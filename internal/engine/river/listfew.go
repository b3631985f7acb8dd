package river

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/agentos/agentos/internal/db"
)

// byStates fills the page from the index of states, if there are few jobs of those asked for: they may lie below any number of
// others. It returns false if there are too many, or no states are asked for.
func (w *walk) byStates(ctx context.Context) (done bool, err error) {
	if len(w.filter.States) == 0 {
		return false, nil
	}
	for {
		ids, few, err := w.newestOfStates(ctx, scanFirst)
		if err != nil || !few {
			return false, err
		}
		if len(ids) == 0 {
			return true, nil
		}
		full, err := w.through(ctx, ids)
		if err != nil || full || len(ids) < scanFirst {
			return true, err
		}
		w.below = ids[len(ids)-1]
		if w.timeIsUp() {
			w.goOnFrom(strconv.FormatInt(w.below, 10))
			return true, nil
		}
	}
}

// newestOfStates returns the next n jobs of the states asked for, newest first, unless there are more than fewOfStates in all.
func (w *walk) newestOfStates(ctx context.Context, n int) (ids []int64, few bool, err error) {
	var each []string
	var args []any
	place := func(value any) string {
		args = append(args, value)
		return fmt.Sprintf("$%d", len(args))
	}
	for _, state := range w.filter.States {
		// In the order of the index that is meant: else the planner may read the table from its beginning.
		condition, order := `state = `+place(state), `queue, priority, scheduled_at, id`
		if state.Ended() {
			condition, order = condition+` and finalized_at is not null`, `finalized_at`
		} else if w.filter.Queue != "" {
			condition += ` and queue = ` + place(w.filter.Queue)
		}
		each = append(each, `select id from (select id from river_job where `+condition+` order by `+order+` limit `+place(fewOfStates+1)+`) one`)
	}
	rows, err := w.table.db.Read.QueryContext(ctx, `with few as (`+strings.Join(each, " union all ")+` limit `+place(fewOfStates+1)+`)
		select -count(*) from few union all select id from (select id from few where id < `+place(w.below)+` and id >= `+place(w.lowest)+`
		order by id desc limit `+place(n)+`) next`, args...)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (id int64, err error) {
		if err = rows.Scan(&id); id > 0 {
			ids = append(ids, id)
		} else {
			few = -id <= fewOfStates
		}
		return id, err
	})
	slices.SortFunc(ids, func(a, b int64) int { return cmp.Compare(b, a) })
	return ids, few, err
}

// byRareKind fills the page with the jobs of the kind asked for, if none of the newest is of it and they are few. The index of kinds
// does not say how many there are: it costs as much as reading fewOfKind rows.
func (w *walk) byRareKind(ctx context.Context) (done bool, err error) {
	if w.filter.Agent == "" || len(w.page.Jobs) > 0 || w.depth > 0 {
		return false, nil
	}
	rows, err := w.table.db.Read.QueryContext(ctx, `select id from river_job where kind = $1 limit $2`, w.filter.Agent, fewOfKind+1)
	ids, err := db.Collect(rows, err, db.ScanID)
	if err != nil || len(ids) > fewOfKind {
		return false, err
	}
	ids = slices.DeleteFunc(ids, func(id int64) bool { return id >= w.below || id < w.lowest })
	slices.SortFunc(ids, func(a, b int64) int { return cmp.Compare(b, a) })
	for chunk := range slices.Chunk(ids, scanFirst) {
		if full, err := w.through(ctx, chunk); err != nil || full {
			return true, err
		}
	}
	return true, nil
}

// through looks at the given jobs; it returns true when the page is full.
func (w *walk) through(ctx context.Context, ids []int64) (full bool, err error) {
	condition, args := w.table.db.In(`j.id`, ids)
	rows, upTo, err := w.matching(ctx, nil, condition, args...)
	if err != nil || w.take(rows) {
		return true, err
	}
	if upTo > 0 {
		w.goOnFrom(strconv.FormatInt(upTo, 10))
		return true, nil
	}
	w.page.Searched += len(ids)
	return false, nil
}
