package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/agentos/agentos/examples"
	"github.com/agentos/agentos/test/servers"
)

// Options say what the cluster is made of.
type Options struct {
	Binary  string   // the program; empty: it is built from the tree
	Folder  string   // what the demo fleet reads; empty: the current folder
	Servers int      // 0: three
	Workers int      // 0: two
	NoRedis bool     // without Redis
	Agents  string   // more agents, as YAML that goes below `agents:` of the demo fleet
	Only    bool     // only those agents, without the demo fleet: nothing happens by itself
	Flags   []string // more flags of every server
	Env     []string // more variables of every process
}

const (
	databaseName = "agentos"
	adminName    = "admin"
	startTimeout = 90 * time.Second
)

// Cluster is a running cluster.
type Cluster struct {
	Dir      string // everything is below: data folders, logs, the fleet's file
	Servers  []*Member
	Workers  []*Member
	Admin    string // the name of the account
	Password string
	Token    string // of an admin

	binary  string
	fleet   string
	options Options
	release func()

	mu       sync.Mutex
	postgres *servers.Postgres
	redis    *servers.Redis // nil without
}

// New starts a cluster and waits until every server shows all workers at work.
func New(ctx context.Context, options Options) (*Cluster, error) {
	if options.Servers == 0 {
		options.Servers = 3
	}
	if options.Workers == 0 {
		options.Workers = 2
	}
	c := &Cluster{Admin: adminName, Password: rand.Text()[:16], binary: options.Binary, options: options}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	if err := c.makeFolder(); err != nil {
		return err
	}
	if err := c.makeBinary(ctx); err != nil {
		return err
	}
	var err error
	if c.postgres, err = servers.NewPostgres(PostgresOptions()...); err != nil {
		return err
	}
	if err := c.postgres.Exec(ctx, databaseName, "create extension pg_stat_statements"); err != nil {
		return err
	}
	if !c.options.NoRedis {
		if c.redis, err = servers.NewRedis(); err != nil {
			return err
		}
	}
	for i := range c.options.Servers {
		if err := c.add(&c.Servers, "server", i+1); err != nil {
			return err
		}
	}
	for i := range c.options.Workers {
		if err := c.add(&c.Workers, "worker", i+1); err != nil {
			return err
		}
	}
	if err := together(c.Members(), (*Member).Start); err != nil {
		return err
	}
	if err := c.makeToken(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("the start took too long"))
	defer cancel()
	return c.AwaitHealthy(ctx)
}

// PostgresOptions are the settings of the cluster's Postgres, for one that is to take its place. A commit is in the
// server's log before it is acknowledged: jobs survive a kill of Postgres.
func PostgresOptions() []servers.PostgresOption {
	return []servers.PostgresOption{
		servers.PostgresSetting("synchronous_commit", "on"),
		servers.PostgresSetting("max_connections", "120"),
	}
}

func (c *Cluster) makeFolder() (err error) {
	if c.Dir, err = os.MkdirTemp("", "agentos-cluster-"); err != nil {
		return err
	}
	if c.release, err = servers.Leash(c.Dir); err != nil {
		return err
	}
	folder := c.options.Folder
	if folder == "" {
		folder = "."
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return err
	}
	fleet := filepath.Join(c.Dir, "fleet")
	if err := examples.Unpack(fleet, folder); err != nil {
		return fmt.Errorf("unpack the demo fleet: %w", err)
	}
	c.fleet = filepath.Join(fleet, "agentos.yaml")
	text := []byte("agents:")
	if !c.options.Only {
		if text, err = os.ReadFile(c.fleet); err != nil {
			return err
		}
	}
	text = append(text, "\n"+strings.TrimRight(c.options.Agents, "\n")+"\n"...)
	return errors.Join(os.WriteFile(c.fleet, text, 0o644), os.Mkdir(c.Logs(), 0o755))
}

// Logs is the folder of the processes' logs.
func (c *Cluster) Logs() string { return filepath.Join(c.Dir, "logs") }

// makeBinary builds the program unless one is given.
func (c *Cluster) makeBinary(ctx context.Context) error {
	if c.binary != "" {
		return nil
	}
	c.binary = filepath.Join(c.Dir, "agentos")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", c.binary, "github.com/agentos/agentos")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, output)
	}
	return nil
}

// add makes a member that is not started yet.
func (c *Cluster) add(list *[]*Member, role string, number int) error {
	postgres, redis := c.Postgres(), c.Redis()
	m := &Member{Name: role + "-" + strconv.Itoa(number), Role: role, cluster: c}
	m.Data = filepath.Join(c.Dir, m.Name)
	*list = append(*list, m) // so that it is closed
	var err error
	if m.Postgres, err = servers.NewProxy(postgres.Addr()); err != nil {
		return err
	}
	args := []string{c.binary, "serve", "--agents", "none"}
	if role == "worker" {
		args = []string{c.binary, "work"}
	}
	args = append(args, "--database", c.databaseAt(m.Postgres.Addr), "--data", m.Data, "--config", c.fleet, "--log-level", "info")
	if redis != nil {
		if m.Redis, err = servers.NewProxy(redis.Addr); err != nil {
			return err
		}
		args = append(args, "--redis", redis.URLAt(m.Redis.Addr))
	}
	m.process = servers.Process{
		Name: m.Name, Argv: args, Log: filepath.Join(c.Logs(), m.Name+".log"), Alone: true,
		Env: append([]string{"AGENTOS_ADMIN_PASSWORD=" + c.Password, "AGENTOS_MAX_STREAMS=100000"}, c.options.Env...),
	}
	if role == "server" {
		if m.port, err = servers.ReservePort(); err != nil {
			return err
		}
		m.Addr = m.port.Addr()
		m.process.Argv = append(append(args, "--listen", m.Addr), c.options.Flags...)
		m.process.Ready = m.lives
	}
	return nil
}

// Postgres is the server that the cluster uses now.
func (c *Cluster) Postgres() *servers.Postgres {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.postgres
}

// Redis is the server that the cluster uses, nil without.
func (c *Cluster) Redis() *servers.Redis {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.redis
}

// DatabaseURL is the way to the database that no proxy breaks.
func (c *Cluster) DatabaseURL() string { return c.Postgres().URL(databaseName) }

func (c *Cluster) databaseAt(addr string) string {
	return strings.Replace(c.DatabaseURL(), c.Postgres().Addr(), addr, 1)
}

// Connect opens a connection of a superuser's to the cluster's database, past all proxies. The caller closes it.
func (c *Cluster) Connect(ctx context.Context) (*pgx.Conn, error) {
	return c.Postgres().Connect(ctx, databaseName)
}

// Exec runs statements as a superuser on the cluster's database, past all proxies.
func (c *Cluster) Exec(ctx context.Context, statements ...string) error {
	return c.Postgres().Exec(ctx, databaseName, statements...)
}

// Run runs a command of the program beside the cluster, with the way to the database that no proxy breaks, and gives
// its standard output.
func (c *Cluster) Run(ctx context.Context, args ...string) (string, error) {
	args = append(args, "--database", c.DatabaseURL(), "--data", filepath.Join(c.Dir, "command"), "--config", c.fleet)
	cmd := exec.CommandContext(ctx, c.binary, args...)
	cmd.Dir = "/"
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("agentos %s: %w\n%s", args[0], err, stderr.String())
	}
	return strings.TrimSpace(string(output)), nil
}

func (c *Cluster) makeToken(ctx context.Context) (err error) {
	c.Token, err = c.Run(ctx, "token", "create", "cluster", "--role", "admin")
	return err
}

// Members are all servers and workers.
func (c *Cluster) Members() []*Member {
	return append(append([]*Member(nil), c.Servers...), c.Workers...)
}

// AwaitHealthy waits until every server shows a document without trouble, made after now, with all workers in it.
func (c *Cluster) AwaitHealthy(ctx context.Context) error {
	began := time.Now()
	for _, m := range c.Workers {
		if !m.Alive() && !m.Away() {
			return fmt.Errorf("%s has ended:\n%s", m.Name, m.lastWords())
		}
	}
	for _, m := range c.Servers {
		err := Until(ctx, m.Name+" is healthy", func() error {
			if !m.Alive() {
				return errors.New("it has ended")
			}
			d, err := m.Document(ctx)
			if err != nil {
				return err
			}
			if d.Timestamp.Before(began) {
				return fmt.Errorf("its document is of %v", d.Timestamp)
			}
			return d.Healthy(len(c.Workers))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Leader is the server that leads; it is an error when there is not exactly one.
func (c *Cluster) Leader(ctx context.Context) (*Member, error) {
	var leaders []*Member
	for _, m := range c.Servers {
		if m.Away() {
			continue
		}
		metrics, err := m.Metrics(ctx)
		if err != nil {
			return nil, err
		}
		if metrics["agentos_leader"] == 1 {
			leaders = append(leaders, m)
		}
	}
	if len(leaders) != 1 {
		return nil, fmt.Errorf("%d servers lead", len(leaders))
	}
	return leaders[0], nil
}

// Followers are the servers other than the one given.
func (c *Cluster) Followers(leader *Member) []*Member {
	var list []*Member
	for _, m := range c.Servers {
		if m != leader {
			list = append(list, m)
		}
	}
	return list
}

// UsePostgres sends every member to another server, which the cluster owns from now on, and gives the one before.
func (c *Cluster) UsePostgres(other *servers.Postgres) (before *servers.Postgres) {
	c.mu.Lock()
	before, c.postgres = c.postgres, other
	c.mu.Unlock()
	for _, m := range c.Members() {
		m.Postgres.Retarget(other.Addr())
	}
	return before
}

// Close ends everything in order, and removes it.
func (c *Cluster) Close() error {
	var errs []error
	for _, m := range c.Members() {
		errs = append(errs, m.eachWay((*servers.Proxy).Mend))
	}
	errs = append(errs, together(c.Members(), func(m *Member) error { m.Stop(); return nil }))
	for _, m := range c.Members() {
		errs = append(errs, m.eachWay((*servers.Proxy).Close), m.port.Close())
	}
	if redis := c.Redis(); redis != nil {
		errs = append(errs, redis.Close())
	}
	if postgres := c.Postgres(); postgres != nil {
		errs = append(errs, postgres.Close())
	}
	if c.release != nil {
		errs = append(errs, os.RemoveAll(c.Dir))
		c.release()
	}
	return errors.Join(errs...)
}

// together does the same to all members at the same time.
func together(members []*Member, do func(*Member) error) error {
	errs := make([]error, len(members))
	var all sync.WaitGroup
	for i, m := range members {
		all.Go(func() { errs[i] = do(m) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Until waits until check gives nil; the error names its last one.
func Until(ctx context.Context, what string, check func() error) error {
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", what, context.Cause(ctx), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
