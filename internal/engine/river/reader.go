package river

import (
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/rollup"
	"github.com/agentos/agentos/internal/runlog"
)

// Reader reads a fleet of ours: River's tables, and what stands beside them in the same database, such as workers, attempts and log lines.
type Reader struct {
	*Table
	*rollup.Store
	*runlog.Reader

	fleet     func() *agent.Fleet
	successes successes
}

// NewReader makes a reader of a database that may still have to be migrated. The fleet is asked for each time; logsKept says to users how
// much of the logs is kept.
func NewReader(d *db.DB, rules *redact.Rules, sums *rollup.Store, fleet func() *agent.Fleet, logsKept string) *Reader {
	return &Reader{Table: NewTable(d, rules), Store: sums, Reader: runlog.NewReader(d, rules, logsKept), fleet: fleet}
}

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
