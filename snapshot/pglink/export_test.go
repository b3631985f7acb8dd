package pglink

import (
	"github.com/sony/gobreaker/v2"
)

// Stats is what tests want to know of a Link.
type Stats struct {
	Open        bool   // the breaker is open: calls fail at once until one of them, tried every second, succeeds
	Errors      uint64 // calls that the server did not answer or refused, since Open
	Connects    uint64 // connections made since Open: a steady growth means connections that break
	Connections int    // connections that are open now
	Error       string // what is wrong now, as the last call found it; empty = nothing known
}

// Stats takes no network. It may be called at any time.
func (l *Link) Stats() Stats {
	s := Stats{
		Open:        l.breaker.State() != gobreaker.StateClosed,
		Errors:      l.errs.Load(),
		Connects:    l.dialer.made.Load(),
		Connections: int(l.dialer.open.Load()),
	}
	if err := l.last.Load().err; err != nil {
		s.Error = explain("the last call", l.config, err).Error()
	}
	return s
}
