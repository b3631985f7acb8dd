package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/worker"
	"github.com/agentos/agentos/snapshot"
)

const password = "correct horse battery"

// fixture is a server on a real database, with accounts, jobs and a document.
type fixture struct {
	t       testing.TB
	db      *dbtest.Breakable
	auth    *auth.Service
	jobs    *worker.Service
	panel   *snapshot.Panel
	handler http.Handler
	url     string
	log     *lines
	stop    func() // ends the upkeep of accounts

	mu       sync.Mutex
	happened []engine.Event
	payload  string // what the document's only section holds
}

const fleetYAML = `
agents:
  hash:
    description: Hashes one file
    command: [sh, -c, "cat"]
    env: {SECRET_KEY: hunter2}
    args: {path: ., api_token: hunter2}
    schedule: "@every 20s"
  slow:
    command: [sh, -c, "sleep 60"]
  talk:
    command: [sh, -c, "echo hello >&2; cat"]
`

var builtUI = fstest.MapFS{
	"index.html": {Data: []byte(`<!doctype html><html lang="en"><head><script type="module" src="/assets/app-1.js"></script>` +
		`<style>body{}</style></head><body><div id="app"></div><!--agentos:boot--></body></html>`)},
	"login.html":         {Data: []byte(`<!doctype html><html lang="en"><form method="post"><div role="alert"><!--agentos:error--></div></form></html>`)},
	"assets/app-1.js":    {Data: bytes.Repeat([]byte("export const x = 1;\n"), 200)},
	"assets/app-1.js.gz": {Data: []byte("as packed by the build")},
	"assets/app-1.css":   {Data: []byte("body{}")},
	"favicon.svg":        {Data: []byte("<svg/>")},
}

func newFixture(t testing.TB, d *dbtest.Breakable, change ...func(*fixture, *Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, db: d, log: &lines{}, payload: "one"}
	ctx := t.Context()
	fleet, err := agent.Parse("agentos.yaml", t.TempDir(), []byte(fleetYAML))
	must(t, err)
	f.auth, err = auth.Open(ctx, f.db.DB, auth.Options{HashMemoryKiB: 64, RefreshEvery: 50 * time.Millisecond})
	must(t, err)
	f.jobs, err = worker.New(ctx, worker.Options{DB: f.db.DB, Fleet: fleet, DataDir: t.TempDir(), NoWork: true})
	must(t, err)
	f.panel, err = snapshot.Open(ctx, snapshot.Options{Name: "agentos", Sections: []snapshot.Section{{Name: "system", Path: "dashboard.system", Collect: f.collect}}})
	must(t, err)
	must(t, f.panel.Refresh(ctx))
	opts := Options{
		Panel: f.panel, Auth: f.auth, Jobs: f.jobs, Actions: f.jobs, Fleet: f.jobs,
		Agents:  func() AgentsState { return AgentsState{Fleet: fleet, LoadedAt: time.Now()} },
		UI:      builtUI,
		OnEvent: f.notify,
		Log:     slog.New(slog.NewTextHandler(f.log, nil)),
		Version: "test",
		Ready:   f.db.Ping,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "agentos_up 1\n") }),
	}
	for _, c := range change {
		c(f, &opts)
	}
	f.handler, err = New(opts)
	must(t, err)
	web := httptest.NewServer(f.handler)
	t.Cleanup(web.Close)
	f.url = web.URL

	running, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.auth.Run(running) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(f.stop)
	return f
}

// emptyPanel has nothing to show, ever.
func emptyPanel(t testing.TB) *snapshot.Panel {
	t.Helper()
	panel, err := snapshot.Open(t.Context(), snapshot.Options{})
	must(t, err)
	return panel
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) collect(context.Context) (any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return map[string]string{"status": f.payload}, nil
}

func (f *fixture) notify(e engine.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.happened = append(f.happened, e)
}

// publish makes a new document.
func (f *fixture) publish(payload string) {
	f.t.Helper()
	f.mu.Lock()
	f.payload = payload
	f.mu.Unlock()
	must(f.t, f.panel.Refresh(f.t.Context()))
}

// token makes an API token of the role.
func (f *fixture) token(role auth.Role) string {
	f.t.Helper()
	tokens, err := f.auth.ListTokens(f.t.Context())
	must(f.t, err)
	_, secret, err := f.auth.CreateToken(f.t.Context(), auth.TokenParams{Name: string(role) + "-" + strings.Repeat("x", len(tokens)+1), Role: role})
	must(f.t, err)
	return secret
}

func (f *fixture) user(name string, role auth.Role) {
	f.t.Helper()
	must(f.t, f.auth.CreateUser(f.t.Context(), name, password, role))
}

// reply is an answer read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) json(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), into); err != nil {
		t.Fatalf("answer %d %q: %v", r.status, r.body, err)
	}
}

func (r reply) problem(t testing.TB) Problem {
	t.Helper()
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("status %d with content type %q, want a problem", r.status, got)
	}
	var p Problem
	r.json(t, &p)
	if p.Status != r.status || p.Title == "" || p.Detail == "" || p.RequestID == "" || p.RequestID != r.header.Get("X-Request-Id") {
		t.Errorf("incomplete problem: %s", r.body)
	}
	return p
}

// as sends a request with a bearer token; an empty token means none.
func (f *fixture) as(token, method, path, body string, headers ...string) reply {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	must(f.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return f.do(&http.Client{CheckRedirect: stay, Timeout: time.Minute}, r) // an answer that does not end is a failure
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (f *fixture) do(client *http.Client, r *http.Request) reply {
	f.t.Helper()
	resp, err := client.Do(r)
	must(f.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(f.t, err)
	return reply{resp.StatusCode, resp.Header, string(text)}
}

// browser keeps cookies and does not follow redirects.
func (f *fixture) browser() *http.Client {
	f.t.Helper()
	jar, err := cookiejar.New(nil)
	must(f.t, err)
	return &http.Client{Jar: jar, CheckRedirect: stay}
}

func (f *fixture) get(client *http.Client, path string, headers ...string) reply {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), "GET", f.url+path, nil)
	must(f.t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return f.do(client, r)
}

// post sends a form as a browser on the given site does; an empty site means our own.
func (f *fixture) post(client *http.Client, path, site string, form url.Values) reply {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), "POST", f.url+path, strings.NewReader(form.Encode()))
	must(f.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if site != "" {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Origin", site)
	}
	return f.do(client, r)
}

func (f *fixture) login(client *http.Client, name string) reply {
	f.t.Helper()
	return f.post(client, "/login", "", url.Values{"name": {name}, "password": {password}})
}

// lines collects a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("New without parts: %v", err)
	}
}

func BenchmarkNew(b *testing.B) {
	f := newFixture(b, dbtest.NewBreakable(b, db.SQLite))
	opts := Options{
		Panel: f.panel, Auth: f.auth, Jobs: f.jobs, Actions: f.jobs, Fleet: f.jobs,
		Agents: func() AgentsState { return AgentsState{} }, UI: builtUI,
	}
	for b.Loop() {
		if _, err := New(opts); err != nil {
			b.Fatal(err)
		}
	}
}
