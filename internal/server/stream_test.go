package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/snapshot"
)

// events opens the stream and sends the name and data of each event until it ends.
func (f *fixture) events(client *http.Client, token string) <-chan [2]string {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", f.url+"/api/admin/stream", nil)
	must(f.t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(r)
	must(f.t, err)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		f.t.Fatalf("stream: %d %v", resp.StatusCode, resp.Header)
	}
	out := make(chan [2]string, 100)
	go func() {
		defer close(out)
		defer resp.Body.Close()
		name := ""
		for lines := bufio.NewReader(resp.Body); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if text, ok := strings.CutPrefix(line, "event: "); ok {
				name = strings.TrimSpace(text)
			}
			if text, ok := strings.CutPrefix(line, "data: "); ok {
				out <- [2]string{name, strings.TrimSpace(text)}
			}
		}
	}()
	return out
}

// await returns the data of the next event of that name, within 20 s.
func await(t *testing.T, events <-chan [2]string, name string) string {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatalf("the stream ended before an event %q", name)
			}
			if e[0] == name {
				return e[1]
			}
		case <-deadline:
			t.Fatalf("no event %q within 20 s", name)
		}
	}
}

func TestStreamSendsTheDocumentAndItsChanges(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		events := f.events(http.DefaultClient, f.token(auth.RoleViewer))
		if data := await(t, events, "snapshot"); !strings.Contains(data, `"status":"one"`) {
			t.Errorf("snapshot: %.200s", data)
		}
		f.publish("two")
		if data := await(t, events, "patch"); !strings.Contains(data, `"status":"two"`) {
			t.Errorf("patch: %s", data)
		}
	})
}

// agedDocument is what a client needs to know how old its data is: the sections each, and the server as a whole, which collects
// as long as the documents' own time goes on.
type agedDocument struct {
	Timestamp time.Time `json:"timestamp"`
	Meta      struct {
		AsOf     time.Time `json:"as_of"`
		Stale    bool      `json:"stale"`
		FreshMS  int64     `json:"fresh_ms"`
		Sections map[string]struct {
			AsOf    time.Time `json:"as_of"`
			Error   *string   `json:"error"`
			Overdue bool      `json:"overdue"`
		} `json:"sections"`
	} `json:"meta"`
}

// One section that fails for 90 s is 90 s old. The six others are not, and the server is not silent: neither for who comes now nor for
// who has been there.
func TestStreamReportsTheAgeOfEachSection(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		const names, age = "system workers queue jobs agents analytics logs", 90 * time.Second
		since := time.Now().Add(-age)
		f := newFixture(t, d, func(f *fixture, o *Options) {
			var sections []snapshot.Section
			calls := 0
			for _, name := range strings.Fields(names) {
				source := f.collect
				if name == "queue" {
					source = func(context.Context) (any, error) {
						if calls++; calls > 1 {
							return nil, errors.New("no answer")
						}
						return snapshot.Aged{Value: map[string]int{"pending": 1}, AsOf: since}, nil
					}
				}
				sections = append(sections, snapshot.Section{Name: name, Collect: source})
			}
			var err error
			f.panel, err = snapshot.Open(t.Context(), snapshot.Options{Name: "agentos", Sections: sections, Beat: 20 * time.Millisecond})
			must(t, err)
			must(t, f.panel.Refresh(t.Context()))
			o.Panel = f.panel
		})
		f.publish("failing") // for 90 s the queue has given nothing newer
		token := f.token(auth.RoleViewer)
		began := time.Now().Truncate(time.Millisecond)
		judge := func(where string, doc agedDocument) {
			t.Helper()
			now := time.Now()
			if silent := now.Sub(doc.Timestamp); silent > time.Duration(doc.Meta.FreshMS)*time.Millisecond || silent > now.Sub(began)+time.Second {
				t.Errorf("%s: the server seems to have collected nothing for %v", where, silent)
			}
			if !doc.Meta.Stale || doc.Meta.AsOf.Sub(since).Abs() > time.Second {
				t.Errorf("%s: the document is as of %v, stale %v; want what is oldest in it, of %v", where, doc.Meta.AsOf, doc.Meta.Stale, since)
			}
			for _, name := range strings.Fields(names) {
				m := doc.Meta.Sections[name]
				switch old := m.AsOf.Sub(since).Abs() <= time.Second; {
				case name == "queue" && (!old || !m.Overdue || m.Error == nil || *m.Error != "no answer"):
					t.Errorf("%s: the section that fails: %+v", where, m)
				case name != "queue" && (m.Overdue || m.Error != nil || doc.Timestamp.Sub(m.AsOf) > time.Second):
					t.Errorf("%s: %s, which does not fail: %+v at %v", where, name, m, doc.Timestamp)
				}
			}
		}
		events := f.events(http.DefaultClient, token)
		var doc map[string]any
		must(t, json.Unmarshal([]byte(await(t, events, "snapshot")), &doc))
		judge("who comes now", agedOf(t, doc))
		for i := range 2 {
			before := agedOf(t, doc).Timestamp
			for !time.Now().Truncate(time.Millisecond).After(before) { // which is in milliseconds
				runtime.Gosched()
			}
			f.publish(fmt.Sprint("failing ", i))
			var change struct {
				Patch map[string]any `json:"patch"`
			}
			must(t, json.Unmarshal([]byte(await(t, events, "patch")), &change))
			merge(doc, change.Patch)
			judge("who has been there", agedOf(t, doc))
			if at := agedOf(t, doc).Timestamp; !at.After(before) {
				t.Errorf("the documents' time stands at %v", at)
			}
		}
		var beat struct{ Now time.Time }
		must(t, json.Unmarshal([]byte(await(t, events, "beat")), &beat))
		if off := time.Since(beat.Now); off.Abs() > 5*time.Second {
			t.Errorf("a beat's time is off by %v", off)
		}
		r := f.as(token, "GET", "/api/admin/ssot", "")
		var asked agedDocument
		r.json(t, &asked)
		judge("who asks once", asked)
		if got := r.header.Get("Age"); got != "90" && got != "91" && got != "92" && got != "93" {
			t.Errorf("Age: %s, want that of the oldest section", got)
		}
	})
}

// agedOf reads what a client has.
func agedOf(t *testing.T, doc map[string]any) (aged agedDocument) {
	t.Helper()
	text, err := json.Marshal(doc)
	must(t, err)
	must(t, json.Unmarshal(text, &aged))
	return aged
}

// merge applies a merge patch (RFC 7396).
func merge(doc, patch map[string]any) {
	for key, value := range patch {
		change, isObject := value.(map[string]any)
		held, wasObject := doc[key].(map[string]any)
		switch {
		case value == nil:
			delete(doc, key)
		case isObject && wasObject:
			merge(held, change)
		default:
			doc[key] = value
		}
	}
}

func TestStreamEndsWithItsCredential(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.user("ada", auth.RoleViewer)
		f.user("root", auth.RoleAdmin)
		browser := f.browser()
		for name, end := range map[string]func() error{
			"log-out": func() error {
				f.post(browser, "/logout", "", nil)
				return nil
			},
			"password": func() error { return f.auth.SetPassword(t.Context(), "ada", password) },
			"role":     func() error { return f.auth.SetRole(t.Context(), "ada", auth.RoleOperator) },
			"from another process": func() error {
				other, err := auth.Open(t.Context(), f.db.DB, auth.Options{HashMemoryKiB: 64})
				if err != nil {
					return err
				}
				return other.SetPassword(t.Context(), "ada", password)
			},
		} {
			t.Run(name, func(t *testing.T) {
				f.login(browser, "ada")
				events := f.events(browser, "")
				await(t, events, "snapshot")
				must(t, end())
				if data := await(t, events, "end"); data != `{"reason":"session"}` {
					t.Errorf("end: %s", data)
				}
				if _, open := <-events; open {
					t.Error("the connection is still open")
				}
			})
		}
	})
}

func TestStreamEndsWhenATokenIsRevoked(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token, secret, err := f.auth.CreateToken(t.Context(), auth.TokenParams{Name: "wall", Role: auth.RoleViewer})
		must(t, err)
		events := f.events(http.DefaultClient, secret)
		await(t, events, "snapshot")
		must(t, f.auth.RevokeToken(t.Context(), token.ID))
		await(t, events, "end")
	})
}

// One credential cannot use up what all share: streams, and logs that are followed.
func TestStreamsOfOneCredentialAreBounded(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d, func(_ *fixture, opts *Options) { opts.MaxStreams = 3 })
		greedy, other := f.token(auth.RoleViewer), f.token(auth.RoleOperator)
		ctx, leave := context.WithCancel(context.Background())
		defer leave()
		for range 3 {
			r, err := http.NewRequestWithContext(ctx, "GET", f.url+"/api/admin/stream", nil)
			must(t, err)
			r.Header.Set("Authorization", "Bearer "+greedy)
			resp, err := http.DefaultClient.Do(r)
			must(t, err)
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("a stream within the bound: %d", resp.StatusCode)
			}
		}
		for _, path := range []string{"/api/admin/stream", "/api/runs/1/logs?wait=5"} {
			r := f.as(greedy, "GET", path, "")
			if p := r.problem(t); r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") == "" || !strings.Contains(p.Detail, "max_streams") {
				t.Errorf("%s beyond the bound: %d %v %s", path, r.status, r.header, r.body)
			}
		}
		if r := f.as(greedy, "GET", "/api/admin/ssot", ""); r.status != http.StatusOK {
			t.Errorf("the document: %d", r.status)
		}
		await(t, f.events(http.DefaultClient, other), "snapshot")
		leave()
		within(t, "a stream that ended makes room", func() bool {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, "GET", f.url+"/api/admin/stream", nil)
			must(t, err)
			r.Header.Set("Authorization", "Bearer "+greedy)
			resp, err := http.DefaultClient.Do(r)
			must(t, err)
			defer resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
	})
}

// within asks again until ok, for as long as a loaded machine may take.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(what)
		}
	}
}
