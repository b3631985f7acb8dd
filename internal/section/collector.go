package section

import (
	"context"
	"errors"

	"github.com/agentos/agentos/internal/redact"
)

// Options of a Collector.
type Options struct {
	Database   string                           // URL of the product's own database; empty: sections cannot read it
	NoCommands bool                             // sections that run commands are refused
	LookupEnv  func(name string) (string, bool) // nil: os.LookupEnv
	Redact     *redact.Rules                    // nil: those always in force
}

// Collector collects sections. It may be called from several goroutines.
type Collector struct {
	options Options
}

// NewCollector returns a collector, which opens nothing yet. The caller closes it.
func NewCollector(o Options) *Collector {
	return &Collector{options: o}
}

// Collect collects a section once, within its timeout. The error is one sentence that says what to do, without secrets.
func (c *Collector) Collect(context.Context, Spec) (Value, error) {
	return Value{}, errors.New("sections are not collected yet")
}

// Close ends what is under way, and closes the connections.
func (c *Collector) Close() error { return nil }
