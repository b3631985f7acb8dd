package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"text/template"
	"time"

	"github.com/agentos/agentos/bench/jobtable"
)

//go:embed report.md.tmpl
var reportText string

// report is the file that is written: the text of the template, and the tables of the parts.
type report struct {
	plan     plan
	sections map[string]*section
	facts    map[string]any
}

// section is what one part has come to so far.
type section struct {
	tables []*table
	notes  []string
}

// note adds a line below the tables.
func (s *section) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// fail notes what could not be measured, and why.
func (s *section) fail(what string, err error) {
	progress("%s: %v", what, err)
	s.note("Not measured: %s: %s.", what, firstLine(err))
}

func (s *section) markdown() string {
	var text strings.Builder
	for _, t := range s.tables {
		if len(t.rows) > 0 {
			text.WriteString(t.markdown() + "\n")
		}
	}
	for _, note := range s.notes {
		text.WriteString(note + "\n\n")
	}
	if text.Len() == 0 {
		return "Not measured.\n"
	}
	return text.String()
}

func newReport(ctx context.Context, b *bed) *report {
	p := b.plan
	r := &report{plan: p, sections: map[string]*section{}}
	for _, part := range "abcde" {
		s := &section{}
		if !p.has(string(part)) {
			s.note("Left out of this run.")
		}
		r.sections[string(part)] = s
	}
	r.facts = map[string]any{
		"ByHand": byHand(b.root), "Short": p.short, "Date": time.Now().UTC().Format("2 January 2006"), "Commit": commit(ctx, b.root), "Machine": machine(),
		"Versions": versions(ctx, b), "Peer": peerVersion(ctx, b.root),
		"Days": jobtable.Days, "Kinds": jobtable.Kinds, "Queues": jobtable.Queues, "Clients": jobtable.Clients, "Waiting": count(p.waiting), "Scheduled": count(jobtable.MaxScheduled), "Many": count(p.many),
		"Window": p.window, "Visits": p.visits, "Rounds": p.rounds, "Round": p.round, "FlowRate": p.flowRate,
	}
	return r
}

// byHand is the part of the last report that nobody measures in one run: what stands there between two marks.
func byHand(root string) string {
	text, _ := os.ReadFile(filepath.Join(root, "docs", "benchmarks.md")) // without it there is nothing to keep
	_, rest, _ := strings.Cut(string(text), "<!-- by hand: make bench keeps this -->")
	part, _, _ := strings.Cut(rest, "<!-- end -->")
	return part
}

// write writes the file as far as it goes. It is called after each step, so that a run that is broken off leaves something.
func (r *report) write() error {
	t := template.Must(template.New("").Funcs(template.FuncMap{
		"section": func(part string) string { return r.sections[part].markdown() },
	}).Parse(reportText))
	var text strings.Builder
	if err := t.Execute(&text, r.facts); err != nil {
		return err
	}
	return os.WriteFile(r.plan.out, []byte(strings.TrimRight(text.String(), "\n")+"\n"), 0o644)
}

// machine names what it ran on, without a name of its own.
func machine() string {
	model := "an unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, found := strings.Cut(string(text), "model name\t: "); found {
			model, _, _ = strings.Cut(rest, "\n")
		}
	}
	memory, kernel := 0, "Linux"
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		_, _ = fmt.Sscanf(string(text), "MemTotal: %d kB", &memory) // 0 when it has another form
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		release, _, _ := strings.Cut(strings.TrimSpace(string(text)), "-") // what follows is the builder's
		kernel = "Linux " + release
	}
	return fmt.Sprintf("%d cores of %s, %.0f GiB of memory, %s", runtime.NumCPU(), model, float64(memory)/(1<<20), kernel)
}

func commit(ctx context.Context, root string) string {
	text := said(ctx, "git", "-C", root, "rev-parse", "--short", "HEAD")
	if said(ctx, "git", "-C", root, "status", "--porcelain", "--untracked-files=no") != "" {
		text += " with changes"
	}
	return text
}

func versions(ctx context.Context, b *bed) []string {
	list := []string{"Go " + strings.TrimPrefix(runtime.Version(), "go")}
	if version, err := b.jobs.Version(ctx); err == nil {
		list = append(list, "Postgres "+version+", with 2 GB of shared buffers and fsync off")
	}
	list = append(list, "Chromium "+b.browser.version, "River UI "+peerVersion(ctx, b.root))
	if program, _, err := b.nginx(); err == nil {
		if output, err := exec.CommandContext(ctx, program, "-v").CombinedOutput(); err == nil { // it speaks on standard error
			_, version, _ := strings.Cut(strings.TrimSpace(string(output)), "nginx/")
			list = append(list, "nginx "+version)
		}
	}
	if _, version, err := pythonVersion(); err == nil {
		list = append(list, version)
	}
	if fields := strings.Fields(said(ctx, "redis-server", "--version")); len(fields) > 2 {
		list = append(list, "Redis "+strings.TrimPrefix(fields[2], "v="))
	}
	return list
}

// peerVersion is that of the installed River UI, as Go has written it into the program.
func peerVersion(ctx context.Context, root string) string {
	for line := range strings.Lines(said(ctx, "go", "version", "-m", filepath.Join(root, ".tools", "bin", "riverui"))) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "mod" {
			return strings.TrimPrefix(fields[2], "v")
		}
	}
	return "(not installed)"
}

// said is what a program prints; empty when it fails.
func said(ctx context.Context, name string, args ...string) string {
	output, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(output))
}

// folders are those of this run, which say nothing to a reader.
var folders = regexp.MustCompile(`[^\s"]*/agentos-[^\s/"]*/`)

// firstLine is what of an error goes into the report.
func firstLine(err error) string {
	if errors.Is(err, context.Canceled) {
		return "the run was broken off"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimRight(folders.ReplaceAllString(line, ""), ".:")
}
