package server

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
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

// await returns the data of the next event of that name, within 2 s.
func await(t *testing.T, events <-chan [2]string, name string) string {
	t.Helper()
	deadline := time.After(2 * time.Second)
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
			t.Fatalf("no event %q within 2 s", name)
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
