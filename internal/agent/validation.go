package agent

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxErrors bounds the report about a file that is not an agentos.yaml at all.
const maxErrors = 100

// ValidationError is one thing wrong in agentos.yaml, and how to write it.
type ValidationError struct {
	File      string
	Line, Col int // from 1
	Text      string
}

func (e ValidationError) String() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }

// ValidationErrors is everything wrong in agentos.yaml, in the order of its lines.
type ValidationErrors []ValidationError

// Error returns one line per error.
func (errs ValidationErrors) Error() string {
	lines := make([]string, len(errs))
	for i, e := range errs {
		lines[i] = e.String()
	}
	return strings.Join(lines, "\n")
}

// inOrder sorts and bounds the errors; it returns a nil error when there are none.
func (errs ValidationErrors) inOrder() error {
	if len(errs) == 0 {
		return nil
	}
	slices.SortStableFunc(errs, func(a, b ValidationError) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	errs = slices.Compact(errs) // an error inside an anchor is found at every use of it
	if more := len(errs) - maxErrors; more > 0 {
		errs = errs[:maxErrors]
		last := errs[maxErrors-1]
		last.Text = fmt.Sprintf("and %d more errors", more+1)
		errs[maxErrors-1] = last
	}
	return errs
}
