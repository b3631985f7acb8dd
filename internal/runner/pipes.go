package runner

import (
	"errors"
	"fmt"
	"os"
)

// pipes join the host to the program of one attempt.
type pipes struct{ stdin, stdout, stderr pipe }

type pipe struct{ ours, theirs *os.File }

func newPipes() (*pipes, error) {
	p := new(pipes)
	var errs []error
	for _, end := range p.all() {
		r, w, err := os.Pipe() // closed in any other program that we start
		if end == &p.stdin {
			end.ours, end.theirs = w, r
		} else {
			end.ours, end.theirs = r, w
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		p.closeTheirs()
		p.closeOurs()
		return nil, fmt.Errorf("make pipes: %w", err)
	}
	return p, nil
}

func (p *pipes) all() []*pipe {
	return []*pipe{&p.stdin, &p.stdout, &p.stderr}
}

// closeOurs also ends what reads and writes there. It may be called again, also while a stream closes its own.
func (p *pipes) closeOurs() {
	for _, end := range p.all() {
		_ = end.ours.Close() // a nil file answers with an error
	}
}

func (p *pipes) closeTheirs() {
	for _, end := range p.all() {
		_ = end.theirs.Close()
	}
}
