// Command bench measures AgentOS beside what it replaces and beside its peers, and writes the tables into docs/benchmarks.md:
// `make bench`. The first file to read is plan.go: what is measured; then main.go: in which order. Each part has a file of its own:
// replacement.go, hotpath.go, live.go, peer.go, costs.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/agentos/agentos/bench/hot"
	"github.com/agentos/agentos/bench/replaced"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) == 3 { // contestants written in Go are this program too, in a process of their own
		switch args[0] {
		case "replaced":
			return replaced.Serve(ctx, args[1], args[2])
		case "bare":
			return hot.ServeBare(ctx, args[1], args[2])
		case "rediscache":
			return hot.ServeRedis(ctx, args[1], args[2])
		}
	}
	p, err := parsePlan(args)
	if err != nil {
		return err
	}
	return bench(ctx, p)
}

func bench(ctx context.Context, p plan) (err error) {
	began := time.Now()
	b, err := newBed(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	r := newReport(ctx, b)
	if err := b.small(ctx, r); err != nil {
		return err
	}
	if err := b.filled(ctx, r); err != nil {
		return err
	}
	if err := r.write(); err != nil {
		return err
	}
	text, err := os.ReadFile(p.out)
	fmt.Printf("%s", text)
	progress("written to %s after %v", p.out, time.Since(began).Round(time.Second))
	return err
}

// smallSize is the number of jobs for the parts that do not depend on it.
const smallSize = 10_000

// small measures the parts in which the number of jobs plays no part.
func (b *bed) small(ctx context.Context, r *report) error {
	if !b.plan.has("b") && !b.plan.has("c") {
		return nil
	}
	if err := b.jobs.Fill(ctx, smallSize, b.plan.waiting, b.plan.many); err != nil {
		return err
	}
	if _, err := b.catchUp(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		name, what string
		measure    func(context.Context, *section) error
	}{
		{"b", "the hot path", b.hotPath},
		{"c", "live viewers", b.liveViewers},
	} {
		if !b.plan.has(part.name) {
			continue
		}
		s := r.sections[part.name]
		if err := part.measure(ctx, s); err != nil {
			s.fail(part.what, err)
		}
		if err := errors.Join(context.Cause(ctx), r.write()); err != nil {
			return err
		}
	}
	return nil
}

// filled fills the database to one size after the other, and measures at each the parts that want it.
func (b *bed) filled(ctx context.Context, r *report) error {
	replacement, peers, costs := b.newReplacement(r.sections["a"]), b.newPeers(r.sections["d"]), b.newCosts(r.sections["e"])
	parts := []struct {
		name    string
		sizes   []int
		measure func(context.Context) error
	}{
		{"a", b.plan.replacedSizes, replacement.measure},
		{"d", b.plan.peerSizes, peers.measure},
		{"e", b.plan.costSizes, costs.measure},
	}
	for _, size := range b.plan.fillings() {
		if err := b.jobs.Fill(ctx, size, b.plan.waiting, b.plan.many); err != nil {
			return err
		}
		bytes, err := b.jobs.Bytes(ctx)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%s finished jobs, %.1f GB", count(size), float64(bytes)/1e9)
		progress("%s", what)
		if costs.history, err = b.catchUp(ctx); err != nil {
			return fmt.Errorf("at %s: %w", what, err)
		}
		for _, part := range parts {
			if !b.plan.has(part.name) || !slices.Contains(part.sizes, size) {
				continue
			}
			s := r.sections[part.name]
			if err := part.measure(ctx); err != nil {
				s.fail("at "+what, err)
			}
			if err := errors.Join(context.Cause(ctx), r.write()); err != nil {
				return err
			}
		}
	}
	if b.plan.has("e") {
		costs.finish()
	}
	return nil
}
