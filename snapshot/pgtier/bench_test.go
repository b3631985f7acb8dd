package pgtier_test

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
	"github.com/agentos/agentos/snapshot/pgtier"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// documents makes snapshots of growing revisions that have some 12 KB when compressed, as those of a fleet have.
func documents(tb testing.TB) (next func() *snapshot.Snapshot) {
	tb.Helper()
	cache := snapshot.NewCache(snapshot.CacheOptions{})
	source := snapshottest.NewSource(nil)
	warmer, err := snapshot.NewWarmer(cache, []snapshot.Section{{
		Name: "test", Source: source, MaxBytes: snapshot.MaxDocumentBytes,
	}}, snapshot.WarmerOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 11_500)
	return func() *snapshot.Snapshot {
		tb.Helper()
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		source.Return(map[string]string{"text": base64.StdEncoding.EncodeToString(noise)})
		if err := warmer.Refresh(tb.Context()); err != nil {
			tb.Fatal(err)
		}
		return cache.Current()
	}
}

func open(tb testing.TB, config *pgx.ConnConfig, holder string) *pgtier.Link {
	tb.Helper()
	link := pgtier.Open(context.Background(), config, pgtier.Options{Holder: holder})
	tb.Cleanup(link.Close)
	return link
}

func BenchmarkStore(b *testing.B) {
	config := configOf(b, dbtest.PostgresURL(b))
	link, next := open(b, config, "a"), documents(b)
	for b.Loop() {
		b.StopTimer()
		s := next()
		b.StartTimer()
		if err := link.Store(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
	var table, toast int64
	query(b, config, `select pg_relation_size(c.oid), pg_relation_size(c.reltoastrelid) from pg_class c where relname = 'snapshot_document'`, &table, &toast)
	b.ReportMetric(float64(table)/1024, "table-KB")
	b.ReportMetric(float64(toast)/1024, "toast-KB")
}

func BenchmarkStoreUntilHeard(b *testing.B) {
	config := configOf(b, dbtest.PostgresURL(b))
	link, other, next := open(b, config, "a"), open(b, config, "b"), documents(b)
	heard := make(chan int, 1)
	hear(b, other, snapshot.Listener{Document: func(doc []byte) { heard <- len(doc) }})
	for b.Loop() {
		b.StopTimer()
		s := next()
		b.StartTimer()
		if err := link.Store(b.Context(), s); err != nil {
			b.Fatal(err)
		}
		select {
		case <-heard:
		case <-b.Context().Done():
		case <-time.After(10 * time.Second):
			b.Fatalf("revision %d was not heard: %+v, %+v", s.Revision, link.Stats(), other.Stats())
		}
	}
}

func BenchmarkCampaign(b *testing.B) {
	config := configOf(b, dbtest.PostgresURL(b))
	link, other := open(b, config, "a"), open(b, config, "b")
	for name, campaigner := range map[string]*pgtier.Link{"keep": link, "look": other} {
		if _, err := link.Campaign(b.Context(), 1); err != nil {
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
					if _, err := link.Campaign(b.Context(), 1); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// hear listens until the test ends, and returns when nothing is missed any more.
func hear(tb testing.TB, link *pgtier.Link, to snapshot.Listener) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	to.Ready = func() { close(ready) }
	go func() { ended <- link.Listen(ctx, to) }()
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
