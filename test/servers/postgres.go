package servers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// The users of every Postgres. Any password is right.
const (
	postgresUser  = "agentos"  // owns the databases, may make more
	postgresAdmin = "postgres" // may do anything
)

const debianPostgres = "/usr/lib/postgresql/*/bin"

// Postgres is a server with pg_stat_statements loaded. It does not care for its data: a crash of the machine may lose
// it, a crash of the server does not.
type Postgres struct {
	Port int

	process Process
	folder  *folder
	port    *Port
}

// PostgresOption changes a server before it starts.
type PostgresOption func(*postgresSettings)

type postgresSettings struct {
	settings []string
	parent   string // of the server's folder; empty: that of all temporary ones
}

// PostgresSetting gives the server a setting, such as "max_connections" and "20". The last one given holds.
func PostgresSetting(name, value string) PostgresOption {
	return func(s *postgresSettings) { s.settings = append(s.settings, name+"="+value) }
}

// InMemory keeps the server's files in memory where there is room: many small databases that come and go cost a file system more than
// Postgres.
func InMemory() PostgresOption {
	return func(s *postgresSettings) {
		s.parent = memory()
		s.settings = append(s.settings, "max_wal_size=64MB", "min_wal_size=32MB")
	}
}

// StartPostgres is NewPostgres for a test.
func StartPostgres(t TB, options ...PostgresOption) *Postgres {
	t.Helper()
	server, err := NewPostgres(options...)
	return started(t, server, err)
}

// NewPostgres makes a server with an empty database "agentos".
func NewPostgres(options ...PostgresOption) (*Postgres, error) {
	p, err := newPostgres("postgres", options)
	if err != nil {
		return nil, err
	}
	err = p.begin(func() error { return p.initdb() })
	if err == nil {
		err = p.prepare()
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func newPostgres(what string, options []PostgresOption) (*Postgres, error) {
	// Nobody's data: what costs time to keep it safe is off.
	given := &postgresSettings{settings: []string{
		"listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off", "synchronous_commit=off",
		"max_connections=300", "shared_preload_libraries=pg_stat_statements", "pg_stat_statements.max=10000",
		"logging_collector=off", "log_line_prefix=%m [%p] %q%u@%d ", "wal_level=replica", "max_wal_senders=5",
		"shared_buffers=64MB", "max_wal_size=512MB", "timezone=UTC", "track_io_timing=off",
		"dynamic_shared_memory_type=mmap", // files of its folder, which go with it also when it was killed
	}}
	for _, option := range options {
		option(given)
	}
	binary, err := program("postgres", debianPostgres)
	if err != nil {
		return nil, err
	}
	f, err := newFolderIn(given.parent, what)
	if err != nil {
		return nil, err
	}
	p := &Postgres{folder: f}
	p.process = Process{
		Name: "Postgres", Log: f.file("log"), As: nobody(), Quit: syscall.SIGINT,
		Argv: []string{binary, "-D", f.file("data"), "-k", f.path},
		Ready: func(ctx context.Context) error {
			return p.exec(ctx, p.AdminURL("postgres"), "SELECT 1")
		},
	}
	for _, setting := range given.settings {
		p.process.Argv = append(p.process.Argv, "-c", setting)
	}
	if as := p.process.As; as != nil {
		if err := os.Chown(f.path, int(as.Uid), int(as.Gid)); err != nil {
			return nil, errors.Join(err, f.remove())
		}
	}
	return p, nil
}

// begin makes the data and starts the server on it for the first time.
func (p *Postgres) begin(makeData func() error) error {
	if err := makeData(); err != nil {
		return err
	}
	var err error
	if p.port, err = ReservePort(); err != nil {
		return err
	}
	p.Port = p.port.Number
	p.process.Argv = append(p.process.Argv, "-p", strconv.Itoa(p.Port))
	return p.process.Start()
}

func (p *Postgres) initdb() error {
	return p.tool("initdb", "-D", p.folder.file("data"), "-U", postgresAdmin, "--auth=trust", "--no-sync",
		"--no-instructions", "--encoding=UTF8", "--locale=C")
}

// tool runs one of Postgres' programs as the user of the server.
func (p *Postgres) tool(name string, args ...string) error {
	path, err := program(name, debianPostgres)
	if err != nil {
		return err
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.process.As}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, output)
	}
	return nil
}

func (p *Postgres) prepare() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := p.Exec(ctx, "postgres", "CREATE ROLE "+postgresUser+" LOGIN CREATEDB"); err != nil {
		return err
	}
	return p.CreateDatabase("agentos", "")
}

// URL is how the ordinary user reaches a database: 127.0.0.1, without TLS.
func (p *Postgres) URL(database string) string { return p.url(postgresUser, database) }

// AdminURL is how the superuser reaches a database.
func (p *Postgres) AdminURL(database string) string { return p.url(postgresAdmin, database) }

func (p *Postgres) url(user, database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword(user, "any"), Host: p.Addr(), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}).String()
}

// Addr is the address of the server, such as 127.0.0.1:12345.
func (p *Postgres) Addr() string { return local(p.Port) }

// Log is the file of the server's log.
func (p *Postgres) Log() string { return p.process.Log }

// Data is the folder of the server's data.
func (p *Postgres) Data() string { return p.folder.file("data") }

// CreateDatabase makes a database of the ordinary user's, as a copy of template unless that is empty; nobody may be
// connected to the template.
func (p *Postgres) CreateDatabase(name, template string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	statement := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize() + " OWNER " + postgresUser
	if template != "" {
		statement += " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	}
	return p.Exec(ctx, "postgres", statement)
}

// DropDatabase removes a database and ends its connections.
func (p *Postgres) DropDatabase(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return p.Exec(ctx, "postgres", "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
}

// Exec runs statements as the superuser, on a connection of their own.
func (p *Postgres) Exec(ctx context.Context, database string, statements ...string) error {
	return p.exec(ctx, p.AdminURL(database), statements...)
}

func (p *Postgres) exec(ctx context.Context, url string, statements ...string) error {
	conn, err := p.connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(statement), err)
		}
	}
	return nil
}

// Connect opens a connection of the superuser's. The caller closes it.
func (p *Postgres) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	return p.connect(ctx, p.AdminURL(database))
}

func (p *Postgres) connect(ctx context.Context, url string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return pgx.Connect(ctx, url)
}

// Start starts the server again on its data and its port. It does nothing while the server runs.
func (p *Postgres) Start() error { return p.process.Start() }

// Stop ends the server in order; connections are broken.
func (p *Postgres) Stop() { p.process.Stop() }

// Restart is Stop and Start.
func (p *Postgres) Restart() error {
	p.Stop()
	return p.Start()
}

// Kill ends the server with SIGKILL; the next start recovers from its log.
func (p *Postgres) Kill() { p.process.Kill() }

// Pause freezes the server: connections stay, nothing answers.
func (p *Postgres) Pause() { p.process.Pause() }

// Resume ends a pause.
func (p *Postgres) Resume() { p.process.Resume() }

// Alive says whether the server runs, frozen or not.
func (p *Postgres) Alive() bool { return p.process.Alive() }

// Reload makes the server read its configuration files.
func (p *Postgres) Reload() error { return syscall.Kill(p.process.pid, syscall.SIGHUP) }

// Close ends the server and removes its data.
func (p *Postgres) Close() error {
	p.process.Kill()
	return errors.Join(p.port.Close(), p.folder.remove())
}

// NewStandby makes a server that follows this one, for Promote: what this one does from then on, it hands over before it
// stops in order. Give it the settings this one has.
func (p *Postgres) NewStandby(options ...PostgresOption) (*Postgres, error) {
	options = append(options, PostgresSetting("cluster_name", "standby"))
	standby, err := newPostgres("standby", options)
	if err != nil {
		return nil, err
	}
	err = standby.begin(func() error {
		return standby.tool("pg_basebackup", "-d", p.AdminURL("postgres"), "-D", standby.folder.file("data"),
			"--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync")
	})
	if err == nil {
		err = standby.awaitStream()
	}
	if err != nil {
		return nil, errors.Join(err, standby.Close())
	}
	return standby, nil
}

// awaitStream waits until a standby hears of each change: it answers some time before that.
func (p *Postgres) awaitStream() error {
	return until(startTimeout, "the standby follows", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		return p.Exec(ctx, "postgres", "SELECT 1/count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'")
	})
}

// Promote makes a standby the primary, and waits until it takes writes.
func (p *Postgres) Promote(ctx context.Context) error {
	return p.Exec(ctx, "postgres", "SELECT pg_promote(true, 30)")
}

// Configure writes settings into the server's own configuration and makes it read them; a value of "" takes a setting
// back. Those given by PostgresSetting are stronger.
func (p *Postgres) Configure(ctx context.Context, name, value string) error {
	statement := "ALTER SYSTEM RESET " + name
	if value != "" {
		statement = "ALTER SYSTEM SET " + name + " = '" + strings.ReplaceAll(value, "'", "''") + "'"
	}
	return p.Exec(ctx, "postgres", statement, "SELECT pg_reload_conf()")
}

// TablespaceFolder makes a folder below the server's own that it may write to.
func (p *Postgres) TablespaceFolder(name string) (string, error) {
	path := filepath.Join(p.folder.path, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", err
	}
	if as := p.process.As; as != nil {
		return path, os.Chown(path, int(as.Uid), int(as.Gid))
	}
	return path, nil
}
