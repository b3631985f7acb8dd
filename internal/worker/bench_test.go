package worker

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/rollup/rolluptest"
	"github.com/agentos/agentos/test/processor"
)

// mostOfAttempt is the processor time that an attempt at a job may take whose program does nothing.
const mostOfAttempt = 2500 * time.Microsecond

// BenchmarkAttempts runs jobs of a program that does nothing: the cost of an attempt, beside what xargs needs for the same program.
// Processor time is that of this process, of the supervisors and of the programs.
func BenchmarkAttempts(b *testing.B) {
	fleet := fleetOf(b, "agents:\n  nothing:\n    command: [/bin/true]\n    concurrency: 8\n")
	s, err := New(context.Background(), Options{DB: dbtest.New(b), Fleet: fleet, DataDir: b.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	for range b.N {
		enqueue(b, s, "nothing")
	}
	before, own := processor.UsedByAll(), processor.Used()
	b.ResetTimer()
	if err := s.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	until(b, "all are done", func() bool { return s.done.Load() == int64(b.N) })
	until(b, "all ends are written", func() bool { return one[int](b, s, `select count(*) from river_job where state = 'completed'`) == b.N })
	b.StopTimer()
	stop(b, s)
	ours := processor.UsedByAll() - before
	own = processor.Used() - own
	xargs := exec.Command("xargs", "-P8", "-n1", "/bin/true")
	xargs.Stdin = strings.NewReader(strings.Repeat("x\n", b.N))
	if err := xargs.Run(); err != nil {
		b.Fatal(err)
	}
	bare := xargs.ProcessState.UserTime() + xargs.ProcessState.SystemTime()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	b.ReportMetric(ours.Seconds()*1000/float64(b.N), "cpu-ms/job")
	b.ReportMetric(own.Seconds()*1000/float64(b.N), "own-cpu-ms/job")
	b.ReportMetric(bare.Seconds()*1000/float64(b.N), "xargs-cpu-ms/job")
	each := ours / time.Duration(b.N)
	if b.N >= 1000 && each > mostOfAttempt && ours > 3*bare {
		b.Errorf("an attempt takes %v of processor, want %v at most, or three times what xargs takes", each, mostOfAttempt)
	}
}

// BenchmarkCycle is what the dashboard's sections cost together at 100,000 jobs and 5,000 runs of the last day.
func BenchmarkCycle(b *testing.B) {
	s := newService(b, dbtest.New(b), "", fleetOf(b, agents(sh("rare", "true"), sh("common", "true"),
		sh("agent0", "true"), sh("agent1", "true"), sh("agent2", "true"))))
	fill(b, s, 100_000)
	exec1(b, s, `update river_job set state = 'available', finalized_at = null where id % 5 = 0`) // a backlog of 20,000
	rolluptest.InsertRuns(b, s.db, rand.New(rand.NewPCG(1, 2)), 7_500)
	if _, err := s.AddEnded(b.Context()); err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	for name, read := range map[string]func() error{
		"All":            func() error { return cycle(ctx, s) },
		"Queues":         func() error { _, err := s.Queues(ctx); return err },
		"Workers":        func() error { _, err := s.Workers(ctx); return err },
		"Today":          func() error { _, err := s.Today(ctx); return err },
		"Newest":         func() error { _, err := s.Newest(ctx, 20); return err },
		"Running":        func() error { _, err := s.Running(ctx, 30); return err },
		"Failures":       func() error { _, err := s.Failures(ctx, 12); return err },
		"LatestLogs":     func() error { _, err := s.LatestLogs(ctx, 40); return err },
		"Agents":         func() error { _, err := described(ctx, s); return err },
		"Windows":        func() error { _, _, err := s.Windows(ctx); return err },
		"ThroughputHour": func() error { _, err := s.Throughput(ctx, time.Minute, 60); return err },
		"ThroughputDay":  func() error { _, err := s.Throughput(ctx, 15*time.Minute, 96); return err },
		"SearchNothing":  func() error { _, err := s.List(ctx, engine.Filter{Text: "nowhere"}); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkIdle reports the share of a processor a worker with eleven agents takes when nothing happens.
func BenchmarkIdle(b *testing.B) {
	yaml := "agents:\n"
	for _, name := range []string{"a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b1", "b2"} {
		yaml += sh(name, "true")
	}
	s, err := New(context.Background(), Options{DB: dbtest.New(b), Fleet: fleetOf(b, yaml), DataDir: b.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	before, began := processor.Used(), time.Now()
	<-time.After(5 * time.Second)
	b.ReportMetric(100*float64(processor.Used()-before)/float64(time.Since(began)), "%cpu")
	b.ReportMetric(0, "ns/op")
	stop(b, s)
}
