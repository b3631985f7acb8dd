package jobs

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/redact"
)

// Table reads River's own tables, whoever fills them. Everything it asks has a bound that does not grow with the history of
// jobs: see docs/decisions/0091-attach.md.
type Table struct {
	db     *db.DB
	sql    *dialect
	redact *redact.Rules
	today  today

	lookFor time.Duration // see the constants
	sameEnd int
}

// NewTable reads River's tables in a database; on Postgres those of the schema its connections search. Secrets are shown by no
// method of it.
func NewTable(d *db.DB, rules *redact.Rules) *Table {
	return &Table{db: d, sql: dialectOf(d.Kind), redact: rules, lookFor: lookFor, sameEnd: sameEnd}
}

// Rollups reads the sums of ended attempts by minute and by hour.
type Rollups struct {
	db      *db.DB
	hoursTo atomic.Int64                      // see HoursBefore; zero: all
	settled atomic.Pointer[map[part]partSums] // see kept

	// Recorded tells since when the sums hold everything that ended, zero for ever. Nil: they do.
	Recorded func(context.Context) (time.Time, error)
}

// NewRollups reads the sums in a migrated database of ours.
func NewRollups(d *db.DB) *Rollups { return &Rollups{db: d} }
