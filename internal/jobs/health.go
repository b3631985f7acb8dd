package jobs

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
	ailing map[string]bool
}

func (h *health) report(what string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	h.mu.Lock()
	was := h.ailing[what]
	if h.ailing == nil {
		h.ailing = map[string]bool{}
	}
	h.ailing[what] = err != nil
	h.mu.Unlock()
	switch {
	case err != nil && !was:
		h.log.Warn("failed; trying again", "what", what, "error", err)
	case err == nil && was:
		h.log.Info("works again", "what", what)
	}
}
