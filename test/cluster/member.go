package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/agentos/agentos/test/api"
	"github.com/agentos/agentos/test/servers"
)

// Member is a server or a worker of the cluster.
type Member struct {
	Name     string // "server-1"
	Role     string // "server" or "worker"
	Addr     string // of a server: "127.0.0.1:12345"
	Data     string // its data folder
	Postgres *servers.Proxy
	Redis    *servers.Proxy // nil without Redis

	cluster *Cluster
	process servers.Process
	port    *servers.Port // of a server
	away    atomic.Bool   // no answer is expected of it
	cold    atomic.Bool   // it has nothing to show yet
	ends    atomic.Int64  // how often it was made to end
	checked int64         // bytes of its log that Check has read
}

// URL is the address of a server's dashboard.
func (m *Member) URL() string { return "http://" + m.Addr }

// Log is the file of its log.
func (m *Member) Log() string { return m.process.Log }

// Start starts it again. It does nothing while it runs.
func (m *Member) Start() error {
	err := m.process.Start()
	if err == nil {
		m.away.Store(false)
	}
	return err
}

// Stop asks it to end and waits.
func (m *Member) Stop() {
	m.leave()
	m.process.Stop()
}

// Kill ends it with SIGKILL.
func (m *Member) Kill() {
	m.leave()
	m.process.Kill()
}

// leave notes that the process is about to end, and that this is expected.
func (m *Member) leave() {
	m.away.Store(true)
	if m.process.Alive() {
		m.ends.Add(1)
	}
}

// Pause freezes it; what it has started runs on.
func (m *Member) Pause() {
	m.away.Store(true)
	m.process.Pause()
}

// Resume ends a pause.
func (m *Member) Resume() {
	m.process.Resume()
	m.away.Store(false)
}

// Forget empties the data folder of a member that does not run: it has nothing to show until it finds something.
func (m *Member) Forget() error {
	m.HasNothing()
	return os.RemoveAll(m.Data)
}

// HasNothing notes that a member that does not run has nothing to show when it starts: its first answers may be 503.
func (m *Member) HasNothing() { m.cold.Store(true) }

// Away says whether it was stopped, killed or paused, so that no answer is expected.
func (m *Member) Away() bool { return m.away.Load() }

// Alive says whether the process runs.
func (m *Member) Alive() bool { return m.process.Alive() }

// PID is the id of its process.
func (m *Member) PID() int {
	pid, _ := m.process.PID()
	return pid
}

// Check is an error when the process has ended without being made to, or has crashed, since the last call.
func (m *Member) Check() error {
	alive := m.Alive()
	_, starts := m.process.PID()
	expected := int64(starts)
	if alive {
		expected--
	}
	if m.ends.Load() < expected {
		m.ends.Store(expected)
		return fmt.Errorf("%s has ended by itself: its log ends with\n%s", m.Name, m.lastWords())
	}
	file, err := os.Open(m.Log())
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(m.checked, io.SeekStart); err != nil {
		return err
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	m.checked += int64(len(text))
	for _, sign := range []string{"\npanic:", "\nfatal error:", "DATA RACE", "\ngoroutine 1 ["} {
		if _, rest, found := strings.Cut(string(text), sign); found {
			return fmt.Errorf("%s has crashed: its log has %q%.3000s", m.Name, sign, rest)
		}
	}
	return nil
}

// lastWords is the end of its log.
func (m *Member) lastWords() string {
	text, _ := os.ReadFile(m.Log())
	return string(text[max(0, len(text)-2000):])
}

// eachWay does something to both of its proxies.
func (m *Member) eachWay(do func(*servers.Proxy) error) error {
	var errs []error
	for _, way := range []*servers.Proxy{m.Postgres, m.Redis} {
		if way != nil {
			errs = append(errs, do(way))
		}
	}
	return errors.Join(errs...)
}

// lives is an error until the server answers at all.
func (m *Member) lives(ctx context.Context) error {
	_, err := m.get(ctx, "/livez")
	return err
}

// Document is what the server shows.
func (m *Member) Document(ctx context.Context) (*Document, error) {
	text, err := m.get(ctx, documentPath)
	if err != nil {
		return nil, err
	}
	return parseDocument(text)
}

// Metrics are the server's metrics, by name with labels as they are written, such as `agentos_link_up{link="redis"}`.
func (m *Member) Metrics(ctx context.Context) (map[string]float64, error) {
	text, err := m.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	return api.Metrics(text), nil
}

func (m *Member) get(ctx context.Context, path string) ([]byte, error) {
	var text json.RawMessage
	return text, m.Call(ctx, "GET", path, nil, &text)
}

// Call asks the server as an admin; in and out may be nil, and an out of *json.RawMessage gets the body as it is.
func (m *Member) Call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return m.api().Call(ctx, method, path, in, out)
}

// Request is a request to the server as an admin.
func (m *Member) Request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	return m.api().Request(ctx, method, path, body)
}

func (m *Member) api() api.Server {
	return api.Server{URL: m.URL(), Token: m.cluster.Token, Client: http.DefaultClient}
}
