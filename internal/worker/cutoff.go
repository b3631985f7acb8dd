package worker

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river/riverdriver"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/runner"
)

const (
	// cutAfter is how long a worker may be unable to write its heartbeat before it ends its attempts. Others consider it
	// dead after silentFor: what is between is the time to notice, to ask and to end them.
	cutAfter = 7 * time.Second
	// cutGrace is how long the attempts then have between SIGTERM and SIGKILL.
	cutGrace = time.Second
	cutLook  = 250 * time.Millisecond
	// cutTimeout bounds CutOff.
	cutTimeout = time.Second
)

const _ = uint(river.SilentFor - cutAfter - cutLook - cutTimeout - cutGrace) // negative does not compile

// fenceFor is how long a worker may be suspended before the supervisors end its attempts, up to a second later: others consider it
// dead after silentFor.
const fenceFor = 7 * time.Second

// fence is for attempts of this worker. On SQLite a suspended worker is alive: its lock shows it.
func (s *Service) fence() time.Duration {
	if s.db.Kind != db.Postgres {
		return 0
	}
	return fenceFor
}

// errCutOff is why attempts end when their worker cannot reach the database.
var errCutOff = errors.New("this worker was cut off from the database")

// guard ends this worker's attempts when it cannot reach the database and others can: they are about to give its jobs to
// somebody else. Attempts of agents that say `cut_off: continue` go on.
func (s *Service) guard(ctx context.Context) {
	cut := false
	every(ctx, cutLook, func() {
		if s.heartbeat.silence() < cutAfter {
			cut = false
			return
		}
		if cut || !s.askCutOff(ctx) {
			return
		}
		cut = true
		ended := 0
		for _, h := range s.active.held() {
			if !h.survivesCutOff {
				h.cancel(runner.StopWithin(cutGrace, errCutOff))
				ended++
			}
		}
		s.log.Warn("this worker is cut off from the database: its jobs will be run elsewhere", "silent", s.heartbeat.silence(), "ended", ended)
	})
}

func (s *Service) askCutOff(ctx context.Context) bool {
	if s.cutOff == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, cutTimeout)
	defer cancel()
	return s.cutOff(ctx)
}

// requeueUnstarted puts a job back whose attempt never began, unless it is somebody else's by now. River would not look whose it
// is.
func (a *attempt) requeueUnstarted() error {
	s := a.service
	state := riverdriver.JobSetStateInterrupted(a.job.ID, time.Now(), max(a.job.Attempt-1, 0), nil)
	err := s.persistUntilGone("requeue a job", func(ctx context.Context) error {
		return s.db.InTx(ctx, func(tx *db.Tx) error {
			if err := a.hold(ctx, tx); err != nil {
				return err
			}
			return s.actor.SetState(ctx, tx, state)
		})
	})
	switch {
	case err == nil:
		s.notify(engine.JobRequeued)
	case errors.Is(err, river.ErrSuperseded), isClosed(s.gone): // whoever finds this worker gone gives the job back
	default:
		s.log.Warn("requeue failed; retrying within a minute", "job", a.job.ID, "error", err)
	}
	return endWritten{}
}
