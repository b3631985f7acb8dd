package agent

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxFaults bounds the report about a file that is not an agentos.yaml at all.
const maxFaults = 100

// Fault is one thing wrong in agentos.yaml, and how to write it.
type Fault struct {
	File      string
	Line, Col int // from 1
	Text      string
}

func (f Fault) String() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text) }

// Faults is everything wrong in agentos.yaml, in the order of its lines.
type Faults []Fault

// Error returns one line per fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// inOrder sorts and bounds the faults; it returns a nil error when there are none.
func (fs Faults) inOrder() error {
	if len(fs) == 0 {
		return nil
	}
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	fs = slices.Compact(fs) // a fault inside an anchor is found at every use of it
	if more := len(fs) - maxFaults; more > 0 {
		fs = fs[:maxFaults]
		last := fs[maxFaults-1]
		last.Text = fmt.Sprintf("and %d more faults", more+1)
		fs[maxFaults-1] = last
	}
	return fs
}
