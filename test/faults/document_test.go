//go:build linux

package faults

import (
	"fmt"
	"time"

	"github.com/agentos/agentos/test/cluster"
)

// databaseSections are those whose values come from the database.
var databaseSections = []string{"workers", "queue", "jobs", "agents", "analytics", "logs"}

// troubled is an error unless the document says of every database section that it could not be collected since the
// moment given, with the reason.
func troubled(d *cluster.Document, since time.Time) error {
	const slack = time.Second // a collection under way at that moment, and the rounding of times
	for _, name := range databaseSections {
		s, listed := d.Meta.Sections[name]
		switch {
		case !listed:
			return fmt.Errorf("section %s is not listed", name)
		case s.Error == nil:
			return fmt.Errorf("section %s has no error:  as of %v, overdue %v", name, s.AsOf, s.Overdue)
		case s.AsOf != nil && s.AsOf.After(since.Add(slack)):
			return fmt.Errorf("section %s claims to be of %v, the fault began at %v", name, s.AsOf, since)
		}
	}
	return nil
}
