package worker

import (
	"errors"
	"time"

	"github.com/agentos/agentos/internal/fetch"
	"github.com/agentos/agentos/internal/runner"
)

// starting is what health is told of this host's part in an attempt.
const starting = "start attempts on this host"

// judgeHost lets this worker rest when its host could not start an attempt, because the next one would fare no better, and returns how
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
