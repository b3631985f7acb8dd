package attach

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// site is another program's River database.
type site struct {
	kind   db.Kind
	url    string // of a user who may only read
	admin  string // of one who may do all
	schema string
	pool   *sql.DB // the owner's
	pgx    *pgxpool.Pool
}

// eachSite runs a test on a River database of each kind, on Postgres in a schema of its own.
func eachSite(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	for _, kind := range []db.Kind{db.SQLite, db.Postgres} {
		t.Run(string(kind), func(t *testing.T) { test(t, newSite(t, kind, 0)) })
	}
}

// newSite makes a database with River's tables of a version; 0 is the newest.
func newSite(t *testing.T, kind db.Kind, version int) *site {
	t.Helper()
	if kind == db.SQLite {
		return newSQLiteSite(t)
	}
	s := postgresSite(t, dbtest.EmptyPostgresURL(t), version)
	s.url = dbtest.ReaderURL(t, s.admin, s.schema)
	return s
}

// postgresSite makes a site in an empty Postgres database, read by the one who owns it.
func postgresSite(t *testing.T, admin string, version int) *site {
	t.Helper()
	s := &site{kind: db.Postgres, url: admin, admin: admin, schema: "app"}
	pool, err := pgxpool.New(t.Context(), s.admin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s.pgx, s.pool = pool, stdlib.OpenDBFromPool(pool)
	t.Cleanup(func() { _ = s.pool.Close() })
	s.exec(t, `create schema app`)
	migrate(t, riverpgxv5.New(pool), s.schema, version)
	return s
}

func newSQLiteSite(t *testing.T) *site {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	pool, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = pool.Close() })
	migrate(t, riversqlite.New(pool), "", 0)
	return &site{kind: db.SQLite, url: path, admin: path, pool: pool}
}

func migrate[Tx any](t *testing.T, driver riverdriver.Driver[Tx], schema string, version int) {
	t.Helper()
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrator.Migrate(t.Context(), rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{TargetVersion: version}); err != nil {
		t.Fatal(err)
	}
}

// exec changes the site as its owner; river_job is found in the schema.
func (s *site) exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	if s.schema != "" {
		statement = strings.NewReplacer("river_job", "app.river_job", "river_queue", "app.river_queue", "river_migration", "app.river_migration").Replace(statement)
	}
	if _, err := s.pool.ExecContext(context.WithoutCancel(t.Context()), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// job is a row to insert; zero values get defaults.
type job struct {
	kind, queue, state string
	client             string
	attempt            int
	created, scheduled time.Time
	attempted, ended   time.Time
	errors             []string
	metadata           string
}

// insert adds a job as River would have left it, and returns its id.
func (s *site) insert(t testing.TB, j job) (id int64) {
	t.Helper()
	stamp := func(at time.Time) any {
		switch {
		case at.IsZero():
			return nil
		case s.kind == db.Postgres:
			return at.UTC()
		}
		return at.UTC().Format("2006-01-02 15:04:05.000")
	}
	if j.queue == "" {
		j.queue = "default"
	}
	if j.created.IsZero() {
		j.created = time.Now()
	}
	if j.scheduled.IsZero() {
		j.scheduled = j.created
	}
	if j.metadata == "" {
		j.metadata = "{}"
	}
	var entries []string
	for i, text := range j.errors {
		entries = append(entries, fmt.Sprintf(`{"at":%q,"attempt":%d,"error":%q,"trace":""}`, j.created.Add(time.Duration(i)*time.Second).UTC().Format(time.RFC3339Nano), i+1, text))
	}
	table, failures, by := "river_job", any(nil), any(nil)
	columns := `kind, queue, state, attempt, max_attempts, created_at, scheduled_at, attempted_at, finalized_at, errors, attempted_by, metadata, args, tags`
	var row *sql.Row
	if s.kind == db.Postgres {
		table = "app.river_job"
		values := `$1, $2, $3, $4, 25, $5, $6, $7, $8, $9::jsonb[], $10::text[], $11::jsonb, $12::jsonb, $13::text[]`
		if len(entries) > 0 {
			failures = entries
		}
		if j.client != "" {
			by = []string{j.client}
		}
		row = s.pool.QueryRowContext(t.Context(), `insert into `+table+` (`+columns+`) values (`+values+`) returning id`,
			j.kind, j.queue, j.state, j.attempt, stamp(j.created), stamp(j.scheduled), stamp(j.attempted), stamp(j.ended), failures, by, j.metadata, `{"n": 1}`, []string{})
	} else {
		values := `$1, $2, $3, $4, 25, $5, $6, $7, $8, jsonb($9), jsonb($10), jsonb($11), jsonb($12), jsonb($13)`
		if len(entries) > 0 {
			failures = "[" + strings.Join(entries, ",") + "]"
		}
		if j.client != "" {
			by = fmt.Sprintf("[%q]", j.client)
		}
		row = s.pool.QueryRowContext(t.Context(), `insert into `+table+` (`+columns+`) values (`+values+`) returning id`,
			j.kind, j.queue, j.state, j.attempt, stamp(j.created), stamp(j.scheduled), stamp(j.attempted), stamp(j.ended), failures, by, j.metadata, `{"n": 1}`, `[]`)
	}
	if err := row.Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// done is a job that ended at a time, after a second of waiting and two of running.
func done(kind, state string, at time.Time, failures ...string) job {
	attempt := max(len(failures), 1)
	if state == "completed" {
		attempt = len(failures) + 1
	}
	return job{
		kind: kind, state: state, client: "host-a_2026_01_02T03_04_05_000006", attempt: attempt, created: at.Add(-3 * time.Second),
		attempted: at.Add(-2 * time.Second), ended: at, errors: failures,
	}
}

// service attaches to the site, with sums of its own on SQLite unless a database is given.
func (s *site) service(t testing.TB, own *db.DB) *Service {
	t.Helper()
	foreign, err := db.Attach(s.url, s.schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = foreign.Close() })
	if own == nil {
		own = dbtest.New(t)
	}
	made, err := New(Options{Foreign: foreign, Own: own, Interval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made
}

// begun is a service that found the site.
func (s *site) begun(t testing.TB, own *db.DB) *Service {
	t.Helper()
	made := s.service(t, own)
	if err := made.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	return made
}

// filled lets a service read all that ended.
func filled(t testing.TB, s *Service) {
	t.Helper()
	if err := s.step(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := &filler{width: minute}
	for range 10_000 {
		more, err := s.fillStep(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return
		}
	}
	t.Fatal("there is no end to what is to be read")
}
