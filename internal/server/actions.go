package server

import (
	"context"
	"net/http"
	"time"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/engine"
)

const recordDeadline = 5 * time.Second

// acted follows every action on jobs, queues and agents: it is recorded, also when it was refused, and notified, so that
// every screen shows it at once.
func (s *server) acted(ctx context.Context, action, target string, err error, event engine.Event) {
	// Hanging up after the action does not keep it out of the log.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordDeadline)
	defer cancel()
	entry := auth.Entry{Action: action, Target: target}
	if err != nil {
		entry.Outcome, entry.Detail = "failed", err.Error()
		if p, _ := problemOf(err); p.Status < http.StatusInternalServerError { // it cannot be, or not now: nothing broke
			entry.Outcome = "refused"
		}
	} else {
		s.OnEvent(event)
	}
	s.record(ctx, entry)
}

func (s *server) record(ctx context.Context, entry auth.Entry) {
	if failed := s.Auth.Record(ctx, entry); failed != nil {
		s.log.Warn("an action is missing in the audit log", "actor", auth.ActorFrom(ctx).Name, "action", entry.Action,
			"target", entry.Target, "error", failed)
	}
}
