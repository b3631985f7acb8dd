package examples

import (
	"testing"

	"github.com/agentos/agentos/internal/runner"
)

func TestSlowReportsItsProgress(t *testing.T) {
	type slow struct {
		Files   int      `json:"files"`
		Reads   int      `json:"reads"`
		Rounds  int      `json:"rounds"`
		Bytes   int      `json:"bytes"`
		Changed int      `json:"changed"`
		First   []string `json:"first_changed"`
		Path    string   `json:"path"`
	}
	b := newWorkbench(t)
	b.put("a \"b\".txt", "12345")
	b.put("sub/c\\d", "123")
	b.put("x.txt", "")
	got := decode[slow](t, b.ok("slow", `{"files":7,"pace":1000}`))
	if got.Files != 3 || got.Reads != 7 || got.Rounds != 3 || got.Changed != 0 || len(got.First) != 0 || got.Bytes < 2*8 || got.Bytes > 3*8 || got.Path != "." {
		t.Errorf("%+v", got)
	}
	progress := 0.0
	spec := *b.fleet.Agent("slow")
	_, err := runner.Run(t.Context(), runner.Attempt{
		Spec: &spec, JobID: 1, RunID: 1, Number: 1, MaxAttempts: 1, Args: []byte(`{"files":4,"pace":2}`), WorkDir: b.work("slow"),
		OnLine: func(l runner.Line) {
			if l.Progress != nil {
				if *l.Progress <= progress {
					t.Errorf("progress %v after %v", *l.Progress, progress)
				}
				progress = *l.Progress
			}
		},
	})
	if err != nil || progress != 1 {
		t.Errorf("progress %v, %v", progress, err)
	}
	b.fails("slow", `{"path":"none"}`, "there is no such folder")
}
