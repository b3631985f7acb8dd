package server

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
)

var update = flag.Bool("update", false, "update openapi.yaml")

const openAPIFile = "../../openapi.yaml"

func TestOpenAPIFileIsUpToDate(t *testing.T) {
	got, err := OpenAPI()
	must(t, err)
	if *update {
		must(t, os.WriteFile(openAPIFile, got, 0o644))
	}
	want, err := os.ReadFile(openAPIFile)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Error("openapi.yaml is not what the code describes: run go test ./internal/server -run TestOpenAPI -update")
	}
}

func TestOpenAPIDescribesEveryOperation(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		var description struct {
			OpenAPI string
			Paths   map[string]map[string]struct {
				OperationID string `json:"operationId"`
				Role        string `json:"x-role"`
				Responses   map[string]any
			}
			Components struct{ Schemas map[string]any }
		}
		r := f.as(f.token(auth.RoleViewer), "GET", "/openapi.json", "")
		must(t, json.Unmarshal([]byte(r.body), &description))
		if !strings.HasPrefix(description.OpenAPI, "3.1") {
			t.Errorf("OpenAPI %s", description.OpenAPI)
		}
		described := 0
		for _, route := range f.table() {
			op, ok := description.Paths[route.path][strings.ToLower(route.method)]
			if !ok {
				continue
			}
			described++
			if op.Role != string(route.role) || op.OperationID == "" || op.Responses["default"] == nil {
				t.Errorf("%s %s: %+v", route.method, route.path, op)
			}
		}
		if described < 24 {
			t.Errorf("%d operations described", described)
		}
		for name := range description.Components.Schemas {
			if strings.HasPrefix(name, "Error") || strings.Contains(name, "Body") || strings.Contains(name, "Input") {
				t.Errorf("schema %s is not a name for clients", name)
			}
		}
		for _, name := range []string{"Job", "JobDetail", "Run", "Queue", "Worker", "AgentSpec", "LogLine", "Problem", "User", "Token", "AuditEntry"} {
			if description.Components.Schemas[name] == nil {
				t.Errorf("schema %s is missing", name)
			}
		}
	})
}
