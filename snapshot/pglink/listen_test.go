package pglink_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/pglink"
	"github.com/agentos/agentos/test/servers"
)

func TestOwnNewsAreNotDelivered(t *testing.T) {
	config := configOf(t, dbtest.PostgresURL(t))
	a, b, next := open(t, config, "a"), open(t, config, "b"), documents(t)
	received := make(chan string, 10)
	receive(t, a, link.Listener{
		OnDocument: func([]byte) { received <- "a document" },
		OnNotify:   func(sections []string) { received <- strings.Join(sections, ",") },
	})
	if err := a.Store(t.Context(), next()); err != nil {
		t.Fatal(err)
	}
	if err := a.Notify(t.Context(), []string{"own"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Notify(t.Context(), []string{"other"}); err != nil {
		t.Fatal(err)
	}
	if first := <-received; first != "other" { // messages keep their order
		t.Errorf("received %q", first)
	}
}

func TestTooManySectionsAreAll(t *testing.T) {
	config := configOf(t, dbtest.PostgresURL(t))
	a, b := open(t, config, "a"), open(t, config, "b")
	received := make(chan []string, 1)
	receive(t, a, link.Listener{OnNotify: func(sections []string) { received <- sections }})
	if err := b.Notify(t.Context(), slices.Repeat([]string{"section"}, 2000)); err != nil {
		t.Fatal(err)
	}
	if sections := <-received; len(sections) != 0 {
		t.Errorf("notified %d sections, want none, which is all", len(sections))
	}
}

// What anybody sends on the channel is no reason to stop listening.
func TestForeignMessagesAreDropped(t *testing.T) {
	config := configOf(t, dbtest.PostgresURL(t))
	a, b, next := open(t, config, "a"), open(t, config, "b"), documents(t)
	received := make(chan []byte, 1)
	receive(t, a, link.Listener{OnDocument: func(doc []byte) { received <- doc }})
	for _, message := range []string{"", " ", "x", "x stored", "x stored y", "x stored -1", "x stored 9223372036854775807", "x asked"} {
		run(t, config, `select pg_notify('snapshot_' || md5(current_schema() || '/snapshot'), $1)`, message)
	}
	s := next()
	if err := b.Store(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if doc := <-received; string(doc) != string(s.JSON) {
		t.Errorf("received %.40q", doc)
	}
}

// Two programs share a database, each with a schema of its own: neither receives the other's notifications.
func TestSchemasAreApart(t *testing.T) {
	config := configOf(t, dbtest.PostgresURL(t))
	run(t, config, `create schema other`)
	run(t, config, `create table other.snapshot_document (like snapshot_document including all)`)
	other := config.Copy()
	other.RuntimeParams["search_path"] = "other"
	a, b, next := open(t, config, "a"), open(t, other, "b"), documents(t)
	received := make(chan string, 10)
	receive(t, a, link.Listener{
		OnDocument: func([]byte) { received <- "a document" },
		OnNotify:   func(sections []string) { received <- strings.Join(sections, ",") },
	})
	if _, err := a.Campaign(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Campaign(t.Context(), 1); err != nil {
		t.Errorf("Campaign() = %v in another schema", err)
	}
	if err := b.Store(t.Context(), next()); err != nil {
		t.Fatal(err)
	}
	if err := b.Notify(t.Context(), []string{"other"}); err != nil {
		t.Fatal(err)
	}
	if err := open(t, config, "c").Notify(t.Context(), []string{"same"}); err != nil {
		t.Fatal(err)
	}
	if first := <-received; first != "same" {
		t.Errorf("received %q", first)
	}
}

// A link that nobody calls costs Postgres no statement, though it finds out within seconds when its connection hangs.
func TestAnIdleLinkRunsNoStatement(t *testing.T) {
	s := newSite(t)
	s.exec(t, `create extension pg_stat_statements`)
	a := open(t, s.config, "a")
	ended := make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		ended <- a.Listen(context.Background(), link.Listener{OnReady: func() { close(ready) }})
	}()
	<-ready
	admin := configOf(t, s.server.AdminURL("agentos"))
	run(t, admin, `select pg_stat_statements_reset()`)
	pings := make(map[time.Time]bool)
	eventually(t, "the connection is tried three times", func() error {
		var last string
		var at time.Time
		query(t, admin, `select query, query_start `+ofLinks, &last, &at)
		if last == "-- ping" {
			pings[at] = true
		}
		if len(pings) < 3 {
			return context.DeadlineExceeded
		}
		return nil
	})
	var statements int
	query(t, admin, `select coalesce(sum(calls), 0) from pg_stat_statements s join pg_roles r on r.oid = s.userid where rolname = 'agentos'`, &statements)
	if statements != 0 {
		t.Errorf("%d statements", statements)
	}
	s.proxy.Hang()
	began := time.Now()
	err := <-ended
	if took := time.Since(began); took > 4*time.Second || err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("listening to a hung server ended after %v: %v", took, err)
	}
}

func TestLinkWorksOnceTheServerIsThere(t *testing.T) {
	config := configOf(t, dbtest.PostgresURL(t))
	config.Password = "secret-of-mine"
	direct := config.Copy()
	proxy := proxied(t, config)
	proxy.Cut()
	conn := open(t, config, "a")
	err := conn.Store(t.Context(), documents(t)())
	if err == nil || !strings.Contains(err.Error(), "is not there") || strings.Contains(err.Error(), "secret-of-mine") {
		t.Errorf("Store() = %v", err)
	}
	if err := proxy.Mend(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lease is had", func() error {
		_, err := conn.Campaign(t.Context(), 1)
		return err
	})

	direct.Port = uint16(servers.HoldPort(t).Number) // nobody listens there
	alone := pglink.Open(t.Context(), direct, pglink.Options{})
	if err := alone.Listen(t.Context(), link.Listener{}); err == nil || !strings.Contains(err.Error(), "is not there") {
		t.Errorf("Listen() = %v", err)
	}
	alone.Close()
}
