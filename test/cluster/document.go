package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/agentos/agentos/internal/document"
)

// Document is the dashboard's document, as tests judge it.
type Document struct{ document.Document }

func parseDocument(text []byte) (*Document, error) {
	d, err := document.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %.200s", err, text)
	}
	return &Document{*d}, nil
}

// NewestJob is the greatest id of a job on the screen, as a number, or 0.
func (d *Document) NewestJob() int64 {
	var newest int64
	if d.Dashboard.Jobs != nil {
		for _, job := range d.Dashboard.Jobs.Newest {
			newest = max(newest, -job.Order) // the newest comes first
		}
	}
	return newest
}

// JobsAsOf is when the jobs on the screen were read, as the document says.
func (d *Document) JobsAsOf() time.Time {
	if at := d.Meta.Sections["jobs"].AsOf; at != nil {
		return *at
	}
	return time.Time{}
}

// Healthy is an error while the document shows any trouble, or shows fewer workers than there are.
func (d *Document) Healthy(workers int) error {
	for name, s := range d.Meta.Sections {
		switch {
		case s.Error != nil:
			return fmt.Errorf("section %s failed: %s", name, *s.Error)
		case s.Overdue || s.AsOf == nil:
			return fmt.Errorf("section %s is overdue", name)
		}
	}
	switch {
	case d.Meta.Stale:
		return fmt.Errorf("the document is stale, as of %v", d.Meta.AsOf)
	case d.Dashboard.System == nil || d.Dashboard.Workers == nil || d.Dashboard.Queue == nil || d.Dashboard.Jobs == nil,
		d.AgentsWorkers.Agents == nil || d.Analytics == nil || d.Logs == nil:
		return errors.New("a section was never collected")
	case d.Dashboard.System.Status == document.SystemCritical:
		return fmt.Errorf("the system is critical: %v", d.Dashboard.System.Reasons)
	}
	for name, component := range d.Dashboard.System.Components {
		if component.Status == document.ComponentDown {
			return fmt.Errorf("component %s is down: %s", name, component.Detail)
		}
	}
	if active := d.Dashboard.Workers.Active; active < workers {
		return fmt.Errorf("%d workers of %d are active", active, workers)
	}
	return nil
}
