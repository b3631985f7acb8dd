package jobs

import (
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
