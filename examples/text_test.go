package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExtractFindsLinksAndNotes(t *testing.T) {
	type note struct {
		Line int    `json:"line"`
		Text string `json:"text"`
	}
	type extract struct {
		Links    int      `json:"links"`
		Distinct int      `json:"distinct_links"`
		Todos    int      `json:"todos"`
		First    []string `json:"first_links"`
		Notes    []note   `json:"first_todos"`
		Path     string   `json:"path"`
	}
	b := newWorkbench(t)
	b.put("a \"b\".md", "See https://example.org/a?b=c&d#e, (http://example.org/x) and <https://example.org/ü\xff>.\n"+
		"// TODO: say \"why\"\t\n"+
		"no TODOS, xTODO or fixme; but FIXME(me) and\r\n"+
		"[again](https://example.org/a?b=c&d#e) https:// http://?\n")
	got := decode[extract](t, b.ok("extract", pathArgs("a \"b\".md")))
	want := extract{
		Links: 4, Distinct: 3, Todos: 2, Path: "a \"b\".md",
		First: []string{"https://example.org/a?b=c&d#e", "http://example.org/x", "https://example.org/ü\uFFFD"},
		Notes: []note{{2, `TODO: say "why"`}, {3, "FIXME(me) and"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	b.put("many", strings.Repeat("XXX https://example.org/1 https://example.org/2\n", 30))
	got = decode[extract](t, b.ok("extract", pathArgs("many")))
	if got.Links != 60 || got.Distinct != 2 || got.Todos != 30 || len(got.Notes) != 10 {
		t.Errorf("%+v", got)
	}
}

type wordCount struct {
	Word  string `json:"word"`
	Count int    `json:"count"`
}

func TestSummarise(t *testing.T) {
	type summary struct {
		Headings  int         `json:"headings"`
		First     []string    `json:"first_headings"`
		Paragraph string      `json:"first_paragraph"`
		Top       []wordCount `json:"top"`
		Path      string      `json:"path"`
	}
	b := newWorkbench(t)
	b.put("line\nbreak.md", "# Größe \"quoted\" #\n\n![image](x.png)\nFirst line,\r\n  second line.\n\nNext paragraph: größe größe größe.\n## Two\n```\n# code code code\n```\n#not a heading\n")
	got := decode[summary](t, b.ok("summarise", pathArgs("line\nbreak.md")))
	want := summary{
		Headings: 2, First: []string{`Größe "quoted"`, "Two"}, Paragraph: "First line, second line.", Path: "line\nbreak.md",
		Top: []wordCount{{"größe", 3}, {"line", 2}, {"first", 1}, {"heading", 1}, {"image", 1}, {"next", 1}, {"paragraph", 1}, {"second", 1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	b.put("empty", "")
	got = decode[summary](t, b.ok("summarise", pathArgs("empty")))
	if got.Headings != 0 || got.Paragraph != "" || len(got.Top) != 0 {
		t.Errorf("%+v", got)
	}
	b.put("long", strings.Repeat("wörter ", 200))
	if got = decode[summary](t, b.ok("summarise", pathArgs("long"))); len(got.Paragraph) > 410 || strings.Contains(got.Paragraph, "\uFFFD") {
		t.Errorf("%q", got.Paragraph)
	}
}

func TestIndexCountsTheWordsOfAFolder(t *testing.T) {
	type index struct {
		Files    int         `json:"files"`
		Words    int         `json:"words"`
		Distinct int         `json:"distinct_words"`
		Top      []wordCount `json:"top"`
		Path     string      `json:"path"`
	}
	b := newWorkbench(t)
	b.put("d \"x\"/a=1.txt", "Apple banana apple cherry-apple 123 of")
	b.put("d \"x\"/line\nbreak", "banana Größe\n")
	b.put("d \"x\"/binary", "words here\n\x01\x02\nbanana")
	b.put("d \"x\"/.hidden", "banana")
	b.put("d \"x\"/below/c.txt", "banana")
	got := decode[index](t, b.ok("index", pathArgs("d \"x\"")))
	want := index{Files: 2, Words: 7, Distinct: 4, Path: "d \"x\"", Top: []wordCount{{"apple", 3}, {"banana", 2}, {"cherry", 1}, {"größe", 1}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	paths, _ := filepath.Glob(filepath.Join(b.work("index"), "index.*"))
	if len(paths) != 1 {
		t.Fatalf("indexes: %q", paths)
	}
	text, _ := os.ReadFile(paths[0])
	wantText := "apple\t3\t\"a=1.txt\"\nbanana\t1\t\"a=1.txt\"\nbanana\t1\t\"line\\u000abreak\"\ncherry\t1\t\"a=1.txt\"\ngröße\t1\t\"line\\u000abreak\"\n"
	if diff := cmp.Diff(wantText, string(text)); diff != "" {
		t.Error(diff)
	}
	b.put("empty/.hidden", "")
	if got := decode[index](t, b.ok("index", pathArgs("empty"))); got.Words != 0 {
		t.Errorf("%+v", got)
	}
}
