package source

import (
	"context"
	"strconv"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
)

const (
	logLinesShown = 40
	lineBytes     = 400 // of what one says
)

func logs(d Deps) collectFunc {
	return func(ctx context.Context) (any, error) {
		lines, err := d.Jobs.LatestLogs(ctx, logLinesShown)
		if err != nil {
			return nil, err
		}
		return document.Logs{Items: keyed(lines, logsBytes-1<<10-d.yields(logsYield), describeLine, func(l document.LogLine) string { return strconv.FormatInt(l.ID, 10) })}, nil
	}
}

func describeLine(l engine.LogLine) document.LogLine {
	return document.LogLine{
		Order: l.Order, ID: l.ID, At: l.At, Level: document.LogLevel(l.Level), Agent: l.Agent, JobID: string(l.JobID), RunID: string(l.RunID),
		Msg: clip(l.Msg, lineBytes), Gap: (*document.LogGap)(l.Gap),
	}
}
