package examples

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReportAddsUpWhatTheOthersFound(t *testing.T) {
	type report struct {
		Results  int      `json:"results"`
		Files    int      `json:"files"`
		Bytes    int      `json:"bytes"`
		Lines    int      `json:"lines"`
		Words    int      `json:"words"`
		Links    int      `json:"links"`
		Todos    int      `json:"todos"`
		Groups   *int     `json:"duplicate_groups"`
		Compress *float64 `json:"percent_after_compression"`
	}
	b := newWorkbench(t)
	if diff := cmp.Diff(report{}, decode[report](t, b.ok("report", "{}"))); diff != "" {
		t.Error(diff)
	}
	want := report{}
	content := b.putNasty()
	for _, name := range nasty[:10] {
		text := content[name]
		for range 2 { // the same file counts once
			b.ok("hash", pathArgs(name))
			b.ok("count", pathArgs(name))
		}
		want.Results += 4
		want.Files++
		want.Bytes += len(text)
		want.Lines += strings.Count(text, "\n")
		want.Words += len(strings.Fields(strings.ToValidUTF8(text, "")))
	}
	text := b.put("todo.txt", strings.Repeat("TODO https://example.org/\n", 3)+`"links":999,"path":"fake"`)
	b.put("todo copy.txt", text)
	b.ok("extract", pathArgs("todo.txt"))
	b.ok("duplicates", "{}")
	compressed := b.ok("compress", pathArgs("todo.txt"))
	var ratio struct {
		Bytes  float64 `json:"bytes"`
		Packed float64 `json:"packed_bytes"`
	}
	if err := json.Unmarshal(compressed.Stdout, &ratio); err != nil {
		t.Fatal(err)
	}
	percent := float64(int(ratio.Packed*1000/ratio.Bytes+0.5)) / 10
	groups := 1
	want.Results += 3
	want.Links, want.Todos, want.Groups, want.Compress = 3, 3, &groups, &percent
	if diff := cmp.Diff(want, decode[report](t, b.ok("report", "{}"))); diff != "" {
		t.Error(diff)
	}
	page, err := os.ReadFile(filepath.Join(b.work("report"), "report.md"))
	if err != nil || !strings.Contains(string(page), "- most notes to self: todo.txt, 3\n") {
		t.Errorf("%v in %s", err, page)
	}
}
