package snapshot_test

import (
	"testing"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// A tier that failed when this process called it works, as a document shows that another process sent through it.
func TestDocumentFromElsewhereShowsThatTheTierWorks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hub := snapshottest.NewHub("hub")
		conn := hub.Link("here")
		s, _ := section("a")
		there, source := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s)
		if err := source.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		here, _ := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{conn}}, snapshot.WarmerOptions{}, s)
		conn.Cut()
		if err := here.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if here.Stats().Tiers[0].Error == "" {
			t.Fatal("the tier that was cut does not count as failing")
		}
		conn.Mend()
		for range 2 { // also when the document is no news
			if err := here.Offer(there.Current().JSON, "hub"); err != nil {
				t.Fatal(err)
			}
			if failing := here.Stats().Tiers[0].Error; failing != "" {
				t.Errorf("the tier counts as failing: %s", failing)
			}
		}
		if err := here.Offer([]byte("{}"), "hub"); err == nil || here.Stats().Tiers[0].Error == "" || here.Stats().Tiers[0].Corrupt != 1 {
			t.Errorf("garbage from the tier: %v, %+v", err, here.Stats().Tiers[0])
		}
	})
}
