package source

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/attach"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/worker"
	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/link"
)

// nasty is a text of n characters most of which take six bytes in JSON.
func nasty(n int) string {
	return string(slices.Repeat([]rune("<&\">\u2028é"), n/6+1)[:n])
}

// run executes a statement as its owner; $1 of `counted` statements is how many rows.
func run(t *testing.T, database *db.DB, statement string, args ...any) {
	t.Helper()
	if _, err := database.Write.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// numbers makes n the numbers from 1 to $1.
const numbers = `with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < $1) `

// attemptedBy makes the list that names one client.
func attemptedBy(database *db.DB, client string) string {
	if database.Kind == db.Postgres {
		return `array[` + client + `]`
	}
	return `jsonb(json_array(` + client + `))`
}

// insertJobs adds n jobs of a state, of the kind and the queue that two expressions over numbers.n make.
func insertJobs(t *testing.T, database *db.DB, n int, state, kind, queue, pad string) {
	t.Helper()
	run(t, database, numbers+`insert into river_job (kind, queue, state, args, max_attempts, scheduled_at, attempt, attempted_at, attempted_by)
		select `+kind+`, `+queue+`, '`+state+`', '{}', 5, '2026-01-01 00:00:00.000', 1, '2026-01-01 00:00:00.000', `+attemptedBy(database, `'client ' || n || cast($2 as text)`)+`
		from numbers`, n, pad)
}

// collect makes the document of some sections, and checks that all of it is there and fits.
func collect(t *testing.T, deps Deps) map[string]any {
	t.Helper()
	fine := func(context.Context) document.Component { return document.Component{Status: "ok", Detail: nasty(5000)} }
	deps.Database, deps.Cache, deps.Warmer = fine, fine, fine
	deps.StartedAt, deps.DataDir = time.Now(), t.TempDir()
	sections := unhurried(deps)
	panel, err := snapshot.Open(t.Context(), snapshot.Options{Sections: sections, Process: nasty(64), PublishDelay: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	complete := func() bool {
		for _, meta := range panel.Current().Sections {
			if meta.Error != "" || meta.AsOf.IsZero() {
				return false
			}
		}
		return true
	}
	var doc map[string]any
	// The second one finds everything known. Where the first answers of a large database take long, they are waited for.
	for i, deadline := 0, time.Now().Add(2*time.Minute); i < 2 || !complete() && time.Now().Before(deadline); i++ {
		if err := panel.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(panel.Current().JSON, &doc); err != nil {
		t.Fatal(err)
	}
	checkSchema(t, doc)
	for name, meta := range panel.Current().Sections {
		if meta.Error != "" || meta.AsOf.IsZero() {
			t.Errorf("section %s: %q", name, meta.Error)
		}
		t.Logf("section %s took %v", name, meta.Took)
	}
	size := len(panel.Current().JSON)
	t.Logf("the document has %d bytes", size)
	if size > link.DefaultMaxBytes {
		t.Errorf("the document has %d bytes", size)
	}
	for _, s := range sections {
		value, err := json.Marshal(at(t, doc, strings.Split(s.Path, ".")...))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("section %s has %d bytes", s.Name, len(value))
	}
	return doc
}

// checkFigures compares figures of a document.
func checkFigures(t *testing.T, doc map[string]any, want map[string]float64) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if got := at(t, doc, strings.Split(path, ".")...); got != want[path] {
			t.Errorf("%s = %v, want %v", path, got, want[path])
		}
	}
}

// checkListed checks that a section lists fewer than there are, as many as it says.
func checkListed(t *testing.T, section any, most int) {
	t.Helper()
	items := at(t, section, "items").(map[string]any)
	if n := at(t, section, "listed"); n != float64(len(items)) || len(items) == 0 || len(items) > most {
		t.Errorf("%d rows are there, %v listed by the section's own word", len(items), n)
	}
}

// ownFleet is a fleet of n agents, each with everything as long as it may be.
func ownFleet(t *testing.T, database *db.DB, n int) (*worker.Service, *agent.Fleet) {
	t.Helper()
	var yaml strings.Builder
	yaml.WriteString("agents:\n")
	for i := range n {
		fmt.Fprintf(&yaml, "  %s: {command: ['true'], description: %q, schedule: '@every 1h', args: {text: %q}}\n", agentName(i), nasty(90), nasty(90))
	}
	fleet, err := agent.Parse("agentos.yaml", t.TempDir(), []byte(yaml.String()))
	if err != nil {
		t.Fatal(err)
	}
	service, err := worker.New(t.Context(), worker.Options{DB: database, Fleet: fleet, DataDir: t.TempDir(), Version: nasty(200)})
	if err != nil {
		t.Fatal(err)
	}
	return service, fleet
}

func agentName(i int) string { return fmt.Sprintf("agent-%04d-%s", i, strings.Repeat("x", 63-11)) }

func TestALargeFleetFitsIntoTheDocument(t *testing.T) {
	t.Parallel() // the two large ones together
	dbtest.Each(t, func(t *testing.T, database *db.DB) {
		service, fleet := ownFleet(t, database, 1000)
		now := time.Now().UnixMilli()
		alive := now + time.Hour.Milliseconds() // however long this machine takes to fill the database and to read it
		names := map[string]int{}
		for i := range 1000 {
			names[agentName(i)] = 1
		}
		served, _ := json.Marshal(names)
		for _, state := range []struct {
			name    string
			n       int
			beat    int64
			serving string
		}{{"active", 700, alive, "{}"}, {"draining", 100, alive, string(served)}, {"active", 1, alive, string(served)}, {"lost", 199, now - 60_000, "{}"}} {
			run(t, database, numbers+`insert into worker (id, host, pid, version, state, started_ms, beat_ms, slots, done, queues, agents)
				select $2 || n || $3, 'h' || n || $3, n, $3, $4, n, $5, 2, 0, $6, $6 from numbers`,
				state.n, fmt.Sprint("w", state.n, " "), nasty(60), state.name, state.beat, state.serving)
		}
		agentOf := fmt.Sprintf(`'agent-' || substr('000' || (n %% 1000), -4) || '-%s'`, strings.Repeat("x", 63-11))
		if database.Kind == db.Postgres {
			agentOf = fmt.Sprintf(`'agent-' || lpad((n %% 1000)::text, 4, '0') || '-%s'`, strings.Repeat("x", 63-11))
		}
		run(t, database, numbers+`insert into run (job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, ended_ms, wait_ms, run_ms, error, fingerprint)
			select n, 1, 1, `+agentOf+`, 'q', 'w', case when n % 1000 < 500 then 'failed' else 'ok' end, cast($2 as bigint), cast($2 as bigint), cast($2 as bigint) - n, 1, 1, $3 || n, 'f' || n from numbers`,
			5000, now, nasty(300))
		run(t, database, numbers+`insert into run_log (run_id, job_id, agent, at_ms, level, msg) select n, n, $3, $2, 'error', $4 || n from numbers`,
			100, now, nasty(60), nasty(300))
		insertJobs(t, database, 10_000, "available", agentOf, `'`+nasty(100)+`' || n`, "")
		insertJobs(t, database, 2_000, "running", agentOf, agentOf, nasty(200))
		run(t, database, numbers+`insert into river_queue (name, paused_at, updated_at) select '`+nasty(100)+`' || n, '2026-01-01 00:00:00', '2026-01-01 00:00:00' from numbers`, 300)

		loaded := Fleet{Fleet: fleet, LoadedAt: time.Now(), Problems: slices.Repeat([]string{nasty(4000)}, 1000)}
		doc := collect(t, Deps{Jobs: service, Fleet: func() Fleet { return loaded }, Own: func() document.Own { return largest(20) }})
		checkFigures(t, doc, map[string]float64{
			"dashboard.queue.pending": 10_000, "dashboard.queue.processing": 2_000, "dashboard.queue.paused": 300, "dashboard.queue.total": 11_000,
			"dashboard.workers.total": 1000, "dashboard.workers.active": 701, "dashboard.workers.slots": 1402,
			"dashboard.workers.states.active": 701, "dashboard.workers.states.draining": 100, "dashboard.workers.states.lost": 199,
			"agents_workers.agents.total_agents": 1000, "agents_workers.agents.active_agents": 1000, "agents_workers.agents.states.running": 1000,
		})
		if at(t, doc, "dashboard", "queue", "oldest_at") == nil {
			t.Error("nothing waits")
		}
		if at(t, doc, "dashboard", "jobs", "running_cut") != true {
			t.Error("the list of running jobs does not say that it is cut")
		}
		checkListed(t, at(t, doc, "dashboard", "queue"), queuesChosen)
		checkListed(t, at(t, doc, "dashboard", "workers"), workersChosen)
		checkListed(t, at(t, doc, "agents_workers", "agents"), agentsChosen)
		for name := range at(t, doc, "agents_workers", "agents", "items").(map[string]any) {
			if name >= agentName(500) {
				t.Errorf("%s is listed before others that fail", name)
			}
		}
	})
}

// reader reads another program's database.
type reader struct {
	*attach.Service
	changed chan struct{} // something new was read
}

// eachAttached runs a test on another program's database of each kind, with a service that reads it.
func eachAttached(t *testing.T, test func(t *testing.T, foreign *db.DB, r reader)) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		foreign := dbtest.OpenURL(t, url)
		reads, err := db.Attach(url, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = reads.Close() })
		changed := make(chan struct{}, 1)
		service, err := attach.New(attach.Options{Foreign: reads, Own: dbtest.New(t), Interval: 50 * time.Millisecond, OnEvent: func(engine.Event) {
			select {
			case changed <- struct{}{}:
			default:
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(service.Close)
		test(t, foreign, reader{service, changed})
	})
}

// begin lets the service read until the test ends; it returns once the ends of jobs of so many kinds are read.
func (r reader) begin(t *testing.T, kinds int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for deadline := time.After(2 * time.Minute); ; {
		read, err := r.AgentsSince(t.Context(), time.Now().Add(-24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if len(read) >= kinds {
			return
		}
		select {
		case <-r.changed:
		case <-deadline:
			t.Fatalf("of %d kinds of jobs that ended %d are read", kinds, len(read))
		}
	}
}

func attachedDeps(service *attach.Service) Deps {
	return Deps{
		Jobs: service, Fleet: func() Fleet { return Fleet{Fleet: service.Fleet()} },
		Engine: func() document.Engine {
			e := document.Engine{Name: "some", Missing: map[document.Capability]document.Missing{}}
			for _, what := range []document.Capability{
				document.CapabilityEnqueuedAt, document.CapabilityCancelled, document.CapabilityAttempts, document.CapabilityLogs, document.CapabilityProgress,
				document.CapabilityUsage, document.CapabilityPriorities, document.CapabilityKinds, document.CapabilityVersions, document.CapabilityDurations,
				document.CapabilityEvents, document.CapabilityListByKind, document.CapabilityListAll, document.CapabilityListByTime, document.CapabilitySearch,
			} {
				e.Missing[what] = document.Missing{Answer: document.AnswerNeedsSetting, Why: nasty(1000)}
			}
			return e
		},
		Attached: func() *document.Attached {
			text := nasty(5000)
			return &document.Attached{Database: nasty(1000), Missing: slices.Repeat([]string{nasty(1000)}, 100), Error: &text, Kinds: new(service.Kinds())}
		},
	}
}

func TestALargeAttachedDatabaseFitsIntoTheDocument(t *testing.T) {
	t.Parallel() // the two large ones together
	eachAttached(t, func(t *testing.T, foreign *db.DB, r reader) {
		pad := nasty(100)
		insertJobs(t, foreign, 10_000, "available", `'`+pad+`' || (n % 5000)`, `'`+pad+`' || n`, "")
		insertJobs(t, foreign, 300, "running", `'`+pad+`' || n`, `'all'`, nasty(60))
		run(t, foreign, numbers+`insert into river_queue (name, paused_at, updated_at) select '`+pad+`' || n, '2026-01-01 00:00:00', '2026-01-01 00:00:00' from numbers`, 9_000)
		// Kinds that fail are listed first, and the last one has no other job. All end within a minute, which is read in one go.
		const failing = 1000
		failed := `jsonb(json_array(json_object('at', '2026-01-01T00:00:00Z', 'attempt', 1, 'error', $3 || n)))`
		when := `strftime('%Y-%m-%d %H:%M:%f', $4, (n / 20.0) || ' seconds')`
		if foreign.Kind == db.Postgres {
			failed = `array[jsonb_build_object('at', '2026-01-01T00:00:00Z', 'attempt', 1, 'error', $3::text || n)]`
			when = `cast($4 as text)::timestamptz + n * interval '50 milliseconds'`
		}
		run(t, foreign, numbers+`insert into river_job (kind, queue, state, args, max_attempts, scheduled_at, attempt, attempted_at, attempted_by, finalized_at, errors)
			select $2 || (4000 + n), 'all', 'discarded', '{}', 1, `+when+`, 1, `+when+`, `+attemptedBy(foreign, `'client ' || (n % 300)`)+`, `+when+`, `+failed+` from numbers`,
			failing, pad, nasty(300), time.Now().Add(-5*time.Minute).Truncate(time.Minute).UTC().Format(time.RFC3339))
		r.begin(t, failing)
		doc := collect(t, attachedDeps(r.Service))
		checkFigures(t, doc, map[string]float64{
			"dashboard.queue.pending": 10_000, "dashboard.queue.processing": 300, "dashboard.queue.paused": 9_000, "dashboard.queue.total": 10_001,
			"agents_workers.agents.total_agents": 5001, "dashboard.workers.busy": 300,
		})
		if n := at(t, doc, "dashboard", "workers", "states", "active").(float64); n < 300 {
			t.Errorf("%v clients are active, 300 run jobs", n)
		}
		checkListed(t, at(t, doc, "dashboard", "queue"), queuesChosen)
		checkListed(t, at(t, doc, "dashboard", "workers"), workersChosen)
		checkListed(t, at(t, doc, "agents_workers", "agents"), agentsChosen)
	})
}

// Sums are over all rows, not over those that are listed.
func TestSumsCountWhatIsNotListed(t *testing.T) {
	each := func(t *testing.T, database *db.DB) {
		insertJobs(t, database, 1500, "available", `'mail'`, `'queue-' || (n % 150)`, "")
		run(t, database, numbers+`insert into river_queue (name, paused_at, updated_at) select 'queue-' || (n + 99), '2026-01-01 00:00:00', '2026-01-01 00:00:00' from numbers`, 50)
	}
	want := map[string]float64{"dashboard.queue.pending": 1500, "dashboard.queue.paused": 50, "dashboard.queue.total": 150}
	t.Run("attached", func(t *testing.T) {
		eachAttached(t, func(t *testing.T, foreign *db.DB, r reader) {
			each(t, foreign)
			r.begin(t, 0)
			checkFigures(t, collect(t, attachedDeps(r.Service)), want)
		})
	})
	t.Run("own", func(t *testing.T) {
		dbtest.Each(t, func(t *testing.T, database *db.DB) {
			each(t, database)
			service, fleet := ownFleet(t, database, 1)
			want["dashboard.queue.total"] = 151
			checkFigures(t, collect(t, Deps{Jobs: service, Fleet: func() Fleet { return Fleet{Fleet: fleet} }}), want)
		})
	})
}

// clients are workers as another program's database shows them.
type clients struct {
	Jobs
	workers []engine.Worker
}

func (c clients) Workers(context.Context) ([]engine.Worker, error) {
	return slices.Clone(c.workers), nil
}

func TestTheLivingAreListedFirst(t *testing.T) {
	rows := func(state string, n int) (workers []engine.Worker) {
		for i := range n {
			slots, running := 2, 1
			workers = append(workers, engine.Worker{ID: fmt.Sprint(state, i), State: state, Host: "h", Slots: &slots, Running: &running})
		}
		return workers
	}
	for _, other := range []document.WorkerState{document.WorkerQuiet, document.WorkerLost} {
		source := workers(Deps{Jobs: clients{workers: slices.Concat(rows(string(other), 450), rows("active", 10))}})
		value, err := source(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v := value.(document.Workers)
		if v.Total != 460 || v.Active != 10 || *v.Busy != 10 || v.States["active"] != 10 || v.States[other] != 450 || v.Listed != len(v.Items) || v.Listed >= 460 {
			t.Errorf("among %s ones: %d of %d, %d active, %v", other, v.Listed, v.Total, v.Active, v.States)
		}
		for i := range 10 {
			if _, listed := v.Items[fmt.Sprint("active", i)]; !listed {
				t.Errorf("active%d is not listed among %s ones", i, other)
			}
		}
	}
}

// What is shown stays, unless something that is clearly more important comes.
func TestRowsDoNotComeAndGo(t *testing.T) {
	row := func(key string) string { return "a row of " + key }
	c, now := &choice{most: 10, room: 10 * rowSize("k10", row("k10")) * 10 / 9}, time.Now()
	choose := func(rank func(i int) int) map[string]string {
		rows := make([]ranked, 100)
		for i := range rows {
			rows[i] = ranked{fmt.Sprint("k", i), rank(i)}
		}
		return fill(c, c.pick(rows, now), now, row)
	}
	first := choose(func(int) int { return 5 })
	if len(first) != 10 {
		t.Fatalf("%d rows are shown", len(first))
	}
	same := func(what string, got map[string]string) {
		t.Helper()
		if !maps.Equal(first, got) {
			t.Errorf("%s: %v are shown, before %v", what, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(first)))
		}
	}
	same("nothing changed", choose(func(int) int { return 5 }))
	busy := func(from, to int) func(int) int {
		return func(i int) int {
			if i >= from && i < to {
				return 3
			}
			return 5
		}
	}
	first = choose(busy(50, 60))
	if _, shown := first["k55"]; !shown || len(first) != 10 {
		t.Errorf("what became busy is not shown: %v", first)
	}
	same("others became as busy", choose(busy(50, 80)))
	same("they rest for a moment, and others are busy", choose(busy(20, 30)))
	now = now.Add(2 * keepFor)
	if got := choose(busy(20, 30)); got["k25"] == "" || len(got) != 10 {
		t.Errorf("others have been busy for long: %v", got)
	}
	failing := choose(func(i int) int { return 5 - 5*oneIf(i == 99) })
	if failing["k99"] == "" {
		t.Errorf("what fails is not shown: %v", failing)
	}
}

func TestClipCountsBytesAsJSONHasThem(t *testing.T) {
	for _, text := range []string{"", "short", nasty(1000), strings.Repeat("\x00", 500), strings.Repeat("\xff", 500), strings.Repeat("😀", 300), "\"\\\n" + strings.Repeat("é", 400)} {
		for _, most := range []int{10, 100, 400} {
			cut := clip(text, most)
			if size := sizeOf(cut) - 2; size > most {
				t.Errorf("%.20q cut to %d has %d bytes", text, most, size)
			}
			if sizeOf(text)-2 <= most && cut != text {
				t.Errorf("%.20q is cut to %q although it fits into %d", text, cut, most)
			}
			if rest, isCut := strings.CutSuffix(cut, "…"); isCut && !strings.HasPrefix(text, rest) {
				t.Errorf("%.20q became %q", text, cut)
			}
		}
	}
}

// The sections' shares add up, with their errors, to no more than a document may have.
func TestSharesOfSectionsAddUp(t *testing.T) {
	sum := 0
	for _, s := range All(Deps{Fleet: func() Fleet { return Fleet{Fleet: &agent.Fleet{}} }}) {
		if s.MaxBytes == 0 {
			t.Errorf("section %s has no share", s.Name)
		}
		sum += s.MaxBytes
	}
	if left := link.DefaultMaxBytes - sum; left < 4<<10 { // for the document's own keys and its meta
		t.Errorf("the sections have %d bytes, %d are left for the rest", sum, left)
	}
}
