package db_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/test/servers"
)

func TestOpenSaysWhatIsWrongWithPostgres(t *testing.T) {
	server := servers.StartPostgres(t)
	// Any password is right for the users there are; this one needs its own.
	err := server.Exec(t.Context(), "postgres", `create role strict login password 'right'`)
	if err != nil {
		t.Fatal(err)
	}
	hba := filepath.Join(server.Data(), "pg_hba.conf")
	rules, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hba, append([]byte("host all strict all scram-sha-256\n"), rules...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := server.Reload(); err != nil {
		t.Fatal(err)
	}
	nobody := servers.HoldPort(t)
	at := func(user, password, addr, rest string) string {
		return "postgres://" + user + ":" + password + "@" + addr + rest
	}
	for _, c := range []struct {
		name, url, want string
		temporary       bool
	}{
		{"nobody there", at("agentos", "s3cret", nobody.Addr(), "/agentos?sslmode=disable"), "Postgres is not there", true},
		{"no such host", at("agentos", "s3cret", "nowhere.invalid", "/agentos?sslmode=disable"), "has no address: check its name", false},
		{"wrong password", at("strict", "s3cret", server.Addr(), "/agentos?sslmode=disable"), "check name and password", false},
		{"no such user", at("nobody", "s3cret", server.Addr(), "/agentos?sslmode=disable"), "check name and password", false},
		{"no such database", at("agentos", "s3cret", server.Addr(), "/nothing?sslmode=disable"), "create it, or correct its name", false},
		{"no TLS there", at("agentos", "s3cret", server.Addr(), "/agentos?sslmode=require"), "check sslmode in the database URL", false},
		{"no such setting", at("agentos", "s3cret", server.Addr(), "/agentos?sslmode=disable&work_memory=1"), "work_memory", false},
		{"too few connections", at("agentos", "s3cret", server.Addr(), "/agentos?pool_max_conns=2"), "give at least 3", false},
		{"no port", at("agentos", "s3cret", "127.0.0.1:x", "/agentos"), "write postgres://user:password@host:5432/name", false},
		{"a wrong escape", at("agentos", "s3cret", "127.0.0.1", "/%zz"), "write postgres://user:password@host:5432/name", false},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			began := time.Now()
			d, err := db.Open(t.Context(), c.url, nil)
			if err == nil {
				d.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), c.want) || db.Temporary(err) != c.temporary {
				t.Errorf("error %q, temporary %v; want %q, %v", err, db.Temporary(err), c.want, c.temporary)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error shows the password: %v", err)
			}
			if again := db.Wrap(err); strings.Count(again.Error(), c.want) != strings.Count(err.Error(), c.want) {
				t.Errorf("explained twice: %v", again)
			}
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	d, err := db.Open(t.Context(), at("strict", "right", server.Addr(), "/agentos?sslmode=disable"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if strings.Contains(d.URL+d.Describe(), "right") {
		t.Errorf("the password is shown: %s, %s", d.URL, d.Describe())
	}
	if err := d.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "run agentos migrate") {
		t.Errorf("Ping() of an empty database = %v", err)
	}
}

func TestPrepareWorksWhileTheServerIsAway(t *testing.T) {
	d := dbtest.NewBreakable(t, db.Postgres)
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	config := d.Pool.Config().ConnConfig
	url := fmt.Sprintf("postgres://agentos:any@%s:%d/%s?sslmode=disable", config.Host, config.Port, config.Database)
	d.Break()
	began := time.Now()
	p, err := db.Prepare(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if took := time.Since(began); took > 4*time.Second { // to look for it takes 5
		t.Errorf("it took %v", took)
	}
	if !strings.HasPrefix(p.Describe(), "Postgres at ") {
		t.Errorf("described as %q", p.Describe())
	}
	for range 3 {
		if err := p.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "Postgres is not there") || !db.Temporary(err) {
			t.Errorf("Ping() = %v", err)
		}
	}
	d.Mend()
	until(t, "it works", func() bool { return p.Ping(t.Context()) == nil })
	exec(t, p, insertSchedule, "a")
	wantSchedules(t, p, 1)
	if !strings.HasPrefix(p.Describe(), "Postgres 1") {
		t.Errorf("described as %q", p.Describe())
	}
}

// Whoever forgets a deadline does not wait forever for a server that hangs.
func TestStatementsWithoutDeadlineEnd(t *testing.T) {
	t.Parallel()
	d := dbtest.NewBreakable(t, db.Postgres)
	var one int
	if err := d.Read.QueryRow(`select 1`).Scan(&one); err != nil {
		t.Fatal(err)
	}
	d.Hang()
	defer d.Mend()
	began := time.Now()
	err := d.Read.QueryRow(`select 1`).Scan(&one)
	if took := time.Since(began); err == nil || !db.Temporary(err) || took > 10*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	if text := db.Wrap(err).Error(); !strings.Contains(text, "the database does not answer") {
		t.Errorf("explained as %s", text)
	}
}

// River's statements go through the same tracer; it sees each of them.
func TestEveryFormOfStatementIsBoundAndSeen(t *testing.T) {
	d := dbtest.Postgres(t)
	var mu sync.Mutex
	var seen []string
	d.Trace(func(query string, args []driver.NamedValue) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("%s %d", query, len(args)))
	})
	tracer := d.Pool.Config().ConnConfig.Tracer
	for name, bound := range map[string]context.Context{
		"query": tracer.TraceQueryStart(t.Context(), nil, pgx.TraceQueryStartData{SQL: "query", Args: []any{pgx.QueryResultFormats{1}, 7}}),
		"batch": tracer.(pgx.BatchTracer).TraceBatchStart(t.Context(), nil, pgx.TraceBatchStartData{Batch: batch("batch")}),
		"copy":  tracer.(pgx.CopyFromTracer).TraceCopyFromStart(t.Context(), nil, pgx.TraceCopyFromStartData{TableName: pgx.Identifier{"copy"}}),
	} {
		if deadline, has := bound.Deadline(); !has || time.Until(deadline) > time.Minute {
			t.Errorf("%s: deadline %v, %v", name, deadline, has)
		}
		tracer.TraceQueryEnd(bound, nil, pgx.TraceQueryEndData{})
		if bound.Err() == nil {
			t.Errorf("%s: its context outlives it", name)
		}
	}
	given, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if bound := tracer.TraceQueryStart(given, nil, pgx.TraceQueryStartData{SQL: "given"}); bound != given {
		t.Error("a deadline that was given is changed")
	}
	mu.Lock()
	defer mu.Unlock()
	all := strings.Join(seen, "\n")
	for _, want := range []string{"query 1", "batch 1", `copy "copy"`, "given 0"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not among what was seen:\n%s", want, all)
		}
	}
}

func batch(query string) *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue(query, 7)
	return b
}

func TestTextsAreMadeStorable(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, text := range []string{"plain ü", "a\x00b", "broken \xff\xfe utf-8", strings.Repeat("\x00", 100)} {
			exec(t, d, `insert into schedule (agent, spec, next_ms) values ($1, '', 0)`, d.Clean(text))
		}
		wantSchedules(t, d, 4)
		if got := d.Clean("plain ü"); got != "plain ü" {
			t.Errorf("Clean() = %q", got)
		}
	})
}

func TestStampsCompareWithRiversTimes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		at := time.Date(2026, 3, 1, 12, 30, 15, 123_000_000, time.FixedZone("", 3600))
		args := `'{}'`
		if d.Kind == db.SQLite {
			args = `jsonb('{}')`
		}
		exec(t, d, `insert into river_job (args, kind, max_attempts, scheduled_at) values (`+args+`, 'x', 1, $1)`, d.Stamp(at))
		for _, c := range []struct {
			since time.Duration
			want  int
		}{{-time.Millisecond, 1}, {0, 1}, {time.Millisecond, 0}} {
			var n int
			err := d.Read.QueryRowContext(t.Context(), `select count(*) from river_job where scheduled_at >= $1`, d.Stamp(at.Add(c.since))).Scan(&n)
			if err != nil || n != c.want {
				t.Errorf("%v later: %d, %v; want %d", c.since, n, err, c.want)
			}
		}
	})
}
