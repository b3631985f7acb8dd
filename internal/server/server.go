// Package server answers HTTP: the dashboard's document and stream, the JSON API, the pages, and the probes.
//
// routes.go shows every route with the role it asks for. Everything is closed unless the table says open.
package server

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/server/site"
	"github.com/agentos/agentos/snapshot"
)

// Options say what is served. Fields without "nil:" are required.
type Options struct {
	Panel  *snapshot.Panel
	Auth   *auth.Service
	Jobs   Jobs
	Agents func() AgentsState // the fleet as loaded last
	UI     fs.FS              // the built dashboard: index.html, login.html, assets/

	Actions Actions // nil: jobs and queues can only be looked at
	Fleet   Fleet   // nil: the agents are another program's: nothing is enqueued, and agents cannot be paused

	Redact     *redact.Rules // what is a secret in an agent's command and arguments; nil: what always is
	MaxStreams int           // streams and followed logs of one credential at a time; zero: 100

	OnEvent func(engine.Event) // is called for each action that was taken; nil: nobody is
	Log     *slog.Logger       // nil: discard
	Version string             // of this binary, shown in the page

	// BasePath is where a proxy shows this server, such as /ops/agentos; empty: at the root.
	BasePath string

	TLS     bool                        // browsers come over HTTPS: Secure cookies, and Strict-Transport-Security
	Ready   func(context.Context) error // the database's state, for /readyz; honours the context; nil: it is always fine
	Metrics http.Handler                // nil: /metrics is not found
}

// Jobs reads the jobs.
type Jobs interface {
	List(ctx context.Context, f engine.Filter) (engine.Page, error)
	Get(ctx context.Context, id engine.ID) (engine.Detail, error)
	Args(ctx context.Context, id engine.ID) (engine.Text, error)
	Runs(ctx context.Context, id engine.ID, cursor engine.Cursor, limit int) (engine.RunPage, error)
	Errors(ctx context.Context, id engine.ID, before int64, limit int) (engine.ErrorPage, error)
	Result(ctx context.Context, run engine.ID) (engine.Text, error)
	RunLogs(ctx context.Context, run engine.ID, after int64, limit int) (lines []engine.LogLine, done bool, err error)
	WaitRunLogs(ctx context.Context, run engine.ID, after int64, limit int) (lines []engine.LogLine, done bool, err error)
	Queues(ctx context.Context) ([]engine.Queue, error)
	Workers(ctx context.Context) ([]engine.Worker, error)
	Agents(ctx context.Context) (map[string]*engine.AgentStats, error)
	DescribeAgents(ctx context.Context, stats map[string]*engine.AgentStats) error
	PausedQueues(ctx context.Context) (map[string]*engine.Time, error)
	NextRun(agent string) *time.Time
}

// Actions changes jobs and queues.
type Actions interface {
	Retry(ctx context.Context, id engine.ID) (engine.Job, error)
	Cancel(ctx context.Context, id engine.ID) (engine.Job, error)
	Delete(ctx context.Context, id engine.ID) error
	PauseQueue(ctx context.Context, name string) error
	ResumeQueue(ctx context.Context, name string) error
}

// Fleet gives agents work.
type Fleet interface {
	Enqueue(ctx context.Context, p engine.EnqueueParams) (engine.Job, error)
	PauseAgent(ctx context.Context, name string) error
	ResumeAgent(ctx context.Context, name string) error
}

// AgentsState is the fleet and how its file was read last.
type AgentsState struct {
	Fleet    *agent.Fleet
	LoadedAt time.Time
	Problems []string // what is wrong with the file on disk; the fleet shown is then the last good one
	Notes    []string // likely mistakes in the file in force
}

type server struct {
	Options
	log    *slog.Logger
	mux    *http.ServeMux
	table  []route
	api    *api
	site   *site.Site
	origin *http.CrossOriginProtection

	large chan struct{} // holds one for each answer of largeAtOnce that is being made

	document   http.Handler
	dependency dependency
}

// New makes the handler of everything. It reads the built dashboard and describes the API, which takes a few
// milliseconds.
func New(opts Options) (http.Handler, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	s := newServer(opts)
	var err error
	if s.site, err = site.Load(opts.UI, opts.BasePath); err != nil {
		return nil, err
	}
	s.mount()
	return s, nil
}

func newServer(opts Options) *server {
	if opts.OnEvent == nil {
		opts.OnEvent = func(engine.Event) {}
	}
	if opts.MaxStreams == 0 {
		opts.MaxStreams = 100
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &server{
		Options: opts,
		large:   make(chan struct{}, largeAtOnce),
		log:     opts.Log,
		mux:     http.NewServeMux(),
		api:     newAPI(),
		origin:  http.NewCrossOriginProtection(),

		dependency: dependency{ask: opts.Ready},
	}
}

func (o *Options) check() error {
	for name, missing := range map[string]bool{
		"Panel": o.Panel == nil, "Auth": o.Auth == nil, "Jobs": o.Jobs == nil,
		"Agents": o.Agents == nil, "UI": o.UI == nil,
	} {
		if missing {
			return fmt.Errorf("new server: Options.%s is missing", name)
		}
	}
	return nil
}

// ServeHTTP sends requests for the document straight to its handler: finding it in the mux would cost as much as all the
// rest. So would headers beyond those the document's handler sets: net/http keeps up to eight in a small map.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawPath != "" && disguised(r.URL.RawPath) {
		s.setSecurityHeaders(w.Header())
		s.wrap(s.disguisedPath).ServeHTTP(w, r)
		return
	}
	if strings.TrimPrefix(r.URL.Path, s.BasePath) == documentPath && r.URL.RawPath == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		s.document.ServeHTTP(w, r)
		return
	}
	s.setSecurityHeaders(w.Header())
	if s.BasePath != "" {
		inside, outside := s.rooted(r)
		if outside {
			http.Redirect(w, r, s.under("/"), http.StatusPermanentRedirect)
			return
		}
		r = inside
	}
	s.mux.ServeHTTP(w, r)
}

// The values are shared by all answers and never changed, so that setting them allocates nothing.
var (
	nosniff         = []string{"nosniff"}
	sameOrigin      = []string{"same-origin"}
	noReferrer      = []string{"no-referrer"}
	strictTransport = []string{"max-age=31536000"}
	noStore         = []string{"no-store"}
)

// setSecurityHeaders sets what every answer has; pages have more (setPageHeaders).
func (s *server) setSecurityHeaders(h http.Header) {
	h["X-Content-Type-Options"] = nosniff
	h["Cross-Origin-Resource-Policy"] = sameOrigin
	if s.TLS {
		h["Strict-Transport-Security"] = strictTransport
	}
}

// setPageHeaders is for what a browser shows as a page.
func (s *server) setPageHeaders(h http.Header) {
	h["Content-Security-Policy"] = s.site.Policy
	h["Referrer-Policy"] = noReferrer
	h["Cross-Origin-Opener-Policy"] = sameOrigin
	h["Cache-Control"] = noStore
}
