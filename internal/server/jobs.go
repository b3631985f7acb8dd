package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/agentos/agentos/internal/engine"
)

const maxArgs = 256 << 10

type listJobsInput struct {
	State      []engine.State `query:"state" doc:"Only these states, separated by commas" enum:"available,scheduled,retryable,running,completed,cancelled,discarded,pending"`
	Agent      string         `query:"agent" maxLength:"128"`
	Queue      string         `query:"queue" maxLength:"128"`
	Q          string         `query:"q" maxLength:"200" doc:"Text in the job's id, arguments or last error; for some 30 ms, then a page ends with a cursor to go on from"`
	Since      time.Time      `query:"since" doc:"Created at or after"`
	Until      time.Time      `query:"until" doc:"Created before"`
	EndedSince time.Time      `query:"ended_since" doc:"Ended at or after; with states of ended jobs only"`
	EndedUntil time.Time      `query:"ended_until" doc:"Ended before; with states of ended jobs only"`
	Limit      int            `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor     engine.Cursor  `query:"cursor" maxLength:"2000" doc:"From next of the page before"`
}

func (s *server) listJobs(ctx context.Context, in *listJobsInput) (*body[engine.Page], error) {
	page, err := s.Jobs.List(ctx, engine.Filter{
		States: in.State, Agent: in.Agent, Queue: in.Queue, Text: in.Q,
		Since: timeOrNil(in.Since), Until: timeOrNil(in.Until),
		EndedSince: timeOrNil(in.EndedSince), EndedUntil: timeOrNil(in.EndedUntil), Limit: in.Limit, Cursor: in.Cursor,
	})
	page.Jobs = listed(page.Jobs)
	return answerOr(page, err)
}

func timeOrNil(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

// listed makes the empty list of nil.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// NewJob asks for a job. What is left out is as agentos.yaml says for the agent.
type NewJob struct {
	Agent       string     `json:"agent" minLength:"1" maxLength:"63" doc:"The agent that shall run it"`
	Args        arguments  `json:"args,omitempty" doc:"A JSON object of at most 256 KiB, which the agent reads from standard input"`
	Queue       string     `json:"queue,omitempty" maxLength:"63"`
	Priority    int        `json:"priority,omitempty" minimum:"1" maximum:"4" doc:"1 (first) to 4"`
	ScheduledAt *time.Time `json:"scheduled_at,omitempty" doc:"Not before; left out: now"`
	MaxAttempts int        `json:"max_attempts,omitempty" minimum:"1" maximum:"100"`
	Tags        []string   `json:"tags,omitempty" maxItems:"20"`
}

// arguments is a JSON object kept as it was written: numbers do not lose their digits.
type arguments json.RawMessage

// Schema lets the API's library accept any object.
func (arguments) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// UnmarshalJSON keeps the text.
func (a *arguments) UnmarshalJSON(text []byte) error {
	*a = append((*a)[:0], text...)
	return nil
}

// Resolve checks what the schema cannot: the size of the arguments.
func (j *NewJob) Resolve(_ huma.Context, prefix *huma.PathBuffer) []error {
	if len(j.Args) <= maxArgs {
		return nil
	}
	return []error{&huma.ErrorDetail{
		Location: prefix.With("args"),
		Message:  fmt.Sprintf("expected at most %d bytes, got %d: put the data into a file and give its path", maxArgs, len(j.Args)),
	}}
}

func (s *server) enqueueJob(ctx context.Context, in *struct{ Body NewJob }) (*body[engine.Job], error) {
	b := in.Body
	params := engine.EnqueueParams{
		Agent: b.Agent, Args: json.RawMessage(b.Args), Queue: b.Queue, Priority: b.Priority,
		ScheduledAt: b.ScheduledAt, MaxAttempts: b.MaxAttempts, Tags: b.Tags,
	}
	job, err := s.Fleet.Enqueue(ctx, params)
	target := b.Agent
	if err == nil {
		target = s.jobName(ctx, job.ID, job.Agent)
	}
	s.acted(ctx, "job.enqueue", target, err, engine.JobEnqueued)
	var unknown *engine.UnknownAgentError
	if errors.As(err, &unknown) { // here it is the request's fault, not the address's
		return nil, problem(http.StatusUnprocessableEntity, sentence(unknown.Error()))
	}
	return answerOr(job, err)
}

func answerOr[T any](v T, err error) (*body[T], error) {
	if err != nil {
		return nil, err
	}
	return answerWith(v), nil
}

// jobName names a job for the audit log, also when it is gone. An empty agent is asked for, and left out when there is no such job.
func (s *server) jobName(ctx context.Context, id engine.ID, agent string) string {
	name := "job " + engine.Clip(engine.Clean(string(id)), 100)
	if agent == "" {
		if detail, err := s.Jobs.Get(ctx, id); err == nil {
			agent = detail.Agent
		}
	}
	if agent != "" {
		name += " of " + agent
	}
	return name
}

type jobInput struct {
	ID engine.ID `path:"id" maxLength:"512" doc:"The job's id; escaped where it has a slash: default%2F17"`
}

func (s *server) getJob(ctx context.Context, in *jobInput) (*body[engine.Detail], error) {
	return inTurn(ctx, s, func() (engine.Detail, error) { return s.Jobs.Get(ctx, in.ID) })
}

func (s *server) getJobArgs(ctx context.Context, in *jobInput) (*body[engine.Text], error) {
	return inTurn(ctx, s, func() (engine.Text, error) { return s.Jobs.Args(ctx, in.ID) })
}

type listJobRunsInput struct {
	ID     engine.ID     `path:"id" maxLength:"512" doc:"The job's id"`
	Limit  int           `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor engine.Cursor `query:"cursor" maxLength:"2000" doc:"From next of the page before, or runs_next of the job"`
}

func (s *server) listJobRuns(ctx context.Context, in *listJobRunsInput) (*body[engine.RunPage], error) {
	return inTurn(ctx, s, func() (engine.RunPage, error) { return s.Jobs.Runs(ctx, in.ID, in.Cursor, in.Limit) })
}

type listJobErrorsInput struct {
	ID     engine.ID `path:"id" maxLength:"512" doc:"The job's id"`
	Limit  int       `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Before int64     `query:"before" minimum:"0" default:"0" doc:"Only errors before the one of this number, counted from 1; 0: the newest"`
}

func (s *server) listJobErrors(ctx context.Context, in *listJobErrorsInput) (*body[engine.ErrorPage], error) {
	return inTurn(ctx, s, func() (engine.ErrorPage, error) { return s.Jobs.Errors(ctx, in.ID, in.Before, in.Limit) })
}

// largeAtOnce is how many answers that may have a megabyte are made at a time: each takes some of them while it is made.
const largeAtOnce = 8

// inTurn makes an answer that may be large when it is its turn.
func inTurn[T any](ctx context.Context, s *server, make func() (T, error)) (*body[T], error) {
	select {
	case s.large <- struct{}{}:
		defer func() { <-s.large }()
		return answerOr(make())
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *server) retryJob(ctx context.Context, in *jobInput) (*body[engine.Job], error) {
	job, err := s.Actions.Retry(ctx, in.ID)
	s.acted(ctx, "job.retry", s.jobName(ctx, in.ID, job.Agent), err, engine.JobChanged)
	return answerOr(job, err)
}

func (s *server) cancelJob(ctx context.Context, in *jobInput) (*body[engine.Job], error) {
	job, err := s.Actions.Cancel(ctx, in.ID)
	s.acted(ctx, "job.cancel", s.jobName(ctx, in.ID, job.Agent), err, engine.JobChanged)
	return answerOr(job, err)
}

func (s *server) deleteJob(ctx context.Context, in *jobInput) (*struct{}, error) {
	target := s.jobName(ctx, in.ID, "")
	err := s.Actions.Delete(ctx, in.ID)
	s.acted(ctx, "job.delete", target, err, engine.JobChanged)
	return nil, err
}
