package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Document is what tests read of the dashboard's document.
type Document struct {
	Dashboard struct {
		System *struct {
			Status     string   `json:"status"`
			Reasons    []string `json:"reasons"`
			Components map[string]struct {
				Status string `json:"status"`
				Detail string `json:"detail"`
			} `json:"components"`
		} `json:"system"`
		Workers *struct {
			Total  int `json:"total"`
			Active int `json:"active"`
		} `json:"workers"`
		Queue *struct {
			Pending    int `json:"pending"`
			Processing int `json:"processing"`
		} `json:"queue"`
		Jobs *struct {
			TotalToday int64                      `json:"total_today"`
			Newest     map[string]json.RawMessage `json:"newest"`
		} `json:"jobs"`
	} `json:"dashboard"`
	Timestamp time.Time `json:"timestamp"`
	Meta      struct {
		Version   int                `json:"version"`
		Revision  int64              `json:"revision"`
		Publisher string             `json:"publisher"` // the process that collected it
		AsOf      time.Time          `json:"as_of"`
		Stale     bool               `json:"stale"`
		Sections  map[string]Section `json:"sections"`
	} `json:"meta"`
}

// Section is what the document tells about one of its sections.
type Section struct {
	AsOf    *time.Time `json:"as_of"`
	EveryMS int64      `json:"every_ms"`
	Error   *string    `json:"error"`
	Overdue bool       `json:"overdue"`
}

func parseDocument(text []byte) (*Document, error) {
	d := &Document{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("not a document: %w: %.200s", err, text)
	}
	return d, nil
}

// NewestJob is the greatest id of a job on the screen, or 0.
func (d *Document) NewestJob() int64 {
	var newest int64
	if d.Dashboard.Jobs != nil {
		for key := range d.Dashboard.Jobs.Newest {
			if id, err := strconv.ParseInt(key, 10, 64); err == nil {
				newest = max(newest, id)
			}
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

// Healthy is an error while the document tells of any trouble, or shows fewer workers than there are.
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
	case d.Dashboard.System == nil || d.Dashboard.Workers == nil || d.Dashboard.Queue == nil || d.Dashboard.Jobs == nil:
		return errors.New("a section was never collected")
	case d.Dashboard.System.Status == "critical":
		return fmt.Errorf("the system is critical: %v", d.Dashboard.System.Reasons)
	}
	for name, component := range d.Dashboard.System.Components {
		if component.Status == "down" {
			return fmt.Errorf("component %s is down: %s", name, component.Detail)
		}
	}
	if active := d.Dashboard.Workers.Active; active < workers {
		return fmt.Errorf("%d workers of %d are active", active, workers)
	}
	return nil
}
