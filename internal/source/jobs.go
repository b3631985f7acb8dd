package source

import (
	"context"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
)

// The lists are bounded so that the document is, whatever the size of the job table: by rows, and by the bytes of these.
const (
	newestShown   = 20
	runningShown  = 30
	failuresShown = 12

	newestBytes   = 9 << 10
	runningBytes  = 14 << 10
	failuresBytes = 6 << 10
	textBytes     = 240 // of an error, of arguments
)

func jobLists(d Deps) collectFunc {
	return func(ctx context.Context) (any, error) {
		today, err := d.Jobs.Today(ctx)
		if err != nil {
			return nil, err
		}
		newest, err := d.Jobs.Newest(ctx, newestShown)
		if err != nil {
			return nil, err
		}
		running, err := d.Jobs.Running(ctx, runningShown)
		if err != nil {
			return nil, err
		}
		failures, err := d.Jobs.Failures(ctx, failuresShown)
		if err != nil {
			return nil, err
		}
		v := document.Jobs{
			TotalToday:      today.Total,
			CompletedToday:  today.Completed,
			FailedToday:     today.Failed,
			GaveUpToday:     today.GaveUp,
			CancelledToday:  today.Cancelled,
			CancelledCapped: today.Capped,
			TodayPartial:    today.Partial,
			DayStart:        today.DayStart,
			DayZone:         today.Zone,
			DayLabel:        dayLabel(today.DayStart),
			Newest:          keyed(newest, newestBytes-d.yields(newestYield), describeJob, func(j document.Job) string { return j.ID }),
			Running:         keyed(running, runningBytes-d.yields(runningYield), describeRunning, func(j document.RunningJob) string { return j.ID }),
			Failures:        keyed(failures, failuresBytes-d.yields(failuresYield), describeFailure, func(f document.Failure) string { return f.RunID }),
		}
		v.RunningCut = len(running) == runningShown || len(v.Running) < len(running)
		return v, nil
	}
}

func describeJob(j engine.Job) document.Job {
	return document.Job{
		Order: j.Order, ID: string(j.ID), Agent: j.Agent, Queue: j.Queue, State: document.JobState(j.State), EngineState: clip(j.EngineState, 60),
		Attempt: j.Attempt, MaxAttempts: j.MaxAttempts, Priority: j.Priority,
		CreatedAt: timeOf(j.CreatedAt), ScheduledAt: timeOf(j.ScheduledAt), AttemptedAt: timeOf(j.AttemptedAt), FinalizedAt: timeOf(j.FinalizedAt),
		Args: clip(j.Args, textBytes), Worker: clipPtr(j.Worker, textBytes), Error: clipPtr(j.Error, textBytes),
	}
}

func describeRunning(j engine.RunningJob) document.RunningJob {
	return document.RunningJob{
		Job: describeJob(j.Job), RunID: (*string)(j.RunID), Host: clip(j.Host, textBytes), StartedAt: timeOf(&j.StartedAt),
		Progress: j.Progress, Message: clipPtr(j.Message, textBytes),
	}
}

func describeFailure(f engine.Failure) document.Failure {
	return document.Failure{
		Order: f.Order, RunID: string(f.RunID), JobID: string(f.JobID), Agent: f.Agent, At: timeOf(&f.At), Attempt: f.Attempt, MaxAttempts: f.MaxAttempts,
		Outcome: document.Outcome(f.Outcome), ExitCode: f.ExitCode, Error: clip(f.Error, textBytes), Fingerprint: f.Fingerprint,
		Similar24h: f.Similar24h, SimilarCapped: f.Capped, RunMS: f.RunMS, GaveUp: f.GaveUp, GaveUpCapped: f.MoreGaveUp,
	}
}

// dayLabel names a time of day and its zone in short. Zones without letters of their own have their distance from UTC.
func dayLabel(start time.Time) string {
	zone := start.Format("MST")
	if strings.ContainsAny(zone[:1], "+-") {
		zone = "UTC" + zone
	}
	return start.Format("15:04 ") + zone
}
