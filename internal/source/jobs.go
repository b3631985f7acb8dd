package source

import (
	"context"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/snapshot"
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

// jobsValue is the section `jobs`: today's totals since the local midnight, and three short lists.
type jobsValue struct {
	TotalToday     int64                     `json:"total_today"`
	CompletedToday int64                     `json:"completed_today"`
	FailedToday    int64                     `json:"failed_today"`  // attempts
	GaveUpToday    *int64                    `json:"gave_up_today"` // jobs; null: not known
	CancelledToday int64                     `json:"cancelled_today"`
	CancelledCap   bool                      `json:"cancelled_capped,omitempty"` // at least so many
	TodayPartial   bool                      `json:"today_partial"`              // some of today's are still to be counted
	DayStart       time.Time                 `json:"day_start"`                  // with the offset of the zone
	DayZone        string                    `json:"day_zone"`                   // in which today began: that of the server that collects
	DayLabel       string                    `json:"day_label"`                  // the same for people: 00:00 CET
	Newest         map[int64]jobs.Job        `json:"newest"`
	Running        map[int64]jobs.RunningJob `json:"running"`
	RunningCut     bool                      `json:"running_cut,omitempty"` // there may be more than are listed
	Failures       map[int64]jobs.Failure    `json:"failures"`
}

func jobLists(d Deps) snapshot.Source {
	return snapshot.SourceFunc(func(ctx context.Context) (any, error) {
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
		for i := range newest {
			clipJob(&newest[i])
		}
		for i := range running {
			clipJob(&running[i].Job)
			running[i].Host, running[i].Message = clip(running[i].Host, textBytes), clipPtr(running[i].Message, textBytes)
		}
		for i := range failures {
			failures[i].Error = clip(failures[i].Error, textBytes)
		}
		v := jobsValue{
			TotalToday:     today.Total,
			CompletedToday: today.Completed,
			FailedToday:    today.Failed,
			GaveUpToday:    today.GaveUp,
			CancelledToday: today.Cancelled,
			CancelledCap:   today.Capped,
			TodayPartial:   today.Partial,
			DayStart:       today.DayStart,
			DayZone:        today.Zone,
			DayLabel:       dayLabel(today.DayStart),
			Newest:         keyed(newest, newestBytes, func(j jobs.Job) int64 { return j.ID }),
			Running:        keyed(running, runningBytes, func(j jobs.RunningJob) int64 { return j.ID }),
			Failures:       keyed(failures, failuresBytes, func(f jobs.Failure) int64 { return f.RunID }),
		}
		v.RunningCut = len(running) == runningShown || len(v.Running) < len(running)
		return v, nil
	})
}

func clipJob(j *jobs.Job) {
	j.Args, j.Error, j.Worker = clip(j.Args, textBytes), clipPtr(j.Error, textBytes), clipPtr(j.Worker, textBytes)
}

// dayLabel names a time of day and its zone in short. Zones without letters of their own have their distance from UTC.
func dayLabel(start time.Time) string {
	zone := start.Format("MST")
	if strings.ContainsAny(zone[:1], "+-") {
		zone = "UTC" + zone
	}
	return start.Format("15:04 ") + zone
}
