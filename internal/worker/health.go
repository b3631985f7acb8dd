package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// health logs trouble of the background loops when it begins and when it is over, not each time.
type health struct {
	log    *slog.Logger
	mu     sync.Mutex
	ailing map[string]error
}

func (h *health) report(what string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	h.mu.Lock()
	was := h.ailing[what] != nil
	if h.ailing == nil {
		h.ailing = map[string]error{}
	}
	h.ailing[what] = err
	h.mu.Unlock()
	switch {
	case err != nil && !was:
		h.log.Warn("failed; trying again", "what", what, "error", err)
	case err == nil && was:
		h.log.Info("works again", "what", what)
	}
}

// beating is what report is called with for the heartbeat.
const beating = "write the heartbeat"

// WriteError tells why nothing can be written to the database: the error of this worker's last heartbeat. It is nil
// when that was written, and for a service that does not work.
func (s *Service) WriteError() error {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	return s.health.ailing[beating]
}
