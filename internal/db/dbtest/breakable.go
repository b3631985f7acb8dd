package dbtest

import (
	"net/url"
	"os"
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/test/servers"
)

// Breakable is a database that can be taken away and given back.
type Breakable struct {
	*db.DB
	t     testing.TB
	proxy *servers.Proxy // Postgres only
}

// NewBreakable opens a migrated database of the test's own.
func NewBreakable(t testing.TB, kind db.Kind) *Breakable {
	t.Helper()
	if kind == db.SQLite {
		return &Breakable{DB: New(t), t: t}
	}
	u, err := url.Parse(PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy := servers.StartProxy(t, u.Host)
	u.Host = proxy.Addr
	return &Breakable{DB: OpenURL(t, u.String()), t: t, proxy: proxy}
}

// EachBreakable runs a test on each kind of database.
func EachBreakable(t *testing.T, test func(t *testing.T, d *Breakable)) {
	t.Helper()
	for _, kind := range []db.Kind{db.SQLite, db.Postgres} {
		t.Run(string(kind), func(t *testing.T) { test(t, NewBreakable(t, kind)) })
	}
}

// Break takes the database away: the file is gone, as when a disk fails; the server refuses connections.
func (b *Breakable) Break() {
	b.t.Helper()
	if b.proxy != nil {
		b.proxy.Cut()
		return
	}
	if err := os.Rename(b.Path, b.away()); err != nil {
		b.t.Fatal(err)
	}
	b.Reopen() // open connections would go on for a moment
}

// Hang lets a Postgres take connections and answer nothing.
func (b *Breakable) Hang() { b.proxy.Hang() }

// Mend gives the database back.
func (b *Breakable) Mend() {
	b.t.Helper()
	var err error
	if b.proxy != nil {
		err = b.proxy.Mend()
	} else {
		err = os.Rename(b.away(), b.Path)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *Breakable) away() string { return b.Path + ".away" }
