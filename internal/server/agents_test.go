package server

import (
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
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
