package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
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
	if tags.Valid && json.Unmarshal([]byte(tags.String), &d.Tags) != nil {
		d.Tags = []string{}
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

// attemptErrors reads River's list; what is malformed is left out.
func (t *Table) attemptErrors(raw sql.NullString) []AttemptError {
	var entries []struct {
		At      time.Time `json:"at"`
		Attempt int       `json:"attempt"`
		Error   string    `json:"error"`
	}
	if raw.Valid && json.Unmarshal([]byte(raw.String), &entries) != nil {
		entries = nil
	}
	all := make([]AttemptError, 0, len(entries))
	for _, e := range entries {
		all = append(all, AttemptError{At: e.At.UTC(), Attempt: e.Attempt, Error: t.redact.Text(plainError(e.Error))})
	}
	return all
}
