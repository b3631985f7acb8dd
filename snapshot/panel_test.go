package snapshot_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// openPanel opens a panel of one section, "a", with these options, and closes it at the test's end.
func openPanel(t *testing.T, opts snapshot.Options) *snapshot.Panel {
	t.Helper()
	opts.Sections = []snapshot.Section{{Name: "a", Collect: snapshottest.NewSource(obj{"text": strings.Repeat("x", 400)}).Collect}}
	panel, err := snapshot.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := panel.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return panel
}

// Whoever names nothing gets names that are nobody's.
func TestPanelTakesItsNamesFromTheOptions(t *testing.T) {
	for name, c := range map[string]struct {
		opts      snapshot.Options
		header    string
		version   int
		publisher string
	}{
		"none": {snapshot.Options{}, "snapshot; hit;", 1, ""},
		"own":  {snapshot.Options{Name: "shop", Version: 7, Process: "host:1"}, "shop; hit;", 7, "host:1"},
	} {
		panel := openPanel(t, c.opts)
		if err := panel.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ask(panel.Handler(), "GET", nil).Header.Get("Cache-Status"); !strings.HasPrefix(got, c.header) {
			t.Errorf("%s: Cache-Status: %s", name, got)
		}
		s := panel.Current()
		if v := decode(t, s).Meta.Version; v != c.version || s.Publisher != c.publisher {
			t.Errorf("%s: version %d by %q", name, v, s.Publisher)
		}
		if stats := panel.Stats(); stats.Role != snapshot.Leader || stats.Answers["memory"] != 1 || stats.Sections["a"].Collects != 1 {
			t.Errorf("%s: %+v", name, stats)
		}
	}
}

// A document over the cap is not published, and a stored one is not shown.
func TestPanelKeepsToTheCap(t *testing.T) {
	file := filepath.Join(t.TempDir(), "panel.json")
	free := openPanel(t, snapshot.Options{File: file})
	if err := errors.Join(free.Refresh(t.Context()), free.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	capped := openPanel(t, snapshot.Options{File: file, MaxBytes: 500})
	if err := capped.Refresh(t.Context()); !errors.Is(err, snapshot.ErrTooLarge) {
		t.Errorf("Refresh() = %v", err)
	}
	if stats := capped.Stats(); capped.Current() != nil || stats.Refused != 1 || stats.Error == "" || stats.Tiers[0].Corrupt != 1 {
		t.Errorf("%+v", stats)
	}
}

// A process without sections shows what is stored: by another process, and of its version.
func TestPanelWithoutSectionsShowsWhatIsStored(t *testing.T) {
	file := filepath.Join(t.TempDir(), "panel.json")
	collects := openPanel(t, snapshot.Options{File: file, Version: 2})
	if err := errors.Join(collects.Refresh(t.Context()), collects.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[int]bool{2: true, 3: false} {
		shows, err := snapshot.Open(t.Context(), snapshot.Options{File: file, Version: version})
		if err != nil {
			t.Fatal(err)
		}
		if got := shows.Current() != nil; got != want {
			t.Errorf("version %d is shown: %v", version, got)
		}
		if shows.Run(t.Context()) == nil || shows.Refresh(t.Context()) == nil {
			t.Error("it collects nothing, and says that it does")
		}
	}
}

// Links are passed once: what one process publishes, the other one shows, and its nudges reach the leader.
func TestPanelsShareADocument(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hub := snapshottest.NewHub("redis")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		start := func(name string) *snapshot.Panel {
			panel := openPanel(t, snapshot.Options{Links: []link.Link{hub.Link(name)}, Process: name})
			go func() { ended <- panel.Run(ctx) }()
			pass(snapshotInterval)
			return panel
		}
		one, two := start("one"), start("two")
		if one.Current().Revision != two.Current().Revision || two.Current().Publisher != "one" {
			t.Errorf("one shows %d, two %d by %s", one.Current().Revision, two.Current().Revision, two.Current().Publisher)
		}
		if stats := two.Stats(); stats.Role != snapshot.Follower || stats.Leader != "one" || !stats.Links[0].Subscribed || !stats.Links[0].Up {
			t.Errorf("%+v", stats)
		}
		before := one.Stats().Sections["a"].Collects
		two.Nudge("a")
		pass(snapshotInterval / 5)
		if got := one.Stats().Sections["a"].Collects; got != before+1 {
			t.Errorf("%d collections, %d before the nudge", got, before)
		}
		stop()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
	})
}

// snapshotInterval is the usual one.
const snapshotInterval = 5 * time.Second
