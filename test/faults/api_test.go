//go:build linux

package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/agentos/agentos/test/api"
	"github.com/agentos/agentos/test/cluster"
)

// job is what these tests read of a job.
type job struct {
	ID      int64   `json:"id,string"`
	Agent   string  `json:"agent"`
	State   string  `json:"state"`
	Attempt int     `json:"attempt"`
	Error   *string `json:"error"`
	Runs    []run   `json:"runs"` // newest first
	Result  *string `json:"result"`
}

// run is what these tests read of an attempt.
type run struct {
	ID              int64     `json:"id,string"`
	Attempt         int       `json:"attempt"`
	Outcome         string    `json:"outcome"`
	StartedAt       time.Time `json:"started_at"`
	RunMS           *int64    `json:"run_ms"`
	ExitCode        *int      `json:"exit_code"`
	Signal          *string   `json:"signal"`
	Error           *string   `json:"error"`
	Result          *string   `json:"result"`
	ResultTruncated bool      `json:"result_truncated"`
}

// call asks the server and decodes its answer; in may be nil, and so may out.
func (b *bed) call(method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return b.api().Call(ctx, method, path, in, out)
}

// api is the server that runs now, asked as the admin.
func (b *bed) api() api.Server {
	return api.Server{URL: *b.address.Load(), Token: b.token, Client: b.client}
}

func (b *bed) document() (*cluster.Document, error) {
	var d cluster.Document
	if err := b.call("GET", "/api/admin/ssot", nil, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// enqueue gives the id of a new job, which the server has promised to run.
func (b *bed) enqueue(agent string, args any) (int64, error) {
	var made job
	order := map[string]any{"agent": agent}
	if args != nil {
		order["args"] = args
	}
	err := b.call("POST", "/api/jobs", order, &made)
	return made.ID, err
}

func (b *bed) mustEnqueue(agent string, args any) int64 {
	b.t.Helper()
	id, err := b.enqueue(agent, args)
	if err != nil {
		b.t.Fatalf("enqueue a job for %s: %v", agent, err)
	}
	return id
}

func (b *bed) job(id int64) (*job, error) {
	var j job
	if err := b.call("GET", fmt.Sprintf("/api/jobs/%d", id), nil, &j); err != nil {
		return nil, err
	}
	return &j, nil
}

// untilState waits until a job is in a state.
func (b *bed) untilState(id int64, state string, timeout time.Duration) *job {
	b.t.Helper()
	var now *job
	eventually(b.t, timeout, fmt.Sprintf("job %d is %s", id, state), func() (err error) {
		if now, err = b.job(id); err != nil {
			return err
		}
		if now.State != state {
			return fmt.Errorf("it is %s with %d runs", now.State, len(now.Runs))
		}
		return nil
	})
	return now
}
