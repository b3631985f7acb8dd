package pglink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/pglink"
	"github.com/agentos/agentos/test/servers"
)

const (
	// bounded is what no call may exceed: its second, and what a busy machine adds.
	bounded = 2500 * time.Millisecond

	// recovery is within what a link must work again.
	recovery = 10 * time.Second
)

// A fault is a way to break Postgres, and what links say of it.
type fault struct {
	name string
	// says is in the error of a store, or empty when some may succeed.
	says string
	// breaks breaks it, and returns what mends it.
	breaks func(t *testing.T, s *site) (mend func())
}

// A site is a server of the test's own, whose links go through a proxy.
type site struct {
	server *servers.Postgres
	proxy  *servers.Proxy
	config *pgx.ConnConfig // through the proxy
}

func newSite(t *testing.T, options ...servers.PostgresOption) *site {
	t.Helper()
	s := &site{server: servers.StartPostgres(t, options...)}
	d, err := db.Open(t.Context(), s.server.URL("agentos"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.config = configOf(t, s.server.URL("agentos"))
	s.proxy = proxied(t, s.config)
	return s
}

// exec runs statements as the superuser.
func (s *site) exec(t *testing.T, statements ...string) {
	t.Helper()
	if err := s.server.Exec(context.Background(), "agentos", statements...); err != nil {
		t.Fatal(err)
	}
}

// session begins statements on a connection that the returned function ends.
func (s *site) session(t *testing.T, statements ...string) (end func()) {
	t.Helper()
	conn, err := s.server.Connect(context.Background(), "agentos")
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := conn.Exec(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return func() { conn.Close(context.Background()) }
}

// again runs a statement as the superuser again and again.
func (s *site) again(t *testing.T, statement string) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := s.server.Connect(ctx, "agentos")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for range ticker.C {
			if _, err := conn.Exec(ctx, statement); err != nil {
				if ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
		conn.Close(context.Background())
	}
}

const ofLinks = `from pg_stat_activity where application_name like '%snapshot'`

var faults = []fault{
	{"stopped", "is not there", func(t *testing.T, s *site) func() {
		s.server.Stop()
		s.proxy.Cut() // a proxy accepts what nobody takes
		return func() { s.start(t); s.mend(t) }
	}},
	{"crashed", "", func(t *testing.T, s *site) func() {
		s.server.Kill()
		return func() { s.start(t) }
	}},
	{"restarted at once", "", func(t *testing.T, s *site) func() {
		if err := s.server.Restart(); err != nil {
			t.Fatal(err)
		}
		return func() {}
	}},
	{"frozen", "does not answer", func(_ *testing.T, s *site) func() {
		s.server.Pause()
		return s.server.Resume
	}},
	{"hung on the way", "does not answer", func(t *testing.T, s *site) func() {
		s.proxy.Hang()
		return func() { s.mend(t) }
	}},
	{"slow on the way", "does not answer", func(t *testing.T, s *site) func() {
		s.proxy.Slow(2 * time.Second)
		return func() { s.mend(t) }
	}},
	{"out of connections", "has no connection left", func(t *testing.T, s *site) func() { return s.exhaust(t) }},
	{"too many of one user", "has no connection left", func(t *testing.T, s *site) func() {
		s.exec(t, `alter role agentos connection limit 0`, `select pg_terminate_backend(pid) `+ofLinks)
		return func() { s.exec(t, `alter role agentos connection limit -1`) }
	}},
	{"read-only", "takes no writes", func(t *testing.T, s *site) func() {
		s.exec(t, `alter system set default_transaction_read_only = on`, `select pg_reload_conf()`)
		return func() {
			s.exec(t, `set default_transaction_read_only = off`, `alter system reset default_transaction_read_only`, `select pg_reload_conf()`)
		}
	}},
	{"table locked", "another transaction has locked", func(t *testing.T, s *site) func() {
		return s.session(t, `begin`, `lock table snapshot_document in access exclusive mode`)
	}},
	{"table missing", "bring the database's schema up to date", func(t *testing.T, s *site) func() {
		s.exec(t, `alter table snapshot_document rename to elsewhere`)
		return func() { s.exec(t, `alter table elsewhere rename to snapshot_document`) }
	}},
	{"forbidden", "grant the right", func(t *testing.T, s *site) func() {
		s.exec(t, `alter table snapshot_document owner to postgres`)
		return func() { s.exec(t, `alter table snapshot_document owner to agentos`) }
	}},
	{"user refused", "check name and password", func(t *testing.T, s *site) func() {
		s.exec(t, `alter role agentos nologin`, `select pg_terminate_backend(pid) `+ofLinks)
		return func() { s.exec(t, `alter role agentos login`) }
	}},
	{"statements cancelled", "", func(t *testing.T, s *site) func() {
		return s.again(t, `select pg_cancel_backend(pid) `+ofLinks+` and state = 'active'`)
	}},
	{"connections ended", "", func(t *testing.T, s *site) func() {
		return s.again(t, `select pg_terminate_backend(pid) `+ofLinks)
	}},
}

// exhaust takes all connections that are not reserved for the superuser.
func (s *site) exhaust(t *testing.T) (mend func()) {
	s.proxy.Cut()
	s.awaitNoConnection(t)
	var taken []*pgx.Conn
	for {
		conn, err := pgx.Connect(context.Background(), s.server.URL("agentos"))
		if err != nil {
			break
		}
		taken = append(taken, conn)
	}
	s.mend(t)
	return func() {
		for _, conn := range taken {
			conn.Close(context.Background())
		}
	}
}

func (s *site) awaitNoConnection(t *testing.T) {
	t.Helper()
	config := configOf(t, s.server.AdminURL("agentos"))
	eventually(t, "the server has no connection of the links", func() error {
		var n int
		query(t, config, `select count(*) `+ofLinks, &n)
		if n != 0 {
			return fmt.Errorf("%d are left", n)
		}
		return nil
	})
}

func (s *site) start(t *testing.T) {
	t.Helper()
	if err := s.server.Start(); err != nil {
		t.Fatal(err)
	}
}

func (s *site) mend(t *testing.T) {
	t.Helper()
	if err := s.proxy.Mend(); err != nil {
		t.Fatal(err)
	}
}

func TestLinkOutlivesFaults(t *testing.T) {
	t.Parallel()
	s := newSite(t, servers.PostgresSetting("max_connections", "20"))
	next := documents(t)
	for _, f := range faults {
		t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
			a, b := open(t, s.config, "a"), open(t, s.config, "b")
			ear := listenOn(t, b)
			works(t, a, b, ear, next)

			mended := false
			mend := f.breaks(t, s)
			defer func() {
				if !mended {
					mend()
				}
			}()
			if f.says != "" { // of connections that are open it takes hold a moment later
				eventually(t, "a store fails", func() error {
					ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
					defer cancel()
					if a.Store(ctx, next()) == nil {
						return errors.New("it was stored")
					}
					return nil
				})
			}
			suffers(t, f, a, next)
			mended = true
			mend()
			works(t, a, b, ear, next)

			a.Close()
			b.Close()
			for name, conn := range map[string]*pglink.Link{"a": a, "b": b} {
				if n := conn.Stats().Connections; n != 0 {
					t.Errorf("%s has %d connections after its end", name, n)
				}
			}
			s.awaitNoConnection(t)
		})
	}
}

// suffers checks that calls are bounded and end at once after the first few, and that they say what is wrong.
func suffers(t *testing.T, f fault, conn *pglink.Link, next func() link.Document) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	first, slow := time.Now(), 0
	for range 40 {
		for name, call := range map[string]func() error{
			"Store":    func() error { return conn.Store(ctx, next()) },
			"Campaign": func() error { _, err := conn.Campaign(ctx, 1); return err },
			"Load":     func() error { _, err := conn.Load(ctx); return err },
			"Notify":   func() error { return conn.Notify(ctx, nil) },
		} {
			began := time.Now()
			err := call()
			took := time.Since(began)
			if took > bounded {
				t.Errorf("%s() took %v", name, took)
			}
			if took > 500*time.Millisecond {
				slow++
			}
			var held *link.HeldError
			if errors.As(err, &held) || errors.Is(err, link.ErrNotFound) || errors.Is(err, link.ErrFenced) {
				t.Errorf("%s() = %v, of which nothing is known", name, err)
			}
			if f.says != "" && name == "Store" && (err == nil || !strings.Contains(err.Error(), f.says)) {
				t.Errorf("Store() = %v, which does not say %q", err, f.says)
			}
		}
	}
	// Two find out, and one each second tries again.
	if took := time.Since(first); slow > 3+int(took/time.Second) {
		t.Errorf("%d of 160 calls were slow in %v: the link does not fail fast", slow, took)
	}
	if stats := conn.Stats(); f.says != "" && (stats.Errors == 0 || !strings.Contains(stats.Error, f.says)) {
		t.Errorf("the statistics say %+v", stats)
	}
}

// works checks that both links do all they can within the time of recovery, and that no more connections are open than are
// to be.
func works(t *testing.T, a, b *pglink.Link, ear *ear, next func() link.Document) {
	t.Helper()
	for _, conn := range []*pglink.Link{a, b} {
		eventually(t, "the link has the lease", func() error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if _, err := conn.Campaign(ctx, 1); err != nil {
				return err
			}
			return conn.Resign(ctx)
		})
	}
	eventually(t, "what one stores, or notifies of, the other receives and can load", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s := next()
		if err := a.Store(ctx, s); err != nil {
			return err
		}
		if err := a.Notify(ctx, []string{fmt.Sprint(s.Revision)}); err != nil {
			return err
		}
		if err := ear.await(ctx, s); err != nil {
			return err
		}
		doc, err := b.Load(ctx)
		if err == nil && !bytes.Equal(doc, s.JSON) {
			err = fmt.Errorf("loaded %.40q", doc)
		}
		return err
	})
	for _, conn := range []*pglink.Link{a, b} {
		if n := conn.Stats().Connections; n > 3 {
			t.Errorf("%d connections are open", n)
		}
	}
}

// An ear listens on a link until the test's end, again after a pause when that ends.
type ear struct {
	mu       sync.Mutex
	docs     map[string]bool
	notified map[string]bool
	news     chan struct{}
	ready    int
	last     error
}

func listenOn(t *testing.T, conn *pglink.Link) *ear {
	t.Helper()
	e := &ear{docs: map[string]bool{}, notified: map[string]bool{}, news: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			err := conn.Listen(ctx, link.Listener{
				OnReady:    func() { e.note(func() { e.ready++ }) },
				OnDocument: func(doc []byte) { e.note(func() { e.docs[string(doc)] = true }) },
				OnNotify: func(sections []string) {
					e.note(func() { e.notified[strings.Join(sections, ",")] = true })
				},
			})
			e.note(func() { e.last = err })
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return e
}

func (e *ear) note(what func()) {
	e.mu.Lock()
	what()
	e.mu.Unlock()
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// await waits until a document and its revision, as a section's name, were received.
func (e *ear) await(ctx context.Context, s link.Document) error {
	for {
		e.mu.Lock()
		received, notified, last := e.docs[string(s.JSON)], e.notified[fmt.Sprint(s.Revision)], e.last
		e.mu.Unlock()
		if received && notified {
			return nil
		}
		select {
		case <-e.news:
		case <-ctx.Done():
			return fmt.Errorf("revision %d: received %v, notified %v; listening: %w", s.Revision, received, notified, errors.Join(last, ctx.Err()))
		}
	}
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), recovery)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("not within %v: %s: %v", recovery, what, err)
		}
	}
}
