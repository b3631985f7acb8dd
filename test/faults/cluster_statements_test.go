//go:build linux

package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/test/cluster"
)

// idleAgent is a fleet in which nothing happens by itself.
const idleAgent = `
  idle:
    command: [sh, -c, "exit 0"]
`

// TestClusterStatementsDoNotDependOnViewers counts what three servers and two workers ask Postgres with nobody looking,
// with one viewer, and with a hundred.
func TestClusterStatementsDoNotDependOnViewers(t *testing.T) {
	inTurn(t, minutes)
	c := newCluster(t, idleAgent, "--interval", clusterInterval().String())
	// A whole number of intervals, and of the seconds in which everything else happens.
	window, rounds := pick(60*time.Second, 10*time.Second), pick(3, 5)
	crowds := []int{0, 1, 100}
	counts := map[int][]float64{}
	awaitCalm(t, c)
	for range rounds {
		for _, crowd := range crowds {
			leave := gather(t, c, crowd)
			counts[crowd] = append(counts[crowd], statementsIn(t, c, window))
			leave()
		}
	}
	var report strings.Builder
	fmt.Fprintf(&report, "Statements a minute on Postgres (three servers, two workers, median of %d windows of %v):\n\n| viewers | statements a minute | all windows |\n|---|---|---|\n", rounds, window)
	nobody := median(counts[0])
	for _, crowd := range crowds {
		fmt.Fprintf(&report, "| %d | %.0f | %.0f |\n", crowd, median(counts[crowd]), counts[crowd])
		if share := median(counts[crowd]) / nobody; share < 0.95 || share > 1.05 {
			t.Errorf("with %d viewers there are %.0f statements a minute, with nobody %.0f", crowd, median(counts[crowd]), nobody)
		}
	}
	results.addText(report.String())
}

// newCluster starts a cluster with no agents but those given.
func newCluster(t *testing.T, agents string, flags ...string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.New(t.Context(), cluster.Options{Binary: binary, Agents: agents, Only: true, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// awaitCalm waits until what a start causes is over.
func awaitCalm(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	statementsIn(t, c, pick(30*time.Second, 10*time.Second))
}

// gather lets viewers look, spread over all servers: each follows the stream and asks for the document every second.
func gather(t *testing.T, c *cluster.Cluster, crowd int) (leave func()) {
	t.Helper()
	var ends []func()
	for i := range crowd {
		m := c.Servers[i%len(c.Servers)]
		v, err := m.View(time.Second, nil)
		if err != nil {
			t.Fatal(err)
		}
		f := m.Follow(nil)
		ends = append(ends, v.Close, f.Close)
		_, err = within(10*time.Second, "the viewer has joined", func() error {
			if _, events := f.Seen(); events == 0 {
				return fmt.Errorf("viewer %d has no event", i)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for _, end := range ends {
			end()
		}
	}
}

// statementsIn counts the product's statements in a span of time, as a minute's worth.
func statementsIn(t *testing.T, c *cluster.Cluster, span time.Duration) float64 {
	t.Helper()
	ctx := context.Background()
	conn, err := c.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	count := func() (calls int64, at time.Time) {
		const all = `select coalesce(sum(calls), 0)::bigint from pg_stat_statements s join pg_roles r on r.oid = s.userid where rolname = 'agentos'`
		if err := conn.QueryRow(ctx, all).Scan(&calls); err != nil {
			t.Fatal(err)
		}
		return calls, time.Now()
	}
	first, began := count()
	<-time.After(span)
	last, ended := count()
	return float64(last-first) / ended.Sub(began).Minutes()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
