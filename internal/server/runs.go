package server

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

const maxLogWait = 25 * time.Second

// RunLog is a stretch of one attempt's log.
type RunLog struct {
	Lines []engine.LogLine `json:"lines" doc:"Oldest first"`
	Next  int64            `json:"next" doc:"Ask with after=next for what follows"`
	Done  bool             `json:"done" doc:"The attempt has ended and these are its last lines"`
}

type listRunLogsInput struct {
	ID    engine.ID `path:"id" maxLength:"512" doc:"The run's id"`
	After int64     `query:"after" minimum:"0" default:"0" doc:"Only lines with a greater id"`
	Limit int       `query:"limit" minimum:"1" maximum:"1000" default:"500"`
	Wait  int       `query:"wait" minimum:"0" maximum:"25" default:"0" doc:"Seconds to wait for a further line or the end of the run"`
}

func (s *server) listRunLogs(ctx context.Context, in *listRunLogsInput) (*body[RunLog], error) {
	lines, done, err := s.readRunLogs(ctx, in)
	if err != nil {
		return nil, err
	}
	log := RunLog{Lines: listed(lines), Next: in.After, Done: done}
	if len(lines) > 0 {
		log.Next = lines[len(lines)-1].ID
	}
	return answerWith(log), nil
}

type runInput struct {
	ID engine.ID `path:"id" maxLength:"512" doc:"The run's id"`
}

func (s *server) getRunResult(ctx context.Context, in *runInput) (*body[engine.Text], error) {
	return inTurn(ctx, s, func() (engine.Text, error) { return s.Jobs.Result(ctx, in.ID) })
}

// readRunLogs waits when asked to, but no longer than the credential lasts.
func (s *server) readRunLogs(ctx context.Context, in *listRunLogsInput) ([]engine.LogLine, bool, error) {
	if in.Wait == 0 {
		return s.Jobs.RunLogs(ctx, in.ID, in.After, in.Limit)
	}
	release, err := s.hold(callFrom(ctx))
	if err != nil {
		return nil, false, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(in.Wait)*time.Second)
	defer cancel()
	stop := callFrom(ctx).principal.OnEnd(cancel)
	defer stop()
	return s.Jobs.WaitRunLogs(ctx, in.ID, in.After, in.Limit)
}
