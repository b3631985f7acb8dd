package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
)

// clocks reports clocks that differ from the database's, by which all ages are measured.
type clocks struct {
	read func(context.Context) (off map[string]time.Duration, here time.Duration, err error)
	log  *slog.Logger

	mu     sync.Mutex // guards logged
	logged string
}

// clocksTimeout is shorter than what the section that asks has left when the database did not answer before: a database that hangs
// must not hide that it does.
const clocksTimeout = databaseTimeout / 2

// clocksNamed is how many are named before the rest is counted.
const clocksNamed = 3

// describeClocks says which clocks are off; empty when none is.
func describeClocks(off map[string]time.Duration, here time.Duration) string {
	by := func(d time.Duration) string {
		if d < 0 {
			return fmt.Sprintf("%v behind", (-d).Round(time.Second))
		}
		return fmt.Sprintf("%v ahead", d.Round(time.Second))
	}
	var parts []string
	if here.Abs() >= engine.SkewReported {
		parts = append(parts, "this server's clock is "+by(here))
	}
	names := slices.SortedFunc(maps.Keys(off), func(a, b string) int {
		return cmp.Or(cmp.Compare(off[b].Abs(), off[a].Abs()), strings.Compare(a, b))
	})
	for _, name := range names[:min(len(names), clocksNamed)] {
		parts = append(parts, fmt.Sprintf("that of %.60s is %s", name, by(off[name])))
	}
	if more := len(names) - clocksNamed; more > 0 {
		parts = append(parts, fmt.Sprintf("those of %d more are off", more))
	}
	if parts == nil {
		return ""
	}
	return "compared with the database's, " + strings.Join(parts, ", ") + ": run NTP on these hosts"
}

// Health is degraded while a clock is off; the second result is false when there is nothing to say.
func (c *clocks) Health() (document.Component, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), clocksTimeout)
	defer cancel()
	off, here, err := c.read(ctx)
	if err != nil {
		return document.Component{}, false // the database says so itself
	}
	text := describeClocks(off, here)
	c.mu.Lock()
	defer c.mu.Unlock()
	if (text == "") != (c.logged == "") {
		if text != "" {
			c.log.Warn("clocks differ", "detail", text)
		} else {
			c.log.Info("the clocks agree again")
		}
	}
	c.logged = text
	return document.Component{Status: document.ComponentDegraded, Detail: text}, text != ""
}
