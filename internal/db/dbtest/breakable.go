package dbtest

import (
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

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

// LoseCommits lets the next transactions that change a table, so many of them, be done without that whoever made them learns it: the
// connection breaks when their COMMIT is under way, which then goes on for a while.
//
// On SQLite it does nothing: there the process that commits is the one that writes the file, and after an error nothing was done.
func (b *Breakable) LoseCommits(table string, times int, lasts time.Duration) {
	b.t.Helper()
	if b.proxy == nil {
		return
	}
	const mark = "the answer to this is lost"
	// Postgres gives up a transaction when it finds out that nobody hears it, and when the driver asks it to: so it says one thing,
	// and takes no notice.
	_, err := b.Write.ExecContext(b.t.Context(), fmt.Sprintf(`
		create or replace function lose_commit() returns trigger language plpgsql as $$ declare to_go_on timestamptz; begin
			if coalesce(current_setting('lose.commit', true), '') <> '' then return null; end if;
			perform set_config('lose.commit', 'yes', true);
			loop
				begin
					if to_go_on is null then
						to_go_on := clock_timestamp() + interval '%[3]d milliseconds';
						raise notice '%[2]s';
					end if;
					while clock_timestamp() < to_go_on loop perform pg_sleep(0.005); end loop;
					return null;
				exception when query_canceled then null;
				end;
			end loop;
		end $$;
		drop trigger if exists lose_commit on %[1]s;
		create constraint trigger lose_commit after insert or update on %[1]s deferrable initially deferred
			for each row execute function lose_commit()`, table, mark, max(lasts, 20*time.Millisecond).Milliseconds()))
	if err != nil {
		b.t.Fatal(err)
	}
	b.proxy.LoseAnswers(mark, times)
}

// ToLose is how many commits are still to be lost.
func (b *Breakable) ToLose() int {
	if b.proxy == nil {
		return 0
	}
	return b.proxy.ToLose()
}

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
