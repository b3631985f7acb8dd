package river

import (
	"context"
	"database/sql"
	"strconv"
	"unicode/utf8"

	"github.com/agentos/agentos/internal/db"
)

const (
	// searchedArgs is how many characters of a job's arguments, and searchedError of its last error, are searched.
	searchedArgs  = 256 << 10
	searchedError = 4_000
	// searchChunk bounds the arguments that one statement reads, in bytes.
	searchChunk = 2 << 20
)

// candidate is a job that may have the text.
type candidate struct {
	id, weight int64
}

// search looks for the text in the candidates, in their order, until it has what the page needs or its time is up. It returns the ids
// of those that have it and how many it looked at: some at least.
func (w *walk) search(ctx context.Context, all []candidate) (found []int64, looked int, err error) {
	limit := w.filter.Limit - len(w.page.Jobs) + 1
	for looked < len(all) && len(found) < limit && (looked == 0 || !w.timeIsUp()) {
		n, bytes := 0, int64(0)
		for ; looked+n < len(all) && n < scanFirst && (n == 0 || bytes < searchChunk); n++ {
			bytes += all[looked+n].weight
		}
		some, err := w.searchChunk(ctx, all[looked:looked+n])
		if err != nil {
			return nil, 0, err
		}
		for _, c := range all[looked : looked+n] {
			if some[c.id] {
				found = append(found, c.id)
			}
		}
		looked += n
	}
	return found, looked, nil
}

func (w *walk) searchChunk(ctx context.Context, chunk []candidate) (found map[int64]bool, err error) {
	ids := make([]int64, len(chunk))
	for i, c := range chunk {
		ids[i] = c.id
	}
	condition, args := w.table.db.In(`j.id`, ids)
	rows, err := w.table.db.Read.QueryContext(ctx, `select j.id, `+w.table.sql.searched+` from river_job j where `+condition, args...)
	found = map[int64]bool{}
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var id int64
		var args, failure sql.NullString
		if err := rows.Scan(&id, &args, &failure); err != nil {
			return struct{}{}, err
		}
		if !args.Valid || len(args.String) >= searchedArgs && utf8.RuneCountInString(args.String) >= searchedArgs {
			w.page.SearchCut++
		}
		if w.has(id, args.String, failure.String) {
			found[id] = true
		}
		return struct{}{}, nil
	})
	return found, err
}

// has reports whether what users may see of a job has the text. What the database has may be a secret, which must not be found out
// by searching.
func (w *walk) has(id int64, args, failure string) bool {
	n, r := w.needle, w.table.redact
	return n.IsNumber && strconv.FormatInt(id, 10) == n.Text ||
		n.In(plainError(failure)) && n.In(r.Text(plainError(failure))) ||
		n.InJSON(args) && n.InJSON(r.Beginning(args))
}

// candidates reads which jobs pass the filter but for the text, and how much of each is to be read.
func (w *walk) candidates(ctx context.Context, condition string, args []any) ([]candidate, error) {
	rows, err := w.table.db.Read.QueryContext(ctx, `select j.id, `+w.table.sql.searchCost+` from river_job j where `+condition+` order by j.id desc`, args...)
	return db.Collect(rows, err, func(rows *sql.Rows) (c candidate, err error) {
		var weight sql.NullInt64
		err = rows.Scan(&c.id, &weight)
		c.weight = weight.Int64
		return c, err
	})
}
