package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// MaxErrors bounds the report about a file that is not what was meant at all.
const MaxErrors = 100

// Error is one thing wrong in a file, and how to write it.
type Error struct {
	File      string
	Line, Col int // from 1
	Text      string
}

func (e Error) String() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }

// Errors is everything wrong in a file, in the order of its lines.
type Errors []Error

// Error returns one line per error.
func (errs Errors) Error() string {
	lines := make([]string, len(errs))
	for i, e := range errs {
		lines[i] = e.String()
	}
	return strings.Join(lines, "\n")
}

// InOrder sorts and bounds the errors; it returns a nil error when there are none.
func (errs Errors) InOrder() error {
	if len(errs) == 0 {
		return nil
	}
	slices.SortStableFunc(errs, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	errs = slices.Compact(errs) // an error inside an anchor is found at every use of it
	if more := len(errs) - MaxErrors; more > 0 {
		errs = errs[:MaxErrors]
		last := errs[MaxErrors-1]
		last.Text = fmt.Sprintf("and %d more errors", more+1)
		errs[MaxErrors-1] = last
	}
	return errs
}
