package jobtable

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/test/servers"
)

func testTable(t *testing.T) *Table {
	t.Helper()
	d, err := New(t.Context(), t.Logf, servers.PostgresSetting("shared_buffers", "64MB"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// ask gives the rows of a query as one JSON text.
func ask(t *testing.T, d *Table, query string) string {
	t.Helper()
	var text string
	if err := d.conn.QueryRow(t.Context(), `select coalesce(json_agg(q), '[]')::text from (`+query+`) q`).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestFilledTableLooksLikeOneAtWork(t *testing.T) {
	d := testTable(t)
	before := ask(t, d, `select indexname from pg_indexes where tablename = 'river_job' order by 1`)
	for range 2 { // the second time it begins again
		if err := d.Fill(t.Context(), 2_000, 300, 40); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, ask(t, d, `select indexname from pg_indexes where tablename = 'river_job' order by 1`)); diff != "" {
		t.Errorf("indexes: %s", diff)
	}
	for query, want := range map[string]string{
		`select state, count(*) as n from river_job group by 1 order by 1`: `[{"state":"available","n":300}, 
 {"state":"cancelled","n":20}, 
 {"state":"completed","n":1960}, 
 {"state":"discarded","n":20}, 
 {"state":"retryable","n":10}, 
 {"state":"running","n":40}, 
 {"state":"scheduled","n":20}]`,
		`select count(distinct kind) as kinds, count(distinct queue) as queues,
			count(distinct attempted_by[1]) as clients from river_job`: `[{"kinds":12,"queues":5,"clients":20}]`,
		`select count(*) as n from river_job where state = 'completed' and attempt = 2 and errors[1] ->> 'error' <> ''`: `[{"n":100}]`,
		// Ids grow with time, times lie in their order and in the past, arguments have the size of real ones.
		`select count(*) as n from (select created_at < lag(created_at) over (order by id) as wrong from river_job
			where finalized_at is not null) o where wrong`: `[{"n":0}]`,
		`select count(*) as n from river_job where not created_at <= coalesce(attempted_at, created_at)
			or attempted_at > coalesce(finalized_at, now()) or finalized_at > now() or length(args::text) not between 100 and 320`: `[{"n":0}]`,
		`select extract(day from max(created_at) - min(created_at)) as days from river_job where finalized_at is not null`: `[{"days":6}]`,
	} {
		if diff := cmp.Diff(want, ask(t, d, query)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	if err := d.Have(t.Context(), "running", 7); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, d, `select count(*) as n from river_job where state = 'running'`); got != `[{"n":7}]` {
		t.Errorf("after asking for 7 running jobs: %s", got)
	}
}

func TestFlowTakesJobsThroughTheirStates(t *testing.T) {
	d := testTable(t)
	if err := d.Fill(t.Context(), 500, 50, 5); err != nil {
		t.Fatal(err)
	}
	f, err := d.StartFlow(t.Context(), 200)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); f.done.Load() < 20; <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the flow finishes no jobs")
		}
	}
	if _, err := f.Close(); err != nil {
		t.Error(err)
	}
	used, err := d.UsageOf(t.Context(), roleFlow)
	if err != nil || used.Statements < 20 || used.Spent <= 0 {
		t.Errorf("the flow has used %+v, %v", used, err)
	}
}
