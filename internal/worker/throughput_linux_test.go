package worker

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/runner"
	"github.com/agentos/agentos/test/processor"
)

const (
	trivialSlots = 200    // of each client
	trivialJobs  = 10_000 // of one measurement
	trivialTurns = 21
	// leastShare of bare River's throughput is what jobs that do nothing get at least: each end is a transaction of its own.
	leastShare = 0.05
)

// BenchmarkTrivialJobs runs jobs that do nothing, with bare River and with us in turns, on the same Postgres with the same
// settings. It fails when we are much slower.
func BenchmarkTrivialJobs(b *testing.B) {
	for _, clients := range []int{1, 2} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			turns := trivialTurns
			if n, err := strconv.Atoi(os.Getenv("AGENTOS_BENCH_TURNS")); err == nil {
				turns = n
			}
			var ratios, bare, ours, costs []float64
			url := dbtest.PostgresURL(b)
			trivial(b, url, clients, startBare) // the first one finds files and caches empty
			for turn := range turns {
				measure := map[string]func() (float64, time.Duration){
					"bare": func() (float64, time.Duration) { return trivial(b, url, clients, startBare) },
					"ours": func() (float64, time.Duration) { return trivial(b, url, clients, startOurs) },
				}
				order := []string{"bare", "ours"}
				if turn%2 == 1 {
					slices.Reverse(order)
				}
				rate, cost := map[string]float64{}, map[string]time.Duration{}
				for _, name := range order {
					rate[name], cost[name] = measure[name]()
				}
				costs = append(costs, float64(cost["bare"])/float64(cost["ours"]))
				bare, ours, ratios = append(bare, rate["bare"]), append(ours, rate["ours"]), append(ratios, rate["ours"]/rate["bare"])
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(bare), "bare-jobs/s")
			b.ReportMetric(median(ours), "our-jobs/s")
			b.ReportMetric(median(ratios), "ratio")
			b.ReportMetric(median(costs), "cpu-ratio")
			b.ReportMetric(slices.Min(ratios), "least-ratio")
			b.ReportMetric(slices.Max(ratios), "most-ratio")
			if median(ratios) < leastShare {
				b.Errorf("%.2f of bare River's throughput, want %v: %.2f; of its time of processors: %.2f", median(ratios), leastShare, ratios, costs)
			}
		})
	}
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// trivial inserts the jobs, starts the clients and returns how many jobs a second they completed, from the first one's
// beginning on, and what time of processors that took in all, of Postgres's too.
func trivial(b *testing.B, url string, clients int, start func(b *testing.B, d *db.DB, began func()) (stop func())) (float64, time.Duration) {
	b.Helper()
	d := openHere(b, url)
	defer closeHere(b, d)
	ctx := b.Context()
	for _, statement := range []string{
		`truncate river_job, run, rollup`, // the worker rows of before go by themselves
		`insert into river_job (kind, queue, args, max_attempts) select 'nothing', 'nothing', '{}', 3 from generate_series(1, ` + strconv.Itoa(trivialJobs) + `)`,
		`vacuum analyze river_job`,
	} {
		if _, err := d.Write.ExecContext(ctx, statement); err != nil {
			b.Fatal(err)
		}
	}
	var first atomic.Int64
	began := func() {
		if first.Load() == 0 {
			first.CompareAndSwap(0, time.Now().UnixNano())
		}
	}
	before := processors(b, d)
	var stops []func()
	for range clients {
		client := openHere(b, url)
		defer closeHere(b, client)
		stops = append(stops, start(b, client, began))
	}
	for left := true; left; {
		err := d.Read.QueryRowContext(ctx, `select exists (select 1 from river_job where state = 'available') or exists (select 1 from river_job where state = 'running')`).Scan(&left)
		if err != nil {
			b.Fatal(err)
		}
		<-time.After(20 * time.Millisecond) // polls what other connections do
	}
	rate := trivialJobs / time.Since(time.Unix(0, first.Load())).Seconds()
	cost := processors(b, d) - before
	for _, stop := range stops {
		stop()
	}
	var completed int
	if err := d.Read.QueryRowContext(ctx, `select count(*) from river_job where state = 'completed'`).Scan(&completed); err != nil || completed != trivialJobs {
		b.Fatalf("%d jobs are completed, %v", completed, err)
	}
	return rate, cost
}

// openHere opens a database for one measurement, so that its connections do not add up.
func openHere(b *testing.B, url string) *db.DB {
	b.Helper()
	d, err := db.Open(b.Context(), url, nil)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func closeHere(b *testing.B, d *db.DB) {
	b.Helper()
	if err := d.Close(); err != nil {
		b.Error(err)
	}
}

// processors is the time of processors that this process has used, and those of the database that are connected.
func processors(b *testing.B, d *db.DB) time.Duration {
	b.Helper()
	rows, err := d.Read.QueryContext(b.Context(), `select pid from pg_stat_activity where datname = current_database()`)
	pids, err := db.Collect(rows, err, db.ScanID)
	if err != nil {
		b.Fatal(err)
	}
	sum := processor.Used()
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has hung up
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		for _, field := range fields[11:13] { // in user mode, in the kernel
			ticks, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(ticks) * time.Second / 100
		}
	}
	return sum
}

func startOurs(b *testing.B, d *db.DB, began func()) (stopIt func()) {
	b.Helper()
	s, err := New(context.Background(), Options{
		DB: d, DataDir: b.TempDir(), Log: slog.New(slog.DiscardHandler),
		Fleet: fleetOf(b, fmt.Sprintf("agents:\n  nothing: {command: ['true'], concurrency: %d}\n", trivialSlots)),
		Run: func(context.Context, runner.Attempt) (runner.Result, error) {
			began()
			return runner.Result{}, nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	return func() { stop(b, s) }
}

type nothing struct{}

func (nothing) Kind() string { return "nothing" }

type bareWorker struct {
	river.WorkerDefaults[nothing]
	began func()
}

func (w *bareWorker) Work(context.Context, *river.Job[nothing]) error {
	w.began()
	return nil
}

func startBare(b *testing.B, d *db.DB, began func()) (stopIt func()) {
	b.Helper()
	workers := river.NewWorkers()
	river.AddWorker(workers, &bareWorker{began: began})
	client, err := river.NewClient[pgx.Tx](riverpgxv5.New(d.Pool), &river.Config{
		Queues: map[string]river.QueueConfig{"nothing": {MaxWorkers: trivialSlots}, river.QueueDefault: {MaxWorkers: 32}}, Workers: workers,
		FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll, JobTimeout: -1, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := client.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	return func() {
		if err := client.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	}
}
