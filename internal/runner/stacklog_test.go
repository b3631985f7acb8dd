package runner

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTheReportOfARuntimeIsKept(t *testing.T) {
	many := func(form string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, form+"\n", i)
		}
		return b.String()
	}
	log := many("read row %d", 2000)
	python := "Traceback (most recent call last):\n" + many("  File \"x.py\", line %d, in f\n    f()", 20) + "ValueError: boom\n"
	tests := []struct {
		name, log string
		parts     []string // in the order in which they are kept
	}{
		{"python", log + python, []string{"Traceback", "in f", "ValueError: boom\n"}},
		{"python, then a few lines", log + python + many("closing %d "+strings.Repeat("x", 700), 15), []string{"Traceback", "in f", "ValueError: boom\n", "closing 14"}},
		{"go", log + "panic: boom\n\ngoroutine 1 [running]:\nmain.f()\n\t/app/x.go:4 +0x1d\n" + many("\ngoroutine %d [select]:\nmain.g()\n\t/app/x.go:9 +0x1d", 500), []string{"panic: boom\n", "goroutine 1 ", "main.f()\n", "goroutine 499 "}},
		{"java", log + "Exception in thread \"main\" a.Outer: no\n" + many("\tat a.Main.f%d(Main.java:1)", 300) + "Caused by: a.Inner: boom\n\tat a.Main.g(Main.java:2)\n\t... 300 more\n", []string{"a.Outer: no\n", "a.Main.f0(", "Caused by: a.Inner: boom\n", "a.Main.g("}},
		{"the last of two", log + python + strings.ReplaceAll(python, "boom", "bang"), []string{"ValueError: bang\n"}},
		{"a long line", log + "panic: boom " + strings.Repeat("x", 10_000) + "\n\ngoroutine 1 [running]:\nmain.f()\n", []string{"panic: boom ", "main.f()\n"}},
		{"none", log + "no room\n", nil},
		{"one that was survived", python + log + "no room\n", nil},
		{"an error of the program's own behind it", python + `{"level":"error","msg":"no room"}` + "\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &process{attempt: &Attempt{}}
			readLines(strings.NewReader(tt.log), p.line)
			if p.why.reported() != (tt.parts != nil) {
				t.Fatalf("reported: %v, reason %q", p.why.reported(), p.why.text())
			}
			kept := p.stack.text()
			if len(kept) > 9<<10 {
				t.Errorf("%d bytes are kept", len(kept))
			}
			rest := kept
			for _, part := range tt.parts {
				_, after, found := strings.Cut(rest, part)
				if !found {
					t.Fatalf("%q is not kept, or not in this order:\n%s", part, kept)
				}
				rest = after
			}
		})
	}
}

func TestALineOfLevelErrorMayNameItsFailure(t *testing.T) {
	for line, want := range map[string]string{
		`{"level":"error","msg":"no","fingerprint":"quota"}`:   "quota",
		`{"level":"fatal","msg":"no","fingerprint":"quota"}`:   "quota",
		`{"severity":"ERROR","fingerprint":"a b"}`:             "a b",
		`{"level":"info","msg":"key","fingerprint":"SHA256:"}`: "",
		`{"level":"error","msg":"no","fingerprint":7}`:         "",
		`{"level":"error","msg":"no","fingerprint":" "}`:       "",
		`{"level":"error","msg":"no","fingerprint":null}`:      "",
	} {
		l := ParseLine([]byte(line), time.Time{})[0]
		if l.Fingerprint != want {
			t.Errorf("%s: %q, want %q", line, l.Fingerprint, want)
		}
		if shown := strings.Contains(l.Msg, "fingerprint="); shown != (want == "" && !strings.Contains(line, "null")) {
			t.Errorf("%s: message %q", line, l.Msg)
		}
	}
}
