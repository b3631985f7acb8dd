package db_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/test/servers"
)

// A faultSite is a Postgres of the test's own, and a DB that reaches it through a proxy.
type faultSite struct {
	*db.DB
	server *servers.Postgres
	proxy  *servers.Proxy
}

func newFaultSite(t *testing.T) *faultSite {
	t.Helper()
	s := &faultSite{server: servers.StartPostgres(t)}
	s.proxy = servers.StartProxy(t, s.server.Addr())
	s.DB = dbtest.OpenURL(t, strings.ReplaceAll(s.server.URL("agentos"), s.server.Addr(), s.proxy.Addr))
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *faultSite) exec(t *testing.T, statements ...string) {
	t.Helper()
	if err := s.server.Exec(context.Background(), "agentos", statements...); err != nil {
		t.Fatal(err)
	}
}

const endOthers = `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'agentos'`

// Each fault is reported in words that help, and as temporary; nothing waits longer than it may; and
// afterwards all works as before.
func TestPostgresFaults(t *testing.T) {
	t.Parallel()
	s := newFaultSite(t)
	for _, f := range []struct {
		name string
		says string // of a write; "" = it may work at once
		// reads: readers are not affected.
		reads  bool
		breaks func(t *testing.T) (mend func())
	}{
		{name: "refused", says: "Postgres is not there", breaks: func(t *testing.T) func() {
			s.proxy.Cut()
			return func() { s.mend(t) }
		}},
		{name: "hung", says: "the database does not answer", breaks: func(t *testing.T) func() {
			s.proxy.Hang()
			return func() { s.mend(t) }
		}},
		{name: "frozen", says: "the database does not answer", breaks: func(*testing.T) func() {
			s.server.Pause()
			return s.server.Resume
		}},
		{name: "stopped", says: "the connection to the database broke", breaks: func(t *testing.T) func() {
			s.server.Stop() // the proxy takes connections and finds nobody
			return func() { s.start(t) }
		}},
		{name: "restarted", breaks: func(t *testing.T) func() {
			if err := s.server.Restart(); err != nil {
				t.Fatal(err)
			}
			return func() {}
		}},
		{name: "killed", breaks: func(t *testing.T) func() {
			s.server.Kill()
			s.start(t)
			return func() {}
		}},
		{name: "no connections", says: "Postgres has no connection left", breaks: func(t *testing.T) func() {
			s.exec(t, `alter role agentos connection limit 0`, endOthers)
			return func() { s.exec(t, `alter role agentos connection limit -1`) }
		}},
		{name: "user refused", says: "Postgres refuses the user", breaks: func(t *testing.T) func() {
			s.exec(t, `alter role agentos nologin`, endOthers)
			return func() { s.exec(t, `alter role agentos login`) }
		}},
		{name: "read only", says: "Postgres takes no writes", reads: true, breaks: func(t *testing.T) func() {
			s.exec(t, `alter role agentos set default_transaction_read_only = on`, endOthers)
			return func() { s.exec(t, `alter role agentos reset default_transaction_read_only`, endOthers) }
		}},
		{name: "locked", says: "another transaction holds a lock for too long", breaks: func(t *testing.T) func() {
			conn, err := s.server.Connect(t.Context(), "agentos")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), `begin; lock table schedule in access exclusive mode`); err != nil {
				t.Fatal(err)
			}
			return func() { conn.Close(context.Background()) }
		}},
	} {
		t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
			mend := f.breaks(t)
			s.Reopen() // connections that were open only report that they broke
			timeout := time.Second
			if f.name == "locked" {
				timeout = 7 * time.Second // the server gives up after 5
			}
			mended := false
			defer func() {
				if !mended {
					mend()
				}
			}()
			if f.says != "" {
				s.wantReported(t, "write", f.says, timeout, func(ctx context.Context) error {
					_, err := s.Write.ExecContext(ctx, insertSchedule, f.name)
					return err
				})
				s.wantReported(t, "transaction", f.says, timeout, func(ctx context.Context) error {
					tx, err := s.Begin(ctx)
					if err != nil {
						return err
					}
					defer tx.Rollback()
					_, err = tx.ExecContext(ctx, insertSchedule, f.name)
					return err
				})
				if f.name != "locked" {
					s.wantReported(t, "ping", f.says, timeout, s.Ping)
				}
			}
			if f.says != "" && !f.reads {
				s.wantReported(t, "read", f.says, timeout, func(ctx context.Context) error {
					var n int
					return s.Read.QueryRowContext(ctx, `select count(*) from schedule`).Scan(&n)
				})
			}
			mended = true
			mend()
			s.wantRecovery(t)
		})
	}
}

// wantReported checks an attempt that has this long.
func (s *faultSite) wantReported(t *testing.T, what, want string, timeout time.Duration, attempt func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	began := time.Now()
	err := attempt(ctx)
	if took := time.Since(began); took > timeout+4*time.Second {
		t.Errorf("%s: took %v, and had %v", what, took, timeout)
	}
	if err == nil || !strings.Contains(db.Wrap(err).Error(), want) || !db.Temporary(err) {
		t.Errorf("%s: %v, temporary %v; want %q", what, db.Wrap(err), db.Temporary(err), want)
	}
}

func (s *faultSite) wantRecovery(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	attempt := func(what string, do func(ctx context.Context) error) {
		t.Helper()
		var err error
		until(t, what+" works again", func() bool {
			if ctx.Err() != nil {
				t.Fatalf("%s does not work within 30 s: %v", what, err)
			}
			short, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			err = do(short)
			return err == nil
		})
	}
	attempt("ping", s.Ping)
	attempt("writing", func(ctx context.Context) error {
		_, err := s.Write.ExecContext(ctx, `delete from schedule`)
		return err
	})
	attempt("a transaction", func(ctx context.Context) error {
		tx, err := s.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, `select 1`); err != nil {
			return err
		}
		return tx.Commit()
	})
	attempt("reading", func(ctx context.Context) error {
		var n int
		return s.Read.QueryRowContext(ctx, `select count(*) from schedule`).Scan(&n)
	})
	until(t, "no connection is lent", func() bool { return s.Pool.Stat().AcquiredConns() == 0 })
	until(t, "no more connections are open than may be", func() bool { return s.connections(t) <= 14 })
}

// connections are those that the server knows.
func (s *faultSite) connections(t *testing.T) (n int) {
	t.Helper()
	conn, err := s.server.Connect(context.Background(), "agentos")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	err = conn.QueryRow(t.Context(), `select count(*) from pg_stat_activity where usename = 'agentos'`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (s *faultSite) start(t *testing.T) {
	t.Helper()
	if err := s.server.Start(); err != nil {
		t.Fatal(err)
	}
}

func (s *faultSite) mend(t *testing.T) {
	t.Helper()
	if err := s.proxy.Mend(); err != nil {
		t.Fatal(err)
	}
}

// Hung statements give their places in the pool back soon: the next ones need them.
func TestAHungServerDoesNotEmptyThePool(t *testing.T) {
	s := newFaultSite(t)
	s.proxy.Hang()
	for range 3 {
		var ended []<-chan error
		for range s.Pool.Config().MaxConns {
			done := make(chan error, 1)
			ended = append(ended, done)
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
				defer cancel()
				_, err := s.Write.ExecContext(ctx, `select 1`)
				done <- err
			}()
		}
		for _, done := range ended {
			if err := <-done; err == nil || !db.Temporary(err) {
				t.Errorf("error %v", err)
			}
		}
	}
	s.mend(t)
	s.wantRecovery(t)
}

// A transaction whose connection breaks says so, and that the attempt may be made again.
func TestATransactionWhoseConnectionBreaks(t *testing.T) {
	s := newFaultSite(t)
	for name, last := range map[string]func(tx *db.Tx) error{
		"statement": func(tx *db.Tx) error { _, err := tx.ExecContext(context.Background(), insertSchedule, "b"); return err },
		"query": func(tx *db.Tx) error {
			rows, err := tx.QueryContext(context.Background(), `select 1`)
			if err == nil {
				rows.Close()
			}
			return err
		},
		"row":    func(tx *db.Tx) error { var n int; return tx.QueryRowContext(context.Background(), `select 1`).Scan(&n) },
		"commit": (*db.Tx).Commit,
		"driver": func(tx *db.Tx) error {
			_, err := tx.Postgres().Exec(context.Background(), insertSchedule, "b")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			tx, err := s.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(t.Context(), insertSchedule, "a"); err != nil {
				t.Fatal(err)
			}
			s.proxy.Reset()
			if err := last(tx); err == nil || !db.Temporary(err) {
				t.Errorf("error %v, temporary %v", err, db.Temporary(err))
			}
			if name != "commit" {
				if err := tx.Commit(); err == nil {
					t.Error("it was committed")
				}
			}
			tx.Rollback()
			s.wantRecovery(t)
			wantSchedules(t, s.DB, 0)
		})
	}
}

func TestRowsThatBreakOffAreNoShortResult(t *testing.T) {
	s := newFaultSite(t)
	rows, err := s.Read.QueryContext(t.Context(), `select n, repeat('x', 10000) from generate_series(1, 100000) n`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		if n++; n == 10 {
			s.proxy.Reset()
		}
	}
	if err := rows.Err(); err == nil || !db.Temporary(err) {
		t.Errorf("%d rows, error %v", n, err)
	}
	s.wantRecovery(t)
}

// Closing waits for nobody forever.
func TestCloseWhileTheServerHangs(t *testing.T) {
	s := newFaultSite(t)
	d, err := db.Open(t.Context(), strings.ReplaceAll(s.server.URL("agentos"), s.server.Addr(), s.proxy.Addr), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.proxy.Hang()
	defer s.mend(t)
	began := time.Now()
	_ = d.Close() // it may say that connections did not end
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if _, err := d.Write.ExecContext(t.Context(), `select 1`); err == nil {
		t.Error("a closed database works")
	}
}

// A batch of River's is bound as a whole, and a lost one gives its connection back.
func TestABatchOnAHungServer(t *testing.T) {
	s := newFaultSite(t)
	s.proxy.Hang()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := s.Pool.SendBatch(ctx, batch(`select $1::int`)).Close()
	if err == nil || !db.Temporary(err) {
		t.Errorf("error %v", err)
	}
	s.mend(t)
	s.wantRecovery(t)
}

func TestFailover(t *testing.T) {
	primary := servers.StartPostgres(t)
	url := primary.URL("agentos")
	d := dbtest.OpenURL(t, url)
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	standby, err := primary.NewStandby()
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Close()
	both := strings.ReplaceAll(url, primary.Addr(), standby.Addr()+","+primary.Addr()) + "&target_session_attrs=read-write"
	s := &faultSite{DB: dbtest.OpenURL(t, both), server: standby}
	if !strings.Contains(s.Describe(), primary.Addr()) {
		t.Errorf("it is connected with %s, not with the primary", s.Describe())
	}
	primary.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Ping(ctx); err == nil || !db.Temporary(err) {
		t.Errorf("Ping() while nobody takes writes = %v, temporary %v", err, db.Temporary(err))
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wantRecovery(t)
	if !strings.Contains(s.Describe(), standby.Addr()) {
		t.Errorf("it is connected with %s, not with the new primary", s.Describe())
	}
}
