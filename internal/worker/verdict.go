package worker

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river/riverdriver"

	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/runner"
)

const (
	// maxLater bounds how often a job is put off without using up an attempt, so that none goes on forever.
	maxLater = 100
	// laterKey is where River counts that, too.
	laterKey = "snoozes"
)

// verdict is what an agent says should become of its job.
type verdict struct {
	never bool          // no other attempt is of use
	pause time.Duration // before the next one; zero: by the agent's backoff
	count int           // later: how often the job was put off, this time included
}

// judge reads the verdict of an attempt that failed, and returns the failure with what comes of it.
func (a *attempt) judge(end *ending, failure error) error {
	if end.result.RetryAfter != nil {
		end.verdict.pause = max(*end.result.RetryAfter, retryLeast)
	}
	exit := new(runner.ExitError)
	switch {
	case !errors.As(failure, &exit) || exit.Signal != "":
	case slices.Contains(a.spec.ExitNever, exit.Code):
		end.verdict.never = true
		return fmt.Errorf("%w (not tried again: that is what this exit status says)", failure)
	case slices.Contains(a.spec.ExitLater, exit.Code):
		count := putOffSoFar(a.job.Metadata) + 1
		if count > maxLater {
			return fmt.Errorf("%w (it was put off %d times: from now on that uses up attempts)", failure, maxLater)
		}
		end.outcome, end.verdict.count = engine.Later, count
		end.verdict.pause = max(cmp.Or(end.verdict.pause, a.spec.Backoff.Wait(count)), retryLeast)
		return fmt.Errorf("put off for %s: %w", end.verdict.pause.Round(time.Millisecond), failure)
	}
	return failure
}

// putOff makes the job scheduled. The attempt is given back.
func (a *attempt) putOff(end *ending) (*riverdriver.JobSetStateIfRunningParams, error) {
	update, err := json.Marshal(map[string]int{laterKey: end.verdict.count})
	if err != nil {
		return nil, err
	}
	due, attempt := time.Now().Add(end.verdict.pause), max(a.job.Attempt-1, 0)
	if end.verdict.pause <= river.ScheduleAbove {
		return riverdriver.JobSetStateSnoozedAvailable(a.job.ID, due, attempt, update), nil
	}
	return riverdriver.JobSetStateSnoozed(a.job.ID, due, attempt, update), nil
}

func putOffSoFar(metadata []byte) int {
	kept := map[string]json.RawMessage{}
	count := 0
	if json.Unmarshal(metadata, &kept) != nil || json.Unmarshal(kept[laterKey], &count) != nil {
		return 0
	}
	return max(count, 0)
}
