package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/agentos/agentos/bench/jobtable"
	"github.com/agentos/agentos/bench/replaced"
	"github.com/agentos/agentos/test/servers"
)

// The cost of one look at the replaced dashboard in calls and statements is what the report compares with.
func TestReplacedDashboardAsksElevenStatementsInSixCalls(t *testing.T) {
	d, err := jobtable.New(t.Context(), t.Logf, servers.PostgresSetting("shared_buffers", "64MB"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Fill(t.Context(), 2_000, 300, 40); err != nil {
		t.Fatal(err)
	}
	pool, err := replaced.Open(t.Context(), d.URL(jobtable.RoleReplaced))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	handler := replaced.Handler(pool)
	if len(replaced.Parts) != 6 {
		t.Errorf("%d calls", len(replaced.Parts))
	}
	for _, path := range append(sixCalls(), "/api/all") {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		var lists map[string]json.RawMessage
		if err := json.Unmarshal(answer.Body.Bytes(), &lists); err != nil || answer.Code != http.StatusOK || len(lists) == 0 {
			t.Errorf("%s: %d %.200s", path, answer.Code, answer.Body)
		}
	}
	used, err := d.UsageOf(t.Context(), jobtable.RoleReplaced)
	if err != nil || used.Statements != 2*11 {
		t.Errorf("%d statements, %v, want 22", used.Statements, err)
	}
}
