package snapshot_test

import (
	"testing"

	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

func TestHubLinkConforms(t *testing.T) {
	snapshottest.TestLink(t, func(*testing.T) snapshottest.LinkServer {
		hub := snapshottest.NewHub("hub")
		return snapshottest.LinkServer{
			Open: func(holder string) link.Link { return hub.Link(holder) },
			Cut:  hub.Cut, Hang: hub.Hang, Mend: hub.Mend, Slow: hub.Slow, Plant: hub.Plant,
		}
	})
}
