package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/snapshot"
)

// exported gives the value of each series that a document makes, as "name{labels in order}".
func exported(t *testing.T, text string) map[string]float64 {
	t.Helper()
	doc, err := document.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collectorFunc(func(out chan<- prometheus.Metric) { collectDocument(out, doc); collectAgents(out, doc) }))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			values[fmt.Sprintf("%s{%s}", strings.TrimPrefix(family.GetName(), "agentos_"), strings.Join(labels, ","))] = m.GetGauge().GetValue()
		}
	}
	return values
}

type collectorFunc func(chan<- prometheus.Metric)

func (collectorFunc) Describe(chan<- *prometheus.Desc)       {}
func (f collectorFunc) Collect(out chan<- prometheus.Metric) { f(out) }

// The metrics count all workers and queues, not those that the document lists.
func TestMetricsCountWhatIsNotListed(t *testing.T) {
	got := exported(t, `{"dashboard": {"workers": {"total": 55, "active": 10, "states": {"active": 10, "quiet": 45}, "items": {"a": {"state": "quiet"}}},
		"queue": {"pending": 1500, "total": 150, "paused": 50, "items": {}}}}`)
	for series, want := range map[string]float64{
		"workers{active}": 10, "workers{quiet}": 45, "workers{lost}": 0, "workers{draining}": 0, "queue_pending{}": 1500, "queues{paused}": 50, "queues{open}": 100,
	} {
		if value, there := got[series]; !there || value != want {
			t.Errorf("%s is %v, want %v", series, value, want)
		}
	}
}

func TestMetricsOfAgents(t *testing.T) {
	got := exported(t, `{"agents_workers": {"agents": {"total_agents": 1000, "states": {"failing": 300, "idle": 700}, "items": {
			"mail": {"runs_1h": 10, "failed_1h": 3, "cancelled_1h": 2, "last_success_at": "2026-01-01T00:00:00.5Z"},
			"never": {"runs_1h": 1, "failed_1h": 1, "last_success_at": null},
			"(other)": {"runs_1h": 1}}}},
		"analytics": {"hour": {"runs": 100, "failed": 14, "cancelled": 2}}}`)
	for series, want := range map[string]float64{
		"agents{failing}": 300, "agents{offline}": 0,
		"agent_attempts_last_hour{mail,ok}": 5, "agent_attempts_last_hour{mail,failed}": 3, "agent_attempts_last_hour{mail,cancelled}": 2,
		"agent_attempts_last_hour{(other),failed}": 10, "agent_attempts_last_hour{(other),ok}": 79,
		"agent_last_success_timestamp_seconds{mail}": 1767225600.5,
	} {
		if value, there := got[series]; !there || value != want {
			t.Errorf("%s is %v, want %v", series, value, want)
		}
	}
	if value, there := got["agent_last_success_timestamp_seconds{never}"]; there {
		t.Errorf("an agent that never succeeded did at %v", value)
	}
}

// What a server has refused for lack of open files is counted.
func TestMetricsOfConnections(t *testing.T) {
	database, err := db.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "agentos.db"), nil)
	must(t, err)
	defer database.Close()
	panel, err := snapshot.Open(t.Context(), snapshot.Options{Sections: []snapshot.Section{{Name: "a", Collect: func(context.Context) (any, error) { return 1, nil }}}})
	must(t, err)
	handler := newMetrics(panel, database, func() uint64 { return 3 })
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(answer.Body.String(), "\nagentos_connections_refused_total 3\n") {
		t.Errorf("%s", answer.Body)
	}
}
