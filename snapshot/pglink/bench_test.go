package pglink_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/pglink"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// documents makes snapshots of growing revisions that have some 12 KB when compressed, as those of a fleet have.
func documents(tb testing.TB) (next func() link.Document) {
	tb.Helper()
	source := snapshottest.NewSource(nil)
	panel, err := snapshot.Open(tb.Context(), snapshot.Options{Sections: []snapshot.Section{{
		Name: "test", Collect: source.Collect, MaxBytes: link.DefaultMaxBytes,
	}}})
	if err != nil {
		tb.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 11_500)
	return func() link.Document {
		tb.Helper()
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		source.Return(map[string]string{"text": base64.StdEncoding.EncodeToString(noise)})
		if err := panel.Refresh(tb.Context()); err != nil {
			tb.Fatal(err)
		}
		s := panel.Current()
		return link.Document{Revision: s.Revision, Version: 1, JSON: s.JSON, Gzip: s.Gzip}
	}
}

func open(tb testing.TB, config *pgx.ConnConfig, holder string) *pglink.Link {
	tb.Helper()
	conn := pglink.Open(context.Background(), config, pglink.Options{Holder: holder})
	tb.Cleanup(conn.Close)
	return conn
}

func BenchmarkStore(b *testing.B) {
	config := configOf(b, dbtest.PostgresURL(b))
	conn, next := open(b, config, "a"), documents(b)
	for b.Loop() {
		b.StopTimer()
		s := next()
		b.StartTimer()
		if err := conn.Store(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
	var table, toast int64
	query(b, config, `select pg_relation_size(c.oid), pg_relation_size(c.reltoastrelid) from pg_class c where relname = 'snapshot_document'`, &table, &toast)
	b.ReportMetric(float64(table)/1024, "table-KB")
	b.ReportMetric(float64(toast)/1024, "toast-KB")
}

func BenchmarkStoreUntilDelivered(b *testing.B) {
	config := configOf(b, dbtest.PostgresURL(b))
	conn, other, next := open(b, config, "a"), open(b, config, "b"), documents(b)
	received := make(chan int, 1)
	receive(b, other, link.Listener{OnDocument: func(doc []byte) { received <- len(doc) }})
	for b.Loop() {
		b.StopTimer()
		s := next()
		b.StartTimer()
		if err := conn.Store(b.Context(), s); err != nil {
			b.Fatal(err)
		}
		select {
		case <-received:
		case <-b.Context().Done():
		case <-time.After(10 * time.Second):
			b.Fatalf("revision %d was not received: %+v, %+v", s.Revision, conn.Stats(), other.Stats())
		}
	}
}

func BenchmarkCampaign(b *testing.B) {
	config := configOf(b, dbtest.PostgresURL(b))
	conn, other := open(b, config, "a"), open(b, config, "b")
	for name, campaigner := range map[string]*pglink.Link{"keep": conn, "look": other} {
		if _, err := conn.Campaign(b.Context(), 1); err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			last := time.Now()
			for b.Loop() {
				if _, err := campaigner.Campaign(b.Context(), 1); (err == nil) != (name == "keep") {
					b.Fatal(err)
				}
				if name == "look" && time.Since(last) > time.Second {
					last = time.Now()
					if _, err := conn.Campaign(b.Context(), 1); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// receive listens until the test ends, and returns when nothing is missed any more.
func receive(tb testing.TB, conn *pglink.Link, to link.Listener) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	to.OnReady = func() { close(ready) }
	go func() { ended <- conn.Listen(ctx, to) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			tb.Errorf("listening ended: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		tb.Fatal(fmt.Errorf("listen: %w", err))
	}
}

func query(tb testing.TB, config *pgx.ConnConfig, statement string, to ...any) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, statement).Scan(to...); err != nil {
		tb.Fatal(err)
	}
}
