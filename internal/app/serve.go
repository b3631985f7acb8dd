// Package app is the wiring: what is made from what, in which order it starts, and in which it ends. Serve and Work read from top to bottom;
// commands beside a server open what they need through it.
package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/server"
	"github.com/agentos/agentos/internal/source"
	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/ui"
)

// Serve runs a fleet, or is attached to one, and serves its dashboard until ctx ends. It says on out where that is. This is the wiring of the whole:
// what is made from what, in which order it starts and in which it ends.
func Serve(ctx context.Context, cfg *config.Config, out, logTo io.Writer) (err error) {
	startedAt := time.Now()
	log := NewLogger(logTo, cfg)

	var keeper *fleetKeeper
	if cfg.Attach == "" {
		if keeper, err = loadFleet(cfg, log); err != nil {
			return err
		}
	}
	listener, err := listen(cfg)
	if err != nil {
		return err
	}
	defer listener.Close()
	database, err := prepareDatabase(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Close()) }()
	var accounts *auth.Service
	fleet := func() string {
		if accounts == nil {
			return ""
		}
		return accounts.Fleet()
	}
	links, err := openLinks(ctx, cfg, fleet)
	if err != nil {
		return err
	}
	defer links.close()
	accounts, err = auth.Open(ctx, database.DB, auth.Options{Log: log, File: credentialsFile(cfg)})
	if err != nil {
		return err
	}

	// What happens to the jobs nudges the panel, whose sections read the jobs.
	var panel *snapshot.Panel
	notify := func(e engine.Event) { panel.Nudge(source.Touched(e)...) }
	var backend *jobsBackend
	lead := func() bool { return panel.Stats().Role != snapshot.Follower }
	switch {
	case keeper != nil:
		backend, err = ownFleet(ctx, cfg, log, keeper, database, links.cutOff(freshFor(cfg), fleet), notify)
	case cfg.AttachRedis():
		backend, err = observedEngine(cfg, log, database, lead, notify)
	default:
		backend, err = attachedJobs(cfg, log, database, lead, notify)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.close()) }()
	var own *ownSections
	if keeper != nil {
		own = openSections(cfg, log, lead, func() *snapshot.Panel { return panel })
		defer func() { err = errors.Join(err, own.collector.Close()) }()
		if err := keeper.declare(own.use); err != nil {
			return err
		}
	}
	from := collectedFrom{cfg: cfg, log: log, links: links, database: database.DB, backend: backend, clock: newWallClock(log), startedAt: startedAt, own: own}
	sections := from.sections(func() *snapshot.Panel { return panel })
	if panel, err = openPanel(ctx, cfg, log, links, fleet, sections); err != nil {
		return err
	}
	connections := server.NewConnections(mostConnections(backend.attempts(), log), log)
	handler, err := server.New(server.Options{
		Panel: panel, Auth: accounts, Jobs: backend.jobs, Actions: backend.actions, Fleet: backend.fleet,
		Agents: func() server.AgentsState {
			f := backend.agents()
			return server.AgentsState{Fleet: f.Fleet, LoadedAt: f.LoadedAt, Problems: f.Problems, Notes: f.Notes}
		},
		UI: ui.Dist(), OnEvent: notify, Log: log, Redact: redact.New(cfg.Redact), Version: Version(), TLS: cfg.TLS(), MaxStreams: cfg.MaxStreams, BasePath: cfg.BasePath,
		Ready: database.Ping, Metrics: newMetrics(panel, database.DB, connections.Refused),
	})
	if err != nil {
		return err
	}

	// Everything below runs until stop, which comes after the drain: viewers see the fleet end its work.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { return panel.Run(running) })
	group.Go(func() error { from.clock.Run(running); return nil })
	if own != nil {
		group.Go(func() error { own.Run(running); return nil })
	}
	group.Go(func() error { return accounts.Run(running) })
	web := server.NewHTTP(handler, log)
	connections.Bound(web)
	group.Go(func() error {
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	fmt.Fprintf(out, "AgentOS %s: %s\n  dashboard  %s\n", Version(), backend.title, address(cfg, listener))
	group.Go(func() error {
		select {
		case <-database.done:
			return firstAdmin(running, out, cfg, accounts, log)
		case <-running.Done():
			return nil
		}
	})
	if err := backend.start(running, group); err != nil {
		stop()
		_ = web.Close() // else it serves on
		if cause := group.Wait(); cause != nil {
			return cause // something else has failed and ended the context of start
		}
		return err
	}

	select {
	case <-ctx.Done():
		log.Info("shutting down", "cause", context.Cause(ctx), "drain", cfg.Drain)
	case <-running.Done():
	}
	err = backend.drain()
	panel.EndStreams(snapshot.EndShutdown)
	ending, cancel := context.WithTimeoutCause(context.Background(), 2*time.Second, errors.New("shutting down took too long"))
	defer cancel()
	if web.Shutdown(ending) != nil {
		err = errors.Join(err, web.Close())
	}
	stop()
	err = errors.Join(err, group.Wait())
	storing, cancel := context.WithTimeoutCause(context.Background(), time.Second, errors.New("shutting down took too long"))
	defer cancel()
	return errors.Join(err, panel.Close(storing))
}

// firstAdmin makes the first account, beside the start because hashing a password takes a tenth of a second. While the
// database cannot be used it tries again: nobody can log in, but the server shows what it has.
func firstAdmin(ctx context.Context, out io.Writer, cfg *config.Config, accounts *auth.Service, log *slog.Logger) error {
	generated, err := accounts.EnsureAdmin(ctx, cfg.AdminPassword)
	for errors.Is(err, auth.ErrUnavailable) && ctx.Err() == nil {
		log.Warn("the first account is not made yet; retrying", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		generated, err = accounts.EnsureAdmin(ctx, cfg.AdminPassword)
	}
	ends := errors.Is(err, auth.ErrUnavailable) // the loop was left because this process ends
	if ends {
		return nil
	}
	var weak *auth.InvalidError
	if errors.As(err, &weak) {
		return config.ValidationErrors{"AGENTOS_ADMIN_PASSWORD: " + weak.Text}
	}
	if err != nil {
		return fmt.Errorf("make the first account: %w", err)
	}
	if generated != "" {
		fmt.Fprintf(out, "  log in     name admin, password %s  (shown this once)\n", generated)
	} else {
		where := "--data " + cfg.Data
		if cfg.Postgres() {
			where = "--database URL"
		}
		fmt.Fprintf(out, "  log in     with your account; a new password: agentos user passwd admin %s\n", where)
	}
	return nil
}

// credentialsFile is where a server remembers whom it lets in while its Postgres is down. SQLite is as near as the file.
func credentialsFile(cfg *config.Config) string {
	if !cfg.Postgres() {
		return ""
	}
	return filepath.Join(cfg.Data, "credentials.json")
}

func listen(cfg *config.Config) (net.Listener, error) {
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w: choose another address with --listen", cfg.Listen, err)
	}
	if !cfg.TLS() {
		return listener, nil
	}
	pair, err := loadCertificate(cfg.TLSCert, cfg.TLSKey)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	pair.NextProtos = []string{"h2", "http/1.1"}
	return tls.NewListener(listener, pair), nil
}

// address is where a browser finds the dashboard.
func address(cfg *config.Config, listener net.Listener) string {
	scheme := "http"
	if cfg.TLS() {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host, _ = os.Hostname()
	}
	return fmt.Sprintf("%s://%s%s", scheme, net.JoinHostPort(host, port), cfg.BasePath)
}
