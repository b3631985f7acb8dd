package examples

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/internal/agent"
)

func TestTheFleetIsValid(t *testing.T) {
	for _, load := range []func() (*agent.Fleet, error){
		func() (*agent.Fleet, error) { return agent.Load("agentos.yaml") },
		func() (*agent.Fleet, error) { return newWorkbench(t).fleet, nil },
	} {
		fleet, err := load()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range fleet.Agents {
			names = append(names, s.Name)
			if s.Description == "" || s.Env["AGENTOS_FOLDER"] == "" {
				t.Errorf("%+v", s)
			}
		}
		want := []string{"crawl", "hash", "count", "duplicates", "extract", "compress", "index", "summarise", "flaky", "slow", "report"}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Error(diff)
		}
	}
}
