//go:build linux

package faults

import (
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// results collects a row for each fault.
var results report

type report struct {
	mu    sync.Mutex
	rows  []row
	texts []string // what does not fit into the table

	failures []string // printed last, where the end of a long output shows them
}

// row is what one fault did to viewers and jobs. Empty texts are shown as a dash.
type row struct {
	cluster   bool // of several processes; such rows come last, in the order they were added
	fault     string
	viewers   string        // what they got during the fault
	oldest    time.Duration // the greatest age shown
	latencies string        // p50/p99 in ms, before → during → after
	recovery  string
	lost      string // jobs
	note      string
}

func (r *report) add(next row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, next)
}

// addText adds a paragraph or a table of its own below the table of faults.
func (r *report) addText(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.texts = append(r.texts, text)
}

// addFailure keeps what went wrong for the end of the output.
func (r *report) addFailure(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, text)
}

// write prints the table, and writes it to a file when one is named.
func (r *report) write(to io.Writer, path string) error {
	text := strings.TrimPrefix(strings.Join(append([]string{r.table()}, r.texts...), "\n"), "\n")
	if text == "" {
		return nil
	}
	fmt.Fprintf(to, "\n%s\n", text)
	for _, failure := range r.failures {
		fmt.Fprintf(to, "FAILED: %s\n", failure)
	}
	if path == "" {
		return nil
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// table is in Markdown, aligned.
func (r *report) table() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rows) == 0 {
		return ""
	}
	sort.SliceStable(r.rows, func(i, k int) bool {
		if one, other := r.rows[i], r.rows[k]; one.cluster || other.cluster {
			return !one.cluster && other.cluster
		}
		return r.rows[i].fault < r.rows[k].fault
	})
	lines := [][]string{{"fault", "viewers got meanwhile", "oldest shown", "p50/p99 ms before → during → after", "recovery", "jobs lost", "note"}}
	for _, row := range r.rows {
		lines = append(lines, []string{
			row.fault, row.viewers, seconds(row.oldest), row.latencies, row.recovery, row.lost, row.note,
		})
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 1)
		}
	}
	var b strings.Builder
	for n, line := range lines {
		for i, cell := range line {
			if cell == "" {
				cell = "-"
			}
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, width := range widths {
				b.WriteString("|" + strings.Repeat("-", width+2))
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}

func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
