package river

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

const (
	// What an answer has of one text at most: the beginning of a longer one, and more on request.
	inlineArgs   = 256 << 10
	inlineResult = 64 << 10
	shownOfArgs  = 16 << 10 // when they are longer than inlineArgs
	// maxStored is up to which size a value is unpacked to show its beginning, as it is stored.
	maxStored = 16 << 20

	pageOfRuns   = 20
	pageOfErrors = 20
	maxPage      = 100 // of either
)

// Get returns everything known about a job, in an answer of bounded size.
func (rd *Reader) Get(ctx context.Context, id engine.ID) (engine.Detail, error) {
	job, err := JobNumber(id)
	if err != nil {
		return engine.Detail{}, err
	}
	d, err := rd.detail(ctx, job)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return engine.Detail{}, engine.NoSuchJob(id)
	case err != nil:
		return engine.Detail{}, engine.WrapDB(fmt.Sprintf("read job %d", job), err)
	}
	return d, nil
}

func (rd *Reader) detail(ctx context.Context, id int64) (engine.Detail, error) {
	d, err := rd.Row(ctx, id)
	if err != nil {
		return engine.Detail{}, err
	}
	err = rd.db.Read.QueryRowContext(ctx, `select `+rd.sql.losses+` from river_job j where j.id = $1`, id).Scan(&d.Losses)
	if err != nil {
		return engine.Detail{}, err
	}
	page, err := rd.runsBefore(ctx, id, math.MaxInt64, pageOfRuns)
	if err != nil {
		return engine.Detail{}, err
	}
	d.Runs, d.RunsNext = page.Runs, page.Next
	if len(d.Runs) > 0 {
		d.LogRunID = &d.Runs[0].ID
	}
	if err := rd.db.Read.QueryRowContext(ctx, `select count(*) from run where job_id = $1`, id).Scan(&d.RunsTotal); err != nil {
		return engine.Detail{}, err
	}
	var run sql.Null[engine.ID]
	var size sql.Null[int64]
	var result sql.NullString
	err = rd.db.Read.QueryRowContext(ctx, `select id, substr(result, 1, $2), octet_length(result) from run
		where job_id = $1 and outcome = 'ok' order by id desc limit 1`, id, inlineResult).Scan(&run, &result, &size)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return engine.Detail{}, err
	}
	d.ResultRunID, d.ResultBytes = db.Ptr(run), db.Ptr(size)
	if result.Valid {
		text := rd.Text(result.String, size.V)
		d.Result, d.ResultCut = &text.Text, text.Cut
	}
	return d, nil
}

// Text takes the secrets out of the beginning of a text of a size.
func (t *Table) Text(beginning string, size int64) engine.Text {
	if int64(len(beginning)) < size {
		return engine.Text{Text: t.redact.Beginning(beginning), Bytes: size, Cut: true}
	}
	return engine.Text{Text: t.redact.Output(beginning), Bytes: size}
}

// Runs returns the attempts at a job that come after the page before, whose cursor that is; empty for the newest.
func (rd *Reader) Runs(ctx context.Context, id engine.ID, cursor engine.Cursor, limit int) (engine.RunPage, error) {
	job, err := JobNumber(id)
	if err != nil {
		return engine.RunPage{}, err
	}
	before := int64(math.MaxInt64)
	if cursor != "" {
		if before, err = strconv.ParseInt(string(cursor), 10, 64); err != nil || before < 1 {
			return engine.RunPage{}, engine.ErrorOf(engine.ErrInvalid, "the cursor is not one of a page of attempts: leave it out to begin with the newest")
		}
	}
	page, err := rd.runsBefore(ctx, job, before, min(cmp.Or(max(limit, 0), pageOfRuns), maxPage))
	return page, engine.WrapDB("read the attempts", err)
}

func (rd *Reader) runsBefore(ctx context.Context, job, before int64, limit int) (page engine.RunPage, err error) {
	rows, err := rd.db.Read.QueryContext(ctx, `select `+runColumns+` from run where job_id = $1 and id < $2 order by id desc limit $3`, job, before, limit+1)
	if page.Runs, err = db.Collect(rows, err, rd.scanRun); err != nil {
		return page, err
	}
	if len(page.Runs) > limit {
		page.Runs = page.Runs[:limit]
		next := engine.Cursor(page.Runs[limit-1].ID)
		page.Next = &next
	}
	return page, nil
}

// Result returns what an attempt wrote to standard output.
func (rd *Reader) Result(ctx context.Context, id engine.ID) (engine.Text, error) {
	run, ok := id.Number()
	if !ok {
		return engine.Text{}, engine.NoSuchRun(id)
	}
	var result sql.NullString
	var size sql.NullInt64
	err := rd.db.Read.QueryRowContext(ctx, `select substr(result, 1, $2), octet_length(result) from run where id = $1`, run, engine.MaxText).Scan(&result, &size)
	if errors.Is(err, sql.ErrNoRows) {
		return engine.Text{}, engine.NoSuchRun(id)
	}
	return rd.Text(result.String, size.Int64), engine.WrapDB("read the result", err)
}

// Args returns the arguments of a job.
func (t *Table) Args(ctx context.Context, id engine.ID) (engine.Text, error) {
	job, err := JobNumber(id)
	if err != nil {
		return engine.Text{}, err
	}
	var part sql.NullString
	var size sql.NullInt64
	err = t.db.Read.QueryRowContext(ctx, `select `+t.sql.argsPart+` from river_job j where j.id = $1`, job, engine.MaxText).Scan(&part, &size)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return engine.Text{}, engine.NoSuchJob(id)
	case err != nil:
		return engine.Text{}, engine.WrapDB("read the arguments", err)
	}
	return t.Text(part.String, size.Int64), nil
}

// Row returns what River knows of a job, without runs. That there is none is sql.ErrNoRows.
func (t *Table) Row(ctx context.Context, id int64) (engine.Detail, error) {
	var args, tags sql.NullString
	var size sql.NullInt64
	var total int64
	r, err := t.scanJob(t.db.Read.QueryRowContext(ctx, `select `+t.sql.jobColumns()+`, `+t.sql.argsPart+`, `+t.sql.tagsJSON+`, `+t.sql.errorsTotal+`
		from river_job j where j.id = $1`, id, inlineArgs), &args, &size, &tags, &total)
	if err != nil {
		return engine.Detail{}, err
	}
	d := engine.Detail{Job: r.Job, ArgsBytes: size.Int64, Tags: []string{}, Runs: []engine.Run{}, Notes: []engine.Note{}, ErrorsTotal: total}
	d.ArgsJSON, d.ArgsCut = t.argsJSON(args, size.Int64)
	page, err := t.errorsBefore(ctx, id, math.MaxInt32, pageOfErrors)
	if err != nil {
		return engine.Detail{}, err
	}
	d.Errors = page.Errors
	slices.Reverse(d.Errors)
	var some []json.RawMessage
	if tags.Valid && json.Unmarshal([]byte(tags.String), &some) == nil {
		for _, tag := range some {
			d.Tags = append(d.Tags, textOf(tag))
		}
	}
	return d, nil
}

// argsJSON returns arguments as JSON. Of what is too long, or no JSON, that is a string with the beginning of its text.
func (t *Table) argsJSON(raw sql.NullString, size int64) (shown json.RawMessage, cut bool) {
	text := fmt.Sprintf("(%s of JSON, which cannot be shown)", engine.SizeText(size))
	cut = raw.Valid && int64(len(raw.String)) < size || !raw.Valid && size > 0
	switch {
	case raw.Valid && cut:
		text = engine.Clip(t.redact.Beginning(raw.String), shownOfArgs)
	case raw.Valid:
		if args, ok := t.redact.JSON(raw.String); ok {
			return json.RawMessage(args), false
		}
		text = t.redact.Any(raw.String)
	}
	note, err := json.Marshal(text)
	if err != nil {
		return json.RawMessage(`null`), cut
	}
	return note, cut
}

// Errors returns the errors of a job before the one of a number, newest first; 0 for the newest.
func (t *Table) Errors(ctx context.Context, id engine.ID, before int64, limit int) (engine.ErrorPage, error) {
	job, err := JobNumber(id)
	if err != nil {
		return engine.ErrorPage{}, err
	}
	if before <= 0 || before > math.MaxInt32 {
		before = math.MaxInt32
	}
	page, err := t.errorsBefore(ctx, job, before, min(cmp.Or(max(limit, 0), pageOfErrors), maxPage))
	return page, engine.WrapDB("read the errors", err)
}

func (t *Table) errorsBefore(ctx context.Context, job, before int64, limit int) (page engine.ErrorPage, err error) {
	type numbered struct {
		n     int64
		entry sql.NullString
	}
	rows, err := t.db.Read.QueryContext(ctx, t.sql.errorsPart, job, before, limit)
	some, err := db.Collect(rows, err, func(rows *sql.Rows) (e numbered, err error) { return e, rows.Scan(&e.n, &e.entry) })
	slices.SortFunc(some, func(a, b numbered) int { return cmp.Compare(b.n, a.n) })
	page.Errors = []engine.AttemptError{}
	for _, e := range some {
		page.Errors = append(page.Errors, t.attemptError(e.entry.String))
	}
	if len(some) == limit && some[limit-1].n > 1 {
		page.Next = &some[limit-1].n
	}
	return page, err
}

// attemptError reads an entry of River's list; of what is malformed the text is shown.
func (t *Table) attemptError(entry string) (one engine.AttemptError) {
	var e struct{ At, Attempt, Error json.RawMessage }
	if json.Unmarshal([]byte(entry), &e) != nil { // no object
		one.Error = entry
	} else {
		_ = json.Unmarshal(e.At, &one.At) // what is malformed stays empty
		_ = json.Unmarshal(e.Attempt, &one.Attempt)
		one.Error = textOf(e.Error)
	}
	one.Error = engine.Clip(t.redact.Text(plainError(one.Error)), engine.MaxErrorText)
	return one
}

// textOf is a string of JSON, or the JSON of what is none.
func textOf(raw json.RawMessage) string {
	var text string
	if len(raw) > 0 && json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	return text
}
