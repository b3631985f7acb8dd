package source

import (
	"context"

	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/snapshot"
)

const (
	logLinesShown = 40
	lineBytes     = 400 // of what one says
)

// logsValue is the section `logs`: the newest lines of all agents.
type logsValue struct {
	Items map[int64]jobs.LogLine `json:"items"`
}

func logs(d Deps) snapshot.Source {
	return snapshot.SourceFunc(func(ctx context.Context) (any, error) {
		lines, err := d.Jobs.LatestLogs(ctx, logLinesShown)
		if err != nil {
			return nil, err
		}
		for i := range lines {
			lines[i].Msg = clip(lines[i].Msg, lineBytes)
		}
		return logsValue{Items: keyed(lines, logsBytes-1<<10, func(l jobs.LogLine) int64 { return l.ID })}, nil
	})
}
