package app

import (
	"context"
	"maps"
	"math"
	"net/http"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/snapshot"
)

// metrics reads at scrape time the counters that the packages keep anyway, and asks the database whether it answers.
// Labels are bounded: rungs, tiers, links, sections, states, and the agents that the document lists.
type metrics struct {
	panel    *snapshot.Panel
	database *db.DB
	refused  func() uint64 // connections
}

// liveHeap is what a leak shows in: go_gc_heap_live_bytes, the memory that the last collection found in use.
var liveHeap = regexp.MustCompile(`^/gc/heap/live:bytes$`)

// newMetrics gives the handler of /metrics, with a registry of its own.
func newMetrics(panel *snapshot.Panel, database *db.DB, refused func() uint64) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		&metrics{panel, database, refused},
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: liveHeap})),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("agentos_"+name, help, labels, nil)
}

var (
	descAnswers     = describe("snapshot_answers_total", "Documents served, by rung of the ladder.", "rung")
	descUnavailable = describe("snapshot_unavailable_total", "Requests for which no rung had a document.")
	descPublishes   = describe("snapshot_publishes_total", "Documents published.")
	descRefused     = describe("snapshot_refused_total", "Documents over the size limit, not published.")
	descRevision    = describe("snapshot_revision", "Revision of the current document.")
	descAge         = describe("snapshot_age_seconds", "Age of the oldest overdue section, else of the current document.")
	descStale       = describe("snapshot_stale", "1 while a section of the current document is overdue.")
	descBytes       = describe("snapshot_bytes", "Size of the current document.", "encoding")
	descCollects    = describe("section_collects_total", "Attempts to collect a section.", "section")
	descFailures    = describe("section_failures_total", "Failed attempts, by section.", "section")
	descTook        = describe("section_collect_seconds_total", "Time that collecting took.", "section")
	descSectionAge  = describe("section_age_seconds", "Age of the value shown.", "section")
	descPace        = describe("section_pace_seconds", "Present pace, slowed down when a section is costly.", "section")
	descTierLoads   = describe("tier_loads_total", "Documents loaded from a tier.", "tier")
	descTierStores  = describe("tier_stores_total", "Documents stored in a tier.", "tier")
	descTierErrors  = describe("tier_errors_total", "Failed loads and stores.", "tier")
	descTierCorrupt = describe("tier_corrupt_total", "Loaded documents that could not be used.", "tier")
	descTierFenced  = describe("tier_fenced_total", "Documents not stored because another process leads.", "tier")
	descTierDown    = describe("tier_failing", "1 while the tier's last call has failed.", "tier")
	descLeader      = describe("leader", "1 while this process leads.")
	descAlone       = describe("alone", "1 while this process collects for itself because no link works.")
	descLeases      = describe("lease_changes_total", "Times this process became leader.")
	descLinkUp      = describe("link_up", "1 while the other servers can be reached through the link.", "link")
	descSubscribed  = describe("link_subscribed", "1 while what other servers publish is received through the link.", "link")
	descDatabaseUp  = describe("database_up", "1 when the database answered just now.")
	descWorkers     = describe("workers", "Workers, as the document shows them.", "state")
	descAgents      = describe("agents", "Agents, as the document shows them.", "state")
	descAgentRuns   = describe("agent_attempts_last_hour", "Attempts that ended in the last hour, of the agents that the document lists and of all others.", "agent", "outcome")
	descAgentOK     = describe("agent_last_success_timestamp_seconds", "When an agent succeeded last, of the agents that the document lists.", "agent")
	descQueues      = describe("queues", "Queues, as the document shows them.", "state")
	descPending     = describe("queue_pending", "Jobs that are due and wait, as the document shows them.")
	descSkew        = describe("worker_clock_skew_seconds", "How far the worker's clock is from the database's that is furthest from it; 0 while all are within some seconds.")
	descParked      = describe("queue_parked", "Jobs in River's state pending, which wait until a program releases them, as the document shows them.")
	descRunning     = describe("queue_running", "Jobs that run, as the document shows them.")
	descOldest      = describe("queue_oldest_seconds", "How long the oldest due job has waited, as the document shows it.")
	descHealth      = describe("health", "0 healthy, 1 degraded, 2 critical, as the document shows it.")
	descCondition   = describe("condition", "1 while this reason holds why the fleet or the system is not healthy, as the document shows it.", "code")
	descGaveUp      = describe("jobs_gave_up_recently", "Jobs that gave up in the last hour and are still there, as the document shows them.")
	descAttached    = describe("attached_up", "1 while the attached database can be read, as the document shows it.")
	descComplete    = describe("attached_behind_seconds", "How long ago the ended jobs were read that are in the sums.")
	descReplica     = describe("attached_replica_behind_seconds", "How old the data of the replica is that is read; absent when none is.")
	descHistory     = describe("attached_history_ratio", "Share of the attached history that is read.")
	descSubscribers = describe("stream_subscribers", "Open streams.")
	descStreamBytes = describe("stream_bytes_total", "Bytes sent to streams.")
	descNoRoom      = describe("connections_refused_total", "Connections refused because as many are open as the limit of open files leaves room for.")
	descDropped     = describe("stream_dropped_total", "Streams ended because the client did not read.")
)

// Describe implements prometheus.Collector; what Collect sends is not fixed, so it says nothing.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	stats, current := m.panel.Stats(), m.panel.Current()
	collectPanel(out, stats, current)
	collectSections(out, stats.Sections)
	collectGroup(out, stats)
	collectFleet(out, current)
	gauge(out, descDatabaseUp, oneIf(m.databaseUp()))
	gauge(out, descSubscribers, float64(stats.Subscribers))
	count(out, descStreamBytes, stats.StreamBytes)
	count(out, descDropped, stats.StreamsDropped)
	count(out, descNoRoom, m.refused())
}

func collectPanel(out chan<- prometheus.Metric, stats snapshot.Stats, current *snapshot.Snapshot) {
	for rung, hits := range stats.Answers {
		count(out, descAnswers, hits, rung)
	}
	count(out, descUnavailable, stats.Unavailable)
	count(out, descPublishes, stats.Publishes)
	count(out, descRefused, stats.Refused)
	if current == nil {
		current = &snapshot.Snapshot{}
	} else {
		gauge(out, descAge, time.Since(current.AsOf).Seconds())
		gauge(out, descStale, oneIf(current.Stale))
	}
	gauge(out, descRevision, float64(current.Revision))
	gauge(out, descBytes, float64(len(current.JSON)), "identity")
	gauge(out, descBytes, float64(len(current.Gzip)), "gzip")
	for _, tier := range stats.Tiers {
		count(out, descTierLoads, tier.Loads, tier.Name)
		count(out, descTierStores, tier.Stores, tier.Name)
		count(out, descTierErrors, tier.Errors, tier.Name)
		count(out, descTierCorrupt, tier.Corrupt, tier.Name)
		count(out, descTierFenced, tier.Fenced, tier.Name)
		gauge(out, descTierDown, oneIf(tier.Error != ""), tier.Name)
	}
}

// collectGroup reports this process's part among those that show the same document. One that is alone forever leads.
func collectGroup(out chan<- prometheus.Metric, stats snapshot.Stats) {
	gauge(out, descLeader, oneIf(stats.Role == snapshot.Leader))
	gauge(out, descAlone, oneIf(stats.Role == snapshot.Alone))
	count(out, descLeases, stats.Terms)
	for _, link := range stats.Links {
		gauge(out, descLinkUp, oneIf(link.Up), link.Name)
		gauge(out, descSubscribed, oneIf(link.Subscribed), link.Name)
	}
}

// collectFleet reports what the document shows of workers and queues, so that it costs no query; its age is a metric too.
func collectFleet(out chan<- prometheus.Metric, current *snapshot.Snapshot) {
	if current == nil {
		return
	}
	doc, err := document.Parse(current.JSON)
	if err != nil {
		return // of another version: it is shown, not counted
	}
	collectDocument(out, doc)
	collectAgents(out, doc)
}

func collectDocument(out chan<- prometheus.Metric, d *document.Document) {
	if workers := d.Dashboard.Workers; workers != nil {
		skew := 0.0
		if workers.SkewS != nil {
			skew = math.Abs(*workers.SkewS)
		}
		gauge(out, descSkew, skew)
		byState(out, descWorkers, workers.States, document.WorkerActive, document.WorkerDraining, document.WorkerLost)
	}
	if system := d.Dashboard.System; system != nil {
		holds := map[document.ConditionCode]bool{}
		for _, c := range system.Conditions {
			holds[c.Code] = true
		}
		for _, code := range document.ConditionCodes {
			gauge(out, descCondition, oneIf(holds[code]), string(code))
		}
		gauge(out, descHealth, map[document.SystemStatus]float64{document.SystemHealthy: 0, document.SystemDegraded: 1, document.SystemCritical: 2}[system.Status])
		gauge(out, descGaveUp, system.Conditions[string(document.ConditionGaveUp)].Number("jobs"))
	}
	if system := d.Dashboard.System; system != nil && system.Attached != nil {
		gauge(out, descAttached, oneIf(d.Component("attached").Status == document.ComponentOK))
		if history := system.Attached.History; history != nil {
			gauge(out, descHistory, history.Percent/100)
		}
		if behind := system.Attached.BehindS; behind != nil {
			gauge(out, descReplica, *behind)
		}
		if d.Analytics != nil {
			gauge(out, descComplete, max(0, time.Since(d.Analytics.CompleteTo).Seconds()))
		}
	}
	if queue := d.Dashboard.Queue; queue != nil {
		figure(out, descPending, queue.Pending)
		figure(out, descRunning, queue.Processing)
		figure(out, descParked, queue.Parked)
		byState(out, descQueues, map[string]int{"paused": queue.Paused, "open": queue.Total - queue.Paused})
		oldest := 0.0
		if since, known := queue.OldestAt.At(); known {
			oldest = max(0, time.Since(since).Seconds())
		}
		gauge(out, descOldest, oldest)
	}
}

// otherAgents is the label of those that the document does not list; it is no agent's name.
const otherAgents = "(other)"

// agentRuns are the ended attempts of an agent in the last hour.
type agentRuns struct {
	all, failed, cancelled int64
	notCancelled           bool // how many were cancelled is not recorded
}

// collectAgents reports what came of the attempts of each agent that the document lists, and of all others together.
func collectAgents(out chan<- prometheus.Metric, d *document.Document) {
	agents := d.AgentsWorkers.Agents
	if agents == nil {
		return
	}
	if agents.TotalAgents != nil {
		byState(out, descAgents, agents.States, document.AgentStates...)
	}
	var listed agentRuns
	for name, a := range agents.Items {
		if name == otherAgents { // of another program, which may name its jobs as it likes
			continue
		}
		runs := agentRuns{all: a.Runs1h, failed: a.Failed1h, cancelled: a.Cancelled1h}
		runs.collect(out, name)
		if a.LastSuccessAt != nil {
			gauge(out, descAgentOK, float64(a.LastSuccessAt.UnixMilli())/1000, name)
		}
		listed.all, listed.failed, listed.cancelled = listed.all+runs.all, listed.failed+runs.failed, listed.cancelled+runs.cancelled
	}
	if d.Analytics != nil { // collected by itself, at another moment
		hour := d.Analytics.Hour
		others := agentRuns{failed: max(0, hour.Failed-listed.failed), notCancelled: hour.Cancelled == nil}
		if hour.Cancelled != nil {
			others.cancelled = max(0, *hour.Cancelled-listed.cancelled)
		}
		others.all = max(hour.Runs-listed.all, others.failed+others.cancelled)
		others.collect(out, otherAgents)
	}
}

func (r agentRuns) collect(out chan<- prometheus.Metric, name string) {
	gauge(out, descAgentRuns, float64(r.all-r.failed-r.cancelled), name, "ok")
	gauge(out, descAgentRuns, float64(r.failed), name, "failed")
	if !r.notCancelled {
		gauge(out, descAgentRuns, float64(r.cancelled), name, "cancelled")
	}
}

// byState reports how many there are in each state, and that there are none in some.
func byState[S ~string](out chan<- prometheus.Metric, desc *prometheus.Desc, states map[S]int, always ...S) {
	all := map[S]int{}
	for _, state := range always {
		all[state] = 0
	}
	maps.Copy(all, states)
	for state, n := range all {
		gauge(out, desc, float64(n), string(state))
	}
}

func (m *metrics) databaseUp() bool {
	ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
	defer cancel()
	return m.database.Ping(ctx) == nil
}

func collectSections(out chan<- prometheus.Metric, sections map[string]snapshot.SectionStats) {
	for name, section := range sections {
		count(out, descCollects, section.Collects, name)
		count(out, descFailures, section.Failures, name)
		out <- prometheus.MustNewConstMetric(descTook, prometheus.CounterValue, section.TotalTook.Seconds(), name)
		gauge(out, descPace, section.Every.Seconds(), name)
		if !section.AsOf.IsZero() {
			gauge(out, descSectionAge, time.Since(section.AsOf).Seconds(), name)
		}
	}
}

// figure reports what is known; what is not known is absent, never 0.
func figure(out chan<- prometheus.Metric, desc *prometheus.Desc, value *int64) {
	if value != nil {
		gauge(out, desc, float64(*value))
	}
}

func count(out chan<- prometheus.Metric, desc *prometheus.Desc, value uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
}

func gauge(out chan<- prometheus.Metric, desc *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
