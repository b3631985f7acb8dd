package attach

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

// River's schema versions that can be read. The oldest came with River v0.5 (April 2024).
const (
	oldestSchema = 4
	newestSchema = 8 // later ones are read as far as what is needed is there
)

// The indexes without which a question would read the whole table. All come with River.
const (
	activeIndex = "river_job_prioritized_fetching_index"
	endedIndex  = "river_job_state_and_finalized_at_index"
	kindIndex   = "river_job_kind"
)

// Source is the attached database, as found at the start.
type Source struct {
	URL           string   // without password
	Schema        string   // Postgres: where River's tables are
	SchemaVersion int      // of River; 0 when its migrations were made another way
	Missing       []string // what cannot be shown, and why

	identity string
	noActive bool // without activeIndex
	noEnded  bool // without endedIndex
}

// inspect finds out what can be read. That River's tables are not there, or too old, is an error that says what to do.
func (s *Service) inspect(ctx context.Context) (Source, error) {
	found := Source{URL: s.foreign.URL, Missing: []string{}}
	if s.foreign.Kind == db.Postgres {
		if err := s.foreign.Read.QueryRowContext(ctx, `select coalesce(current_schema(), '')`).Scan(&found.Schema); err != nil {
			return found, engine.WrapDB("attach", err)
		}
	}
	columns, err := s.columns(ctx, "river_job")
	if err != nil {
		return found, engine.WrapDB("attach", err)
	}
	if len(columns) == 0 {
		return found, fmt.Errorf("attach %s: there is no table river_job that this user can see%s: choose where River's tables are with --attach-schema, "+
			"and let the user read them (grant usage on schema …, select on all tables in schema …)", s.foreign.URL, inSchema(found.Schema))
	}
	for _, name := range []string{"id", "kind", "queue", "state", "attempt", "max_attempts", "priority", "created_at", "scheduled_at", "attempted_at", "finalized_at", "args", "attempted_by", "errors", "metadata", "tags"} {
		if !slices.Contains(columns, name) {
			return found, fmt.Errorf("attach %s: table river_job has no column %s: this is no River database, or one that is older than version %d of River's schema", s.foreign.URL, name, oldestSchema)
		}
	}
	if err := s.readMigrations(ctx, &found); err != nil {
		return found, err
	}
	if err := s.findIndexes(ctx, &found); err != nil {
		return found, engine.WrapDB("attach", err)
	}
	return found, nil
}

func inSchema(schema string) string {
	if schema == "" {
		return ""
	}
	return " in schema " + schema
}

// columns lists those of a table, in the schema that unqualified names lead to; none when there is no such table.
func (s *Service) columns(ctx context.Context, table string) ([]string, error) {
	query := `select name from pragma_table_info($1)`
	if s.foreign.Kind == db.Postgres {
		query = `select attname from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped`
	}
	rows, err := s.foreign.Read.QueryContext(ctx, query, table)
	return db.Collect(rows, err, scanText)
}

func scanText(rows *sql.Rows) (text string, err error) { return text, rows.Scan(&text) }

// readMigrations reads the version, and what identifies this database: the time it was first migrated.
func (s *Service) readMigrations(ctx context.Context, found *Source) error {
	columns, err := s.columns(ctx, "river_migration")
	if err != nil {
		return engine.WrapDB("attach", err)
	}
	found.identity = "unmigrated"
	if len(columns) == 0 { // River allows to migrate by other means
		found.Missing = append(found.Missing, "River's schema version: there is no table river_migration")
	} else {
		line := ""
		if slices.Contains(columns, "line") {
			line = ` where line = 'main'`
		}
		var version sql.NullInt64
		var first sql.NullString
		err := s.foreign.Read.QueryRowContext(ctx, `select max(version), cast(min(created_at) as text) from river_migration`+line).Scan(&version, &first)
		if err != nil {
			return engine.WrapDB("attach: read River's schema version", err)
		}
		found.SchemaVersion = int(version.Int64)
		if s.foreign.Kind == db.Postgres { // as text it depends on the session's time zone
			var at engine.Time
			if err := s.foreign.Read.QueryRowContext(ctx, `select min(created_at) from river_migration`+line).Scan(&at); err != nil {
				return engine.WrapDB("attach: read River's schema version", err)
			}
			first.String = strconv.FormatInt(at.UnixMicro(), 10)
		}
		found.identity = first.String
		if found.SchemaVersion < oldestSchema {
			return fmt.Errorf("attach %s: River's schema is at version %d, the oldest that can be read is %d: migrate it with River's own tool", s.foreign.URL, found.SchemaVersion, oldestSchema)
		}
		if found.SchemaVersion > newestSchema {
			found.Missing = append(found.Missing, fmt.Sprintf("what River's schema version %d added: this version of AgentOS knows %d", found.SchemaVersion, newestSchema))
		}
	}
	if s.foreign.Kind == db.Postgres {
		var name string
		if err := s.foreign.Read.QueryRowContext(ctx, `select current_database()`).Scan(&name); err != nil {
			return engine.WrapDB("attach", err)
		}
		found.identity += " " + name + " " + found.Schema
	}
	queues, err := s.columns(ctx, "river_queue")
	if err == nil && len(queues) == 0 {
		err = fmt.Errorf("attach %s: there is no table river_queue: River's schema is older than version %d", s.foreign.URL, oldestSchema)
	}
	return engine.WrapDB("attach", err)
}

// findIndexes notes what would read the whole table and is therefore not asked.
func (s *Service) findIndexes(ctx context.Context, found *Source) error {
	query := `select name from sqlite_master where type = 'index' and tbl_name = 'river_job'`
	if s.foreign.Kind == db.Postgres {
		query = `select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = to_regclass('river_job') and i.indisvalid`
	}
	rows, err := s.foreign.Read.QueryContext(ctx, query)
	names, err := db.Collect(rows, err, scanText)
	if err != nil {
		return err
	}
	for index, without := range map[string]string{
		activeIndex: "counts of waiting and running jobs, workers and running jobs",
		endedIndex:  "analytics, failures and what came of jobs today",
		kindIndex:   "fast lists of the jobs of one kind",
	} {
		if !slices.Contains(names, index) {
			found.Missing = append(found.Missing, without+": index "+index+" is missing, without which the whole table would be read")
		}
	}
	slices.SortFunc(found.Missing, strings.Compare)
	found.noActive, found.noEnded = !slices.Contains(names, activeIndex), !slices.Contains(names, endedIndex)
	return nil
}
