package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	maxDetailArgs = 1 << 20 // bytes of arguments that are shown
	maxDetailRuns = 100
)

// Get returns everything known about a job.
func (s *Service) Get(ctx context.Context, id int64) (Detail, error) {
	d, err := s.detail(ctx, id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Detail{}, NoSuchJob(id)
	case err != nil:
		return Detail{}, Explain(fmt.Sprintf("read job %d", id), err)
	}
	return d, nil
}

func (s *Service) detail(ctx context.Context, id int64) (Detail, error) {
	d, err := s.Row(ctx, id)
	if err != nil {
		return Detail{}, err
	}
	err = s.db.Read.QueryRowContext(ctx, `select `+s.sql.losses+` from river_job j where j.id = $1`, id).Scan(&d.Losses)
	if err != nil {
		return Detail{}, err
	}
	rows, err := s.db.Read.QueryContext(ctx, `select `+runColumns+` from run where job_id = $1 order by attempt desc, started_ms desc, id desc limit $2`, id, maxDetailRuns)
	if d.Runs, err = Collect(rows, err, s.scanRun); err != nil {
		return Detail{}, err
	}
	for _, run := range d.Runs {
		if d.Result == nil && run.Outcome == "ok" {
			d.Result = run.Result
		}
	}
	if len(d.Runs) > 0 {
		d.LogRunID = &d.Runs[0].ID
	}
	return d, nil
}

// Row returns what River knows of a job, without runs. That there is none is sql.ErrNoRows.
func (t *Table) Row(ctx context.Context, id int64) (Detail, error) {
	var args, tags, failures sql.NullString
	r, err := t.scanJob(t.db.Read.QueryRowContext(ctx, `select `+t.sql.jobColumns()+`, `+t.sql.argsFull+`, `+t.sql.tagsJSON+`, `+t.sql.errorsJSON+`
		from river_job j where j.id = $1`, id), &args, &tags, &failures)
	if err != nil {
		return Detail{}, err
	}
	d := Detail{Job: r.Job, ArgsJSON: t.argsJSON(args, r.size), Tags: []string{}, Errors: t.attemptErrors(failures), Runs: []Run{}}
	var some []json.RawMessage
	if tags.Valid && json.Unmarshal([]byte(tags.String), &some) == nil {
		for _, tag := range some {
			d.Tags = append(d.Tags, textOf(tag))
		}
	}
	return d, nil
}

func (t *Table) argsJSON(raw sql.NullString, size int64) json.RawMessage {
	text := fmt.Sprintf("(%s of JSON, which cannot be shown)", sizeText(size))
	if raw.Valid {
		if args, ok := t.redact.JSON(raw.String); ok {
			return json.RawMessage(args)
		}
		text = t.redact.Any(raw.String)
	}
	note, err := json.Marshal(text)
	if err != nil {
		return json.RawMessage(`null`)
	}
	return note
}

// attemptErrors reads River's list; of what is malformed the text is shown.
func (t *Table) attemptErrors(raw sql.NullString) []AttemptError {
	var entries []json.RawMessage
	if raw.Valid && json.Unmarshal([]byte(raw.String), &entries) != nil {
		entries = nil
	}
	all := make([]AttemptError, 0, len(entries))
	for _, entry := range entries {
		var e struct{ At, Attempt, Error json.RawMessage }
		one := AttemptError{}
		if json.Unmarshal(entry, &e) != nil { // no object
			one.Error = string(entry)
		} else {
			_ = json.Unmarshal(e.At, &one.At) // what is malformed stays empty
			_ = json.Unmarshal(e.Attempt, &one.Attempt)
			one.Error = textOf(e.Error)
		}
		one.Error = t.redact.Text(plainError(one.Error))
		all = append(all, one)
	}
	return all
}

// textOf is a string of JSON, or the JSON of what is none.
func textOf(raw json.RawMessage) string {
	var text string
	if len(raw) > 0 && json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	return text
}
