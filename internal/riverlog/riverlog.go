// Package riverlog passes River's own log on, with repeated messages thinned out.
package riverlog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// riverQuiet is how long River's same message is not logged again: it says so for each queue and each try.
const riverQuiet = 30 * time.Second

// New lets River's warnings and errors through, each message once in a while; the rest is for debugging.
func New(log *slog.Logger) *slog.Logger {
	return slog.New(&riverHandler{next: log.With("from", "river").Handler(), seen: &seen{at: map[string]time.Time{}}})
}

type riverHandler struct {
	next slog.Handler
	seen *seen
}

type seen struct {
	mu sync.Mutex
	at map[string]time.Time
}

// first reports whether the message was not logged recently. River's messages are constants, so the map stays small.
func (s *seen) first(msg string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.at[msg]) < riverQuiet {
		return false
	}
	s.at[msg] = now
	return true
}

func (h *riverHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, demoted(level))
}

func (h *riverHandler) Handle(ctx context.Context, record slog.Record) error {
	record.Level = demoted(record.Level)
	if record.Level > slog.LevelDebug && !h.seen.first(record.Message, record.Time) {
		return nil
	}
	return h.next.Handle(ctx, record)
}

func (h *riverHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &riverHandler{next: h.next.WithAttrs(attrs), seen: h.seen}
}

func (h *riverHandler) WithGroup(name string) slog.Handler {
	return &riverHandler{next: h.next.WithGroup(name), seen: h.seen}
}

// demoted: what River informs about are single jobs; its errors are the database's, which it tries again.
func demoted(level slog.Level) slog.Level {
	switch {
	case level >= slog.LevelError:
		return slog.LevelWarn
	case level >= slog.LevelWarn:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
