package server

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/worker"
)

// Another program's kinds have neither arguments nor a command.
func TestAgentsOfWhichOnlyTheNameIsKnown(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		bare := &agent.Fleet{Path: "elsewhere", Agents: []*agent.Spec{{Name: "mail"}}}
		f := newFixture(t, d, func(_ *fixture, o *Options) { o.Agents = func() AgentsState { return AgentsState{Fleet: bare} } })
		token := f.token(auth.RoleViewer)
		for _, path := range []string{"/api/agents", "/api/agents/mail"} {
			if r := f.as(token, "GET", path, ""); r.status != 200 || !strings.Contains(r.body, `"args":null`) {
				t.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
	})
}

// The list has what the document has of an agent: of a large fleet the page reads it there.
func TestAgentsAreListedWithTheirTroubles(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		program := filepath.Join(t.TempDir(), "blender")
		fleet, err := agent.Parse("agentos.yaml", t.TempDir(), []byte("agents:\n  render: {command: ["+program+"]}\n  good: {command: [cat]}\n"))
		must(t, err)
		f := newFixture(t, d, func(f *fixture, o *Options) {
			service, err := worker.New(t.Context(), worker.Options{DB: f.db.DB, Fleet: fleet, DataDir: t.TempDir()})
			must(t, err)
			must(t, service.Start(t.Context()))
			t.Cleanup(func() {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				if err := service.Stop(ctx); err != nil {
					t.Errorf("stop the jobs: %v", err)
				}
			})
			o.Jobs, o.Agents = service, func() AgentsState { return AgentsState{Fleet: fleet} }
		})
		_, err = d.Write.ExecContext(t.Context(), `insert into river_job (kind, args, queue, max_attempts, state) values ('good', '{}', 'good', 1, 'pending')`)
		must(t, err)
		token := f.token(auth.RoleViewer)
		var list AgentList
		f.as(token, "GET", "/api/agents", "").json(t, &list)
		var render, good AgentSpec
		f.as(token, "GET", "/api/agents/render", "").json(t, &render)
		f.as(token, "GET", "/api/agents/good", "").json(t, &good)
		for i, pair := range [][2]AgentSpec{{list.Agents[0], list.Agents[1]}, {render, good}} {
			lacking, fine := pair[0].Status, pair[1].Status
			if lacking.Problem == nil || !strings.Contains(*lacking.Problem, program) || lacking.State != "failing" && lacking.State != "offline" {
				t.Errorf("%d: the agent whose program is missing: %+v", i, lacking)
			}
			if fine.Problem != nil || fine.Parked != 1 {
				t.Errorf("%d: the other one: %+v", i, fine)
			}
		}
	})
}
