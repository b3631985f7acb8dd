package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/document"
)

const (
	lookAtClock = 2 * time.Second
	clockSlack  = 2 * time.Second  // what the clock may differ from the time that passes between two looks
	jumpShown   = 10 * time.Minute // how long a jump is shown
)

// wallClock notices that this host's clock was set. Ages and times of the dashboard are off around such a moment, and a reader should
// know why.
type wallClock struct {
	log   *slog.Logger
	began time.Time

	mu      sync.Mutex
	wall    time.Time     // at the last look
	passed  time.Duration // until the last look, since began
	jump    string        // what happened last; empty when nothing did
	jumpEnd time.Duration // until when it is shown
}

func newWallClock(log *slog.Logger) *wallClock { return &wallClock{log: log, began: time.Now()} }

// Run looks at the clock until ctx ends.
func (c *wallClock) Run(ctx context.Context) {
	ticker := time.NewTicker(lookAtClock)
	defer ticker.Stop()
	for {
		c.look(time.Now().Round(0), time.Since(c.began))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look compares a reading of the clock with the time that passed.
func (c *wallClock) look(wall time.Time, passed time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	by := wall.Sub(c.wall) - (passed - c.passed)
	first := c.wall.IsZero()
	was := c.wall.Add(passed - c.passed)
	c.wall, c.passed = wall, passed
	if first || by.Abs() <= clockSlack {
		return
	}
	what := "put forward"
	cause := ", or the machine was asleep"
	if by < 0 {
		what, cause = "set back", ""
	}
	c.jump = fmt.Sprintf("the clock of this host was %s by %s at %s%s: times and ages from around then are off", what, by.Abs().Round(time.Second),
		wall.Format("15:04:05 MST"), cause)
	c.jumpEnd = passed + jumpShown
	c.log.Warn("the clock of this host jumped", "by", by.Round(time.Millisecond), "from", was, "to", wall)
}

// Health is degraded for a while after the clock jumped.
func (c *wallClock) Health() document.Component {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.jump != "" && c.passed < c.jumpEnd {
		return document.Component{Status: document.ComponentDegraded, Detail: c.jump}
	}
	return document.Component{Status: document.ComponentOK, Detail: agent.ZoneName()}
}
