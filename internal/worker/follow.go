package worker

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

const (
	// logsPoll is how often the lines of another process's run are looked for.
	logsPoll = 200 * time.Millisecond
	// logsCheck is for a run of this process, which reports by itself.
	logsCheck = 2 * time.Second
)

// WaitRunLogs is RunLogs that waits for a line or the end of the run, until ctx is done; then it returns no lines and no
// error.
func (s *Service) WaitRunLogs(ctx context.Context, run, after int64, limit int) ([]engine.LogLine, bool, error) {
	news, stop := s.logs.Listen(run)
	defer stop()
	for {
		lines, done, err := s.RunLogs(ctx, run, after, limit)
		switch {
		case ctx.Err() != nil:
			return []engine.LogLine{}, false, nil
		case err != nil || done || len(lines) > 0:
			return lines, done, err
		}
		pause := logsPoll
		if s.logs.Here(run) {
			pause = logsCheck
		}
		select {
		case <-ctx.Done():
			return []engine.LogLine{}, false, nil
		case <-news:
		case <-time.After(pause):
		}
	}
}
