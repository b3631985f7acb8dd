package snapshot

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Aged is what Collect returns for a value that is older than its collection: one that was read from a replica, or kept. The
// section's as_of is then AsOf, and it is overdue when that is too old.
type Aged struct {
	Value any
	AsOf  time.Time // zero = it is as old as its collection
}

// A Section is one independently collected part of the document.
type Section struct {
	Name string // key in meta.sections and name for Nudge; required and unique
	Path string // dotted place in the document, such as "dashboard.queue"; zero = Name

	// Collect returns the value, which is encoded with encoding/json and must come out as a JSON object or null; required.
	//
	// It should honour the context's deadline: one that does not is shown as failed and is not called again before the old
	// call has returned. It is never called twice at the same time. It may panic: that is a failure like any other.
	Collect func(ctx context.Context) (any, error)

	Deadline time.Duration // how long one collection may take; zero = 2 s
	Every    time.Duration // cadence; zero = the warmer's Interval
	MaxBytes int           // a larger encoded value is a failed collection; zero = 48 KiB

	// Unmetered says that collecting costs the shared database nothing (it reads the host, say), so that the budget
	// neither counts nor slows it.
	Unmetered bool
}

const defaultDeadline = 2 * time.Second

// withDefaults fills what was left zero and says what is wrong.
func (s Section) withDefaults(interval time.Duration) (Section, error) {
	if s.Name == "" {
		return s, errors.New("a section has no name")
	}
	if s.Collect == nil {
		return s, fmt.Errorf("section %q has no source: set Collect", s.Name)
	}
	if s.Deadline < 0 || s.Every < 0 || s.MaxBytes < 0 {
		return s, fmt.Errorf("section %q: Deadline, Every and MaxBytes must not be negative", s.Name)
	}
	if s.Path == "" {
		s.Path = s.Name
	}
	if s.Deadline == 0 {
		s.Deadline = defaultDeadline
	}
	if s.Every == 0 {
		s.Every = interval
	}
	if s.MaxBytes == 0 {
		s.MaxBytes = defaultSectionBytes
	}
	return s, nil
}

// checkSections fills the sections' defaults and says all that is wrong with them at once.
func checkSections(sections []Section, interval time.Duration) ([]Section, error) {
	if len(sections) == 0 {
		return nil, errors.New("no sections")
	}
	var faults []error
	names := make(map[string]bool)
	checked := make([]Section, len(sections))
	for i, section := range sections {
		s, err := section.withDefaults(interval)
		if err != nil {
			faults = append(faults, err)
		}
		if names[s.Name] {
			faults = append(faults, fmt.Errorf("two sections are named %q", s.Name))
		}
		names[s.Name] = true
		checked[i] = s
	}
	return checked, errors.Join(faults...)
}
