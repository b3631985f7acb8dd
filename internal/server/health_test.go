package server

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestLivezAndReadyz(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		if r := f.as("", "GET", "/livez", ""); r.status != 200 {
			t.Errorf("livez: %d", r.status)
		}
		var ready readiness
		r := f.as("", "GET", "/readyz", "")
		for range 20 { // on a busy machine the first answer may take longer than a probe waits
			if strings.Contains(r.body, `"reasons":[]`) {
				break
			}
			time.Sleep(50 * time.Millisecond)
			r = f.as("", "GET", "/readyz", "")
		}
		r.json(t, &ready)
		if r.status != 200 || ready.Status != "ready" || len(ready.Reasons) != 0 || ready.Revision == 0 {
			t.Errorf("readyz: %d %s", r.status, r.body)
		}
	})
}

func TestReadyWithDatabaseDown(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleViewer)
		d.Break()
		r := f.as("", "GET", "/readyz", "")
		if r.status != 200 || !strings.Contains(r.body, "nothing can be changed") || strings.Contains(r.body, "agentos.db") || strings.Contains(r.body, "127.0.0.1") {
			t.Errorf("readyz: %d %s", r.status, r.body)
		}
		if r := f.as("", "GET", "/livez", ""); r.status != 200 {
			t.Errorf("livez: %d", r.status)
		}
		if r := f.as(token, "GET", "/api/admin/ssot", ""); r.status != 200 {
			t.Errorf("the document for a known token: %d", r.status)
		}
		if r := f.as(token[:len(token)-4]+"aaaa", "GET", "/api/admin/ssot", ""); r.status != 503 || r.header.Get("Retry-After") == "" {
			t.Errorf("the document for an unknown token: %d %s", r.status, r.body)
		}
	})
}

// A probe gives up after a second, and a load balancer takes a server out whose probes fail: a database that hangs must
// not take out all of them. Nor may any number of probes be a load for it.
func TestProbesDoNotWaitForADatabaseThatHangs(t *testing.T) {
	d := dbtest.NewBreakable(t, db.Postgres)
	f := newFixture(t, d)
	f.as("", "GET", "/readyz", "")
	f.stop()
	d.Hang()
	defer d.Mend()
	before := d.Statements()
	began := time.Now()
	waitFor(t, "a probe that reports it", func() bool {
		start := time.Now()
		r := f.as("", "GET", "/readyz", "")
		if took := time.Since(start); r.status != 200 || took > 5*readyTimeout {
			t.Errorf("readyz: %d after %s: %s", r.status, took, r.body)
		}
		return strings.Contains(r.body, "nothing can be changed")
	})
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if r := f.as("", "GET", "/readyz", ""); r.status != 200 {
				t.Errorf("readyz: %d", r.status)
			}
		})
	}
	group.Wait()
	if n, most := d.Statements()-before, uint64(time.Since(began)/readyEvery)+1; n > most {
		t.Errorf("%d statements for 51 probes, want at most %d", n, most)
	}
}

// A server that was started while the database was away shows its document to nobody: others do better.
func TestUnreadyUntilCredentialsAreKnown(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		var late *auth.Service
		f := newFixture(t, d, func(_ *fixture, o *Options) {
			d.Break()
			var err error
			late, err = auth.Open(t.Context(), d.DB, auth.Options{RefreshEvery: 10 * time.Millisecond})
			must(t, err)
			o.Auth = late
		})
		if r := f.as("", "GET", "/readyz", ""); r.status != 503 || !strings.Contains(r.body, "nobody can be let in") || r.header.Get("Retry-After") == "" {
			t.Errorf("readyz: %d %s", r.status, r.body)
		}
		if r := f.as("", "GET", "/livez", ""); r.status != 200 {
			t.Errorf("livez: %d", r.status)
		}
		d.Mend()
		var group sync.WaitGroup
		defer group.Wait()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		group.Go(func() {
			if err := late.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		waitFor(t, "ready once the database answers", func() bool { return f.as("", "GET", "/readyz", "").status == 200 })
	})
}

func TestUnreadyWithoutDocument(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d, func(_ *fixture, o *Options) { o.Panel = emptyPanel(t) })
		if r := f.as("", "GET", "/readyz", ""); r.status != 503 || !strings.Contains(r.body, "no document") || r.header.Get("Retry-After") == "" {
			t.Errorf("readyz: %d %s", r.status, r.body)
		}
		if r := f.as("", "GET", "/livez", ""); r.status != 200 {
			t.Errorf("livez: %d", r.status)
		}
	})
}

func TestMetrics(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		if r := f.as(f.token(auth.RoleViewer), "GET", "/metrics", ""); r.status != 200 || !strings.Contains(r.body, "agentos_up 1") {
			t.Errorf("%d %s", r.status, r.body)
		}
		without := newFixture(t, d, func(_ *fixture, o *Options) { o.Metrics = nil })
		if r := without.as(without.token(auth.RoleViewer), "GET", "/metrics", ""); r.status != 404 {
			t.Errorf("without metrics: %d", r.status)
		}
	})
}
