package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/test/servers"
)

// A worker that is cut off kills its attempts. It may do so only because somebody says that the database answers, or because it reaches
// nobody: what a document does not say, or says in a form that is not known here, is no reason.
func TestOnlyADatabaseThatAnswersOthersCutsAWorkerOff(t *testing.T) {
	const fresh = 15 * time.Second
	redis := servers.StartRedis(t)
	database := func(status document.ComponentStatus) any {
		return document.System{Components: map[string]document.Component{"database": {Status: status}}}
	}
	for _, c := range []struct {
		name   string
		system any // an error: it was never collected; nil: there is no document
		fleet  string
		want   bool
	}{
		{"it answers", database(document.ComponentOK), "ours", true},
		{"it answers, but takes no writes", database(document.ComponentDegraded), "ours", true},
		{"it is down", database(document.ComponentDown), "ours", false},
		{"it is in a state that is not known here", database("resting"), "ours", false},
		{"nothing is said of it", document.System{}, "ours", false},
		{"it is said at another path", map[string]any{"parts": map[string]any{"database": map[string]any{"status": "down"}}}, "ours", false},
		{"the document is of another version", map[string]any{"status": 1, "components": map[string]any{"database": map[string]any{"status": "ok"}}}, "ours", false},
		{"the section was never collected", errors.New("no answer"), "ours", false},
		{"that of another fleet answers", database(document.ComponentOK), "theirs", false},
		{"nobody has published yet", nil, "ours", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ours := func() string { return "ours" }
			links, err := openLinks(t.Context(), &config.Config{Redis: redis.URL(), RedisPrefix: c.name + ":"}, ours)
			if err != nil {
				t.Fatal(err)
			}
			defer links.close()
			if c.system != nil {
				publishSystem(t, redis.URL(), c.name+":", c.fleet, c.system)
			}
			if got := links.cutOff(fresh, ours)(t.Context()); got != c.want {
				t.Errorf("cut off: %v, want %v", got, c.want)
			}
		})
	}
	t.Run("nobody is reached", func(t *testing.T) {
		links, err := openLinks(t.Context(), &config.Config{Redis: redis.URL()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer links.close()
		redis.Stop()
		if !links.cutOff(fresh, func() string { return "" })(t.Context()) {
			t.Error("a worker that reaches neither the database nor Redis is not cut off")
		}
	})
}

// publishSystem does what a server does that has collected the section system, as far as it could.
func publishSystem(t *testing.T, url, prefix, fleet string, value any) {
	t.Helper()
	of := func() string { return fleet }
	links, err := openLinks(t.Context(), &config.Config{Redis: url, RedisPrefix: prefix}, of)
	if err != nil {
		t.Fatal(err)
	}
	defer links.close()
	panel, err := snapshot.Open(t.Context(), snapshot.Options{Links: links[:1], Fleet: of, Version: documentVersion, Sections: []snapshot.Section{
		{Name: "system", Path: "dashboard.system", Collect: func(context.Context) (any, error) {
			err, failed := value.(error)
			if failed {
				return nil, err
			}
			return value, nil
		}},
		{Name: "queue", Path: "dashboard.queue", Collect: func(context.Context) (any, error) { return document.Queue{}, nil }},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- panel.Run(ctx) }()
	for range panel.Watch(ctx) { // it leads, and has published
		break
	}
	stop()
	if err := errors.Join(<-ended, panel.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
}
