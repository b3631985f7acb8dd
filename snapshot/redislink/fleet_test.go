package redislink_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/redislink"
	"github.com/agentos/agentos/test/servers"
)

// member is a process that shows the document of a fleet through Redis.
type member struct {
	panel *snapshot.Panel
	conn  *redislink.Link
}

// join starts a member; stop ends it in order.
func join(t *testing.T, url, fleet, name, key string) (m *member, stop func()) {
	t.Helper()
	of := func() string { return fleet }
	conn, err := redislink.Open(t.Context(), url, redislink.Options{Holder: name, Fleet: of, Key: key, TTL: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	panel, err := snapshot.Open(t.Context(), snapshot.Options{
		Sections: []snapshot.Section{{Name: "a", Collect: func(context.Context) (any, error) { return map[string]string{"of": fleet}, nil }}},
		Links:    []link.Link{conn}, Process: name, Interval: 200 * time.Millisecond, Fleet: of,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- panel.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		conn.Close()
	}
	t.Cleanup(stop)
	return &member{panel, conn}, stop
}

func (m *member) shows(fleet string) error {
	snap := m.panel.Current()
	if snap == nil {
		return errors.New("it shows nothing")
	}
	if !strings.Contains(string(snap.JSON), `"of":"`+fleet+`"`) {
		return errors.New("it shows " + string(snap.JSON))
	}
	return nil
}

// trouble is what the only link of a member is said to lack.
func (m *member) trouble() string {
	links := m.panel.Stats().Links
	return links[0].Error
}

// TestFleetsKeepApart: of two fleets on one Redis the second shows its own document, says why it shares none, and leaves the
// first one's alone. Once that is gone, it takes over.
func TestFleetsKeepApart(t *testing.T) {
	redis := servers.StartRedis(t)
	url := redis.URL()
	first, stop := join(t, url, "production", "host-a:1", "")
	stored := func(key, fleet string) error {
		got, err := redis.Do("GET", key)
		if err == nil && !strings.Contains(got, `"fleet":"`+fleet+`"`) {
			err = errors.New("Redis has " + got)
		}
		return err
	}
	eventually(t, recovery, "production leads", func() error { return errors.Join(stored(key, "production"), first.shows("production")) })
	second, _ := join(t, url, "staging", "host-b:2", "")
	eventually(t, recovery, "staging shows its own", func() error { return second.shows("staging") })
	eventually(t, recovery, "staging says why", func() error {
		if text := second.trouble(); !strings.Contains(text, "another fleet") || !strings.Contains(text, "host-a:1") {
			return errors.New("it says " + text)
		}
		return nil
	})
	if got := do(t, redis, "GET", key) + do(t, redis, "GET", lastGood) + do(t, redis, "HGET", lease, "holder"); strings.Contains(got, "staging") || strings.Contains(got, "host-b") {
		t.Errorf("staging has written to production's keys: %s", got)
	}
	if err := errors.Join(first.shows("production"), second.shows("staging")); err != nil {
		t.Error(err)
	}
	if _, err := second.conn.Load(t.Context()); !errors.Is(err, link.ErrForeign) {
		t.Errorf("load: %v", err)
	}
	if err := second.conn.Notify(t.Context(), nil); !errors.Is(err, link.ErrForeign) {
		t.Errorf("notify: %v", err)
	}
	apart, _ := join(t, url, "third", "host-c:3", "third:"+key)
	eventually(t, recovery, "a fleet with keys of its own shares them", func() error { return errors.Join(stored("third:"+key, "third"), apart.shows("third")) })
	stop()
	eventually(t, 4*recovery, "staging takes over what production left", func() error { return errors.Join(stored(key, "staging"), second.shows("staging")) })
}

// TestAMemberWithoutAFleetIsTolerated: a server of an older version names none, during an upgrade.
func TestAMemberWithoutAFleetIsTolerated(t *testing.T) {
	redis := servers.StartRedis(t)
	old, stop := join(t, redis.URL(), "", "host-a:1", "")
	eventually(t, recovery, "the old one leads", func() error { return old.shows("") })
	upgraded, _ := join(t, redis.URL(), "production", "host-b:2", "")
	eventually(t, recovery, "the new one shows the old one's document", func() error { return upgraded.shows("") })
	stop()
	eventually(t, recovery, "the new one leads", func() error { return upgraded.shows("production") })
}

// TestStoredDocumentsOfAnotherFleetAreRefused, wherever they come from: a data folder that was copied, say.
func TestStoredDocumentsOfAnotherFleetAreRefused(t *testing.T) {
	redis := servers.StartRedis(t)
	first, _ := join(t, redis.URL(), "production", "host-a:1", "")
	eventually(t, recovery, "production leads", func() error { return first.shows("production") })
	file := filepath.Join(t.TempDir(), "panel.json")
	if err := os.WriteFile(file, first.panel.Current().JSON, 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := snapshot.Open(t.Context(), snapshot.Options{File: file, Fleet: func() string { return "staging" }})
	if err != nil {
		t.Fatal(err)
	}
	if tier := other.Stats().Tiers[0]; tier.Corrupt != 1 || !strings.Contains(tier.Error, link.ErrForeign.Error()) {
		t.Errorf("a foreign document: %+v", tier)
	}
	if other.Current() != nil {
		t.Error("it is shown")
	}
}
