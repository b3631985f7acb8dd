package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/fetch"
	"github.com/agentos/agentos/internal/runner"
)

// health logs trouble of the background loops when it begins and when it is over, not each time.
type health struct {
	log     *slog.Logger
	mu      sync.Mutex
	failing map[string]error
}

func (h *health) report(what string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	h.mu.Lock()
	was := h.failing[what] != nil
	if h.failing == nil {
		h.failing = map[string]error{}
	}
	h.failing[what] = err
	h.mu.Unlock()
	switch {
	case err != nil && !was:
		h.log.Warn("failed; retrying", "what", what, "error", err)
	case err == nil && was:
		h.log.Info("works again", "what", what)
	}
}

// beating is what report is called with for the heartbeat.
const beating = "write the heartbeat"

// WriteError returns why nothing can be written to the database: the error of this worker's last heartbeat. It is nil
// when that was written, and for a service that does not work.
func (s *Service) WriteError() error {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	return s.health.failing[beating]
}

// starting is what report is called with for this host's part in an attempt.
const starting = "start attempts on this host"

// judgeHost lets this worker rest when its host could not start an attempt, because the next one would fail too, and returns how
// long its job has to wait. Another worker may take it then.
func (s *Service) judgeHost(result runner.Result, failure error) time.Duration {
	if host := new(runner.HostError); errors.As(failure, &host) {
		s.health.report(starting, host.Err)
		s.gate.Rest()
		return fetch.RestFirst
	}
	if !result.Started.IsZero() {
		s.health.report(starting, nil)
		s.gate.Started()
	}
	return 0
}
