//go:build linux

package faults

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/agentos/agentos/test/cluster"
)

// idleAgent is a fleet in which nothing happens by itself.
const idleAgent = `
  idle:
    command: [sh, -c, "exit 0"]
`

// TestClusterStatementsDoNotDependOnViewers counts what three servers and two workers ask Postgres with nobody looking,
// with one viewer, and with a hundred. It runs alone: processes that others keep from it ask less often.
func TestClusterStatementsDoNotDependOnViewers(t *testing.T) {
	c := newCluster(t, idleAgent, "--interval", clusterInterval().String())
	// A whole number of intervals, and of the seconds in which everything else happens.
	const rounds = 2
	window := pick(60*time.Second, 10*time.Second)
	crowds := []int{0, 1, 100}
	counts := map[int][]statements{}
	awaitCalm(t, c)
	for range rounds {
		for _, crowd := range crowds {
			leave := gather(t, c, crowd)
			counts[crowd] = append(counts[crowd], statementsIn(t, c, window))
			leave()
		}
	}
	var report strings.Builder
	fmt.Fprintf(&report, "Statements a minute on Postgres (three servers, two workers; of each statement the fewer of %d windows of %v):\n\n| viewers | statements a minute | all windows |\n|---|---|---|\n", rounds, window)
	nobody := steady(counts[0])
	for _, crowd := range crowds {
		asked := steady(counts[crowd])
		var windows []float64
		for _, w := range counts[crowd] {
			windows = append(windows, w.sum())
		}
		fmt.Fprintf(&report, "| %d | %.0f | %.0f |\n", crowd, asked.sum(), windows)
		if share := asked.sum() / nobody.sum(); share < 0.95 || share > 1.05 {
			t.Errorf("with %d viewers there are %.0f statements a minute, with nobody %.0f; most differ:\n%s", crowd, asked.sum(), nobody.sum(), differ(nobody, asked))
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

// statements are how often each statement is asked, a minute, by its text.
type statements map[string]float64

func (s statements) sum() (all float64) {
	for _, n := range s {
		all += n
	}
	return all
}

// steady leaves out what happened in some windows only, such as what is tidied up once a minute.
func steady(windows []statements) statements {
	least := statements{}
	for text, n := range windows[0] {
		for _, w := range windows[1:] {
			n = min(n, w[text])
		}
		least[text] = n
	}
	return least
}

// differ lists the statements whose numbers differ most.
func differ(a, b statements) string {
	apart := func(text string) float64 { return math.Abs(a[text] - b[text]) }
	texts := slices.SortedFunc(maps.Keys(b), func(x, y string) int { return cmp.Compare(apart(y), apart(x)) })
	var list strings.Builder
	for _, text := range texts[:min(10, len(texts))] {
		fmt.Fprintf(&list, "%6.0f -> %6.0f  %.100q\n", a[text], b[text], text)
	}
	return list.String()
}

// statementsIn counts the product's statements in a span of time.
func statementsIn(t *testing.T, c *cluster.Cluster, span time.Duration) statements {
	t.Helper()
	ctx := context.Background()
	conn, err := c.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	count := func() (statements, time.Time) {
		rows, err := conn.Query(ctx, `select query, sum(calls)::float8 from pg_stat_statements s join pg_roles r on r.oid = s.userid
			where rolname = 'agentos' group by query`)
		if err != nil {
			t.Fatal(err)
		}
		found, text, calls := statements{}, "", 0.0
		_, err = pgx.ForEachRow(rows, []any{&text, &calls}, func() error {
			found[text] = calls
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return found, time.Now()
	}
	before, began := count()
	<-time.After(span)
	found, ended := count()
	for text := range found {
		found[text] = (found[text] - before[text]) / ended.Sub(began).Minutes()
	}
	return found
}
