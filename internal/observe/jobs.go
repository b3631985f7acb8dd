package observe

import (
	"context"
	"errors"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

// listTimeout bounds what a request asks the engine for.
const listTimeout = 5 * time.Second

// List lists jobs as the engine can. What it cannot is refused with the reason.
func (s *Service) List(ctx context.Context, f engine.Filter) (engine.Page, error) {
	return request(ctx, s, func(ctx context.Context, e *connection) (engine.Page, error) { return e.List(ctx, f) })
}

// Get returns all that the engine has of a job.
func (s *Service) Get(ctx context.Context, id engine.ID) (engine.Detail, error) {
	return request(ctx, s, func(ctx context.Context, e *connection) (engine.Detail, error) { return e.Get(ctx, id) })
}

// request asks the engine for what somebody wants to see now.
func request[T any](ctx context.Context, s *Service, ask func(context.Context, *connection) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var none T
	e, err := s.connect(ctx)
	if err != nil {
		return none, unavailable(err)
	}
	found, err := ask(ctx, e)
	if err != nil && !errors.Is(err, engine.ErrInvalid) && !errors.Is(err, engine.ErrNotFound) {
		err = unavailable(err)
	}
	return found, err
}

// Args returns a job's arguments, as far as the engine's adapter reads them.
func (s *Service) Args(ctx context.Context, id engine.ID) (engine.Text, error) {
	d, err := s.Get(ctx, id)
	if err != nil {
		return engine.Text{}, err
	}
	return engine.Text{Text: string(d.ArgsJSON), Bytes: d.ArgsBytes, Cut: d.ArgsCut}, nil
}

// Runs are the attempts that the engine keeps with the job.
func (s *Service) Runs(ctx context.Context, id engine.ID, _ engine.Cursor, _ int) (engine.RunPage, error) {
	d, err := s.Get(ctx, id)
	return engine.RunPage{Runs: d.Runs}, err
}

// Errors are those that the engine keeps with the job.
func (s *Service) Errors(ctx context.Context, id engine.ID, before int64, _ int) (engine.ErrorPage, error) {
	d, err := s.Get(ctx, id)
	if before > 0 {
		return engine.ErrorPage{}, err // all of them are on the first page
	}
	return engine.ErrorPage{Errors: d.Errors}, err
}

// Result is not found: results are with their jobs.
func (s *Service) Result(_ context.Context, run engine.ID) (engine.Text, error) {
	return engine.Text{}, s.noRun(run)
}

// RunLogs is not found: no attempt has an id.
func (s *Service) RunLogs(_ context.Context, run engine.ID, _ int64, _ int) ([]engine.LogLine, bool, error) {
	return nil, false, s.noRun(run)
}

// WaitRunLogs is RunLogs.
func (s *Service) WaitRunLogs(_ context.Context, run engine.ID, _ int64, _ int) ([]engine.LogLine, bool, error) {
	return nil, false, s.noRun(run)
}

func (s *Service) noRun(run engine.ID) error {
	return engine.ErrorOf(engine.ErrNotFound, "there is no run %s: %s records no attempts by themselves", engine.Clip(engine.Clean(string(run)), 80), s.about.Engine)
}
