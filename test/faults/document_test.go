//go:build linux

package faults

import (
	"fmt"
	"time"
)

// document is what these tests read of the dashboard's document.
type document struct {
	Dashboard struct {
		System  *systemSection  `json:"system"`
		Workers *workersSection `json:"workers"`
		Queue   *queueSection   `json:"queue"`
	} `json:"dashboard"`
	AgentsWorkers struct {
		Agents *agentsSection `json:"agents"`
	} `json:"agents_workers"`
	Analytics *struct {
		Day counts `json:"day"`
	} `json:"analytics"`
	Timestamp time.Time `json:"timestamp"`
	Meta      struct {
		Version  int                `json:"version"`
		Revision int64              `json:"revision"`
		AsOf     time.Time          `json:"as_of"`
		Stale    bool               `json:"stale"`
		FreshMS  int64              `json:"fresh_ms"`
		Sections map[string]section `json:"sections"`
	} `json:"meta"`
}

type section struct {
	AsOf    *time.Time `json:"as_of"`
	TookMS  float64    `json:"took_ms"`
	EveryMS int64      `json:"every_ms"`
	Error   *string    `json:"error"`
	Overdue bool       `json:"overdue"`
}

func (s section) String() string {
	return fmt.Sprintf("as of %v, took %.1f ms, every %d ms, overdue %v", s.AsOf, s.TookMS, s.EveryMS, s.Overdue)
}

type systemSection struct {
	Status  string   `json:"status"`
	Reasons []string `json:"reasons"`
	Process struct {
		Goroutines int `json:"goroutines"`
	} `json:"process"`
	Components map[string]struct {
		Status string `json:"status"`
		Detail string `json:"detail"`
	} `json:"components"`
}

type workersSection struct {
	Total  int `json:"total"`
	Active int `json:"active"`
	Items  map[string]struct {
		PID     int    `json:"pid"`
		State   string `json:"state"`
		Running int    `json:"running"`
	} `json:"items"`
}

type queueSection struct {
	Pending    int `json:"pending"`
	Processing int `json:"processing"`
	Scheduled  int `json:"scheduled"`
	Retryable  int `json:"retryable"`
}

type agentsSection struct {
	Total  int `json:"total_agents"`
	Config struct {
		Error    *string  `json:"error"`
		Problems []string `json:"problems"`
	} `json:"config"`
	Items map[string]struct {
		State string `json:"state"`
	} `json:"items"`
}

// counts are ended attempts.
type counts struct {
	Runs      int `json:"runs"`
	OK        int `json:"ok"`
	Failed    int `json:"failed"` // timeouts and lost ones included
	Cancelled int `json:"cancelled"`
}

// databaseSections are those whose values come from the database.
var databaseSections = []string{"workers", "queue", "jobs", "agents", "analytics", "logs"}

// healthy is an error while the document tells of any trouble, or is older than its own limit.
func (d *document) healthy() error {
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
	case d.Dashboard.System == nil || d.Dashboard.Workers == nil || d.Dashboard.Queue == nil || d.AgentsWorkers.Agents == nil || d.Analytics == nil:
		return fmt.Errorf("a section was never collected")
	case d.Dashboard.System.Status == "critical":
		return fmt.Errorf("the system is critical: %v", d.Dashboard.System.Reasons)
	}
	for name, c := range d.Dashboard.System.Components {
		if c.Status == "down" {
			return fmt.Errorf("component %s is down: %s", name, c.Detail)
		}
	}
	return nil
}

// troubled is an error unless the document says of every database section that it could not be collected since the
// moment given, with the reason.
func (d *document) troubled(since time.Time) error {
	const slack = time.Second // a collection under way at that moment, and the rounding of times
	for _, name := range databaseSections {
		s, listed := d.Meta.Sections[name]
		switch {
		case !listed:
			return fmt.Errorf("section %s is not listed", name)
		case s.Error == nil:
			return fmt.Errorf("section %s tells no error: %v", name, s)
		case s.AsOf != nil && s.AsOf.After(since.Add(slack)):
			return fmt.Errorf("section %s claims to be of %v, the fault began at %v", name, s.AsOf, since)
		}
	}
	return nil
}
