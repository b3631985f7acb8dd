package snapshot_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
)

// A value that was read from a replica is as old as the replica's data, however recently it was read.
func TestASectionIsAsOldAsItsData(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var lag time.Duration
		s := snapshot.Section{Name: "a", Collect: func(context.Context) (any, error) {
			return snapshot.Aged{Value: obj{"n": 1}, AsOf: time.Now().Add(-lag)}, nil
		}}
		other, _ := section("b")
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, s, other)
		handler := snapshot.NewHandler(cache, "agentos")
		refresh := func() *snapshot.Snapshot {
			t.Helper()
			if err := warmer.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			return cache.Current()
		}
		age := func() string {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			return w.Header().Get("Age")
		}
		if d := refresh(); d.Stale || age() != "0" || !d.Sections["a"].AsOf.Equal(start) {
			t.Errorf("in time: %+v, Age %s", d.Sections, age())
		}
		lag = 3 * time.Second // no more than two documents are apart
		if d := refresh(); d.Stale || age() != "0" || !d.Sections["a"].AsOf.Equal(start.Add(-lag)) {
			t.Errorf("somewhat behind: %+v, Age %s", d.Sections, age())
		}
		lag = time.Minute
		d := refresh()
		if m := d.Sections["a"]; !d.Stale || !m.Overdue || m.Error != "" || !m.AsOf.Equal(start.Add(-lag)) || !d.AsOf.Equal(start.Add(-lag)) || age() != "60" {
			t.Errorf("a minute behind: %+v, as of %v, Age %s", d.Sections, d.AsOf, age())
		}
		if d.Sections["b"].Overdue {
			t.Error("the other section is said to be overdue too")
		}
		lag = -time.Minute // by a clock that is wrong
		if d := refresh(); d.Stale || !d.Sections["a"].AsOf.Equal(start) {
			t.Errorf("ahead: %+v", d.Sections)
		}
	})
}
