package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The figures that pages quote are those of docs/benchmarks.md, where each stands with the command that measures it again.
func TestPagesQuoteTheFiguresOfTheBenchmarks(t *testing.T) {
	_, rest, _ := strings.Cut(read(t, "docs/benchmarks.md"), "## In short")
	measured, _, _ := strings.Cut(rest, "<!-- end -->")
	for file, pattern := range map[string]string{
		"README.md":                            `(?m)^\| \*\*([^*]+)\*\*.*\|$`,
		"docs/operations.md":                   `static binary alone \(([0-9.]+ MB)`,
		"docs/decisions/0151-replaced-file.md": `costs ([0-9.]+ ms) until`,
	} {
		quoted := regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, file), -1)
		if len(quoted) == 0 {
			t.Errorf("%s quotes no figure as %s", file, pattern)
		}
		for _, q := range quoted {
			if !strings.Contains(measured, "**"+q[1]+"**") {
				t.Errorf("%s says %q, which docs/benchmarks.md does not have in short", file, q[1])
			}
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
