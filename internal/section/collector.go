package section

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/redact"
)

// Options of a Collector.
type Options struct {
	Database   string                           // URL of the product's own database; empty: sections cannot read it
	NoCommands bool                             // sections that run commands are refused
	LookupEnv  func(name string) (string, bool) // nil: os.LookupEnv
	Redact     *redact.Rules                    // nil: those always in force
}

// Collector collects sections. It may be called from several goroutines.
type Collector struct {
	options Options
	client  *http.Client
	life    context.Context // ended by Close
	end     context.CancelCauseFunc

	mu        sync.Mutex
	closed    bool
	databases map[string]*db.DB // by URL
	under     sync.WaitGroup    // collections under way
}

var errClosed = errors.New("the server is stopping")

// NewCollector returns a collector, which opens nothing yet. The caller closes it.
func NewCollector(o Options) *Collector {
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	c := &Collector{options: o, databases: map[string]*db.DB{}, client: newClient()}
	c.life, c.end = context.WithCancelCause(context.Background())
	return c
}

// Collect collects a section once, within its timeout. The error is one sentence that says what to do, without secrets.
func (c *Collector) Collect(ctx context.Context, s Spec) (Value, error) {
	if !c.begin() {
		return Value{}, errClosed
	}
	late := fmt.Errorf("no answer within %s: ask for less, or raise timeout (at most %s)", s.Timeout, MaxTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout, late)
	stop := context.AfterFunc(c.life, cancel)
	v := &visit{c: c, spec: &s}
	done := make(chan answer, 1)
	go func() { // ends soon after ctx; Close waits for it
		defer c.under.Done()
		defer cancel()
		defer stop()
		var a answer
		a.value, a.err = v.collect(ctx)
		done <- a
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done(): // not every driver comes back at once
	}
	select {
	case a := <-done: // ctx ended because it came back
		return a.value, a.err
	default:
		return Value{}, c.cause(ctx)
	}
}

type answer struct {
	value Value
	err   error
}

// cause says why a context ended.
func (c *Collector) cause(ctx context.Context) error {
	if c.life.Err() != nil {
		return errClosed
	}
	return context.Cause(ctx)
}

func (c *Collector) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.under.Add(1)
	}
	return !c.closed
}

// Close ends what is under way, and closes the connections.
func (c *Collector) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end(errClosed)
	c.under.Wait()
	c.client.CloseIdleConnections()
	var err error
	for _, database := range c.databases {
		err = errors.Join(err, database.Close())
	}
	return err
}

// visit is one collection of one section.
type visit struct {
	c       *Collector
	spec    *Spec
	secrets []string // that were read on the way
}

func (v *visit) collect(ctx context.Context) (Value, error) {
	raw, err := v.read(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return Value{}, v.c.cause(ctx)
	case err != nil:
		return Value{}, v.explain(err)
	}
	value, err := v.shape(raw)
	if err != nil {
		return Value{}, v.explain(err)
	}
	return value, nil
}

func (v *visit) read(ctx context.Context) (any, error) {
	switch s := v.spec; {
	case s.SQL != nil:
		return v.sql(ctx, s.SQL)
	case s.HTTP != nil:
		return v.http(ctx, s.HTTP)
	case s.Command != nil:
		return v.command(ctx, s.Command)
	case s.Prometheus != nil:
		return v.prometheus(ctx, s.Prometheus)
	}
	return nil, errors.New("the section does not say where it comes from")
}

const maxSecret = 16 << 10

// secret reads a header's value, or a database's address.
func (v *visit) secret(s Secret) (string, error) {
	switch {
	case s.Env != "":
		value, ok := v.c.options.LookupEnv(s.Env)
		if !ok || value == "" {
			return "", fmt.Errorf("the variable %s is not set: set it where agentos runs", s.Env)
		}
		v.secrets = append(v.secrets, value)
		return value, nil
	case s.File != "":
		data, err := readSmall(s.File, maxSecret)
		if err != nil {
			return "", fmt.Errorf("read the secret: %w", err)
		}
		value := strings.TrimSpace(string(data))
		if value == "" {
			return "", fmt.Errorf("the file %s is empty: write the secret there", s.File)
		}
		v.secrets = append(v.secrets, value)
		return value, nil
	}
	return s.Text, nil
}

// explain makes one sentence of an error.
func (v *visit) explain(err error) error {
	const most = 400
	text, _ := clip(oneLine(v.clean(err.Error())), most)
	return errors.New(text)
}

// seconds since 1970.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
