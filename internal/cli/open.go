package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/worker"
)

// settingsOf parses the flags of a command that works on the data folder, and gives its other arguments.
func settingsOf(c *call, name string, args []string, flags ...string) (*config.Config, []string, error) {
	set := newFlags(c, name)
	loader := config.Register(set, flags...)
	rest, err := parse(set, args)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := loader.Load(c.getenv, nil)
	return cfg, rest, err
}

// What agents are told of their fleet, see docs/agents.md.
const (
	fleetData     = "AGENTOS_FLEET_DATA"
	fleetDatabase = "AGENTOS_FLEET_DATABASE"
)

// clientEnv is the environment of commands that reach a fleet. In that of an agent, AGENTOS_DATA still names the agent's own
// folder, as it did before AGENTOS_AGENT_DATA: there the fleet's own data and database are meant.
func clientEnv(getenv func(string) string) func(string) string {
	own := getenv("AGENTOS_AGENT_DATA")
	if own == "" {
		return getenv
	}
	return func(name string) string {
		value := getenv(name)
		switch {
		case name == "AGENTOS_DATA" && value == own:
			return getenv(fleetData)
		case name == "AGENTOS_DATABASE_URL" && value == "" && getenv(fleetDatabase) != "postgres":
			return getenv(fleetDatabase)
		}
		return value
	}
}

// openExisting opens the database of the settings for a command beside a server. It makes none: a folder that was mistyped, or another
// than the server's, would get one of its own, where nothing ever runs.
func openExisting(ctx context.Context, c *call, cfg *config.Config, log *slog.Logger) (*db.DB, error) {
	if inAgent := c.getenv(fleetDatabase) == "postgres"; inAgent && cfg.Database == "" {
		return nil, config.Faults{"this fleet's jobs are in Postgres, and its address is not given to agents: to add work from an agent " +
			`write a line such as {"enqueue": {"agent": "hash", "args": {}}} to standard error; ` +
			"what must call agentos needs AGENTOS_DATABASE_URL under pass_env"}
	}
	database, err := db.OpenExisting(ctx, cfg.DatabaseURL(), log)
	if errors.Is(err, db.ErrNoDatabase) {
		return nil, config.Faults{fmt.Sprintf("%v, so that nothing was done: name the server's data folder with --data or AGENTOS_DATA, "+
			"or its database with --database or AGENTOS_DATABASE_URL; `agentos serve`, `work` and `migrate` make a new one", err)}
	}
	if err != nil {
		return nil, err
	}
	if err := database.Migrate(ctx); err != nil {
		return nil, fmt.Errorf("migrate %s: %w", database.URL, closing(database, err))
	}
	return database, nil
}

// schema is a database whose tables are brought up to date as soon as it answers.
type schema struct {
	*db.DB
	log  *slog.Logger
	life context.Context // of the process: a migration may take longer than whoever asks for it waits
	done chan struct{}   // closed when the tables are up to date
	once sync.Once
}

// firstPatience is how long a start waits for a Postgres server that does not answer before it goes on without: viewers
// are to be served what there is.
const firstPatience = time.Second

// prepareDatabase opens the database of the settings for a process that starts without it too: while a Postgres server
// does not answer, migrate is to be called again. A SQLite file must be usable.
func prepareDatabase(ctx context.Context, cfg *config.Config, log *slog.Logger) (*schema, error) {
	if err := makeDataFolder(cfg, log); err != nil {
		return nil, err
	}
	database, err := db.Prepare(ctx, cfg.DatabaseURL(), log)
	if err != nil {
		return nil, err
	}
	s := &schema{DB: database, log: log, life: ctx, done: make(chan struct{})}
	first, cancel := context.WithTimeout(ctx, firstPatience)
	defer cancel()
	err = s.migrate(first)
	switch {
	case err == nil:
	case database.Kind == db.Postgres && !db.Refused(err) && (first.Err() != nil || db.Temporary(err)):
		log.Warn("the database cannot be used yet: starting without it", "database", database.URL, "error", err)
	default:
		return nil, fmt.Errorf("migrate %s: %w", database.URL, closing(database, err))
	}
	return s, nil
}

// migrate brings the tables up to date. It waits as long as ctx allows for an answer of the database, and then as long as
// the work takes.
func (s *schema) migrate(ctx context.Context) error {
	select {
	case <-s.done:
		return nil
	default:
	}
	if s.Kind == db.Postgres {
		var one int
		if err := s.Read.QueryRowContext(ctx, `select 1`).Scan(&one); err != nil {
			return db.Explain(err)
		}
	}
	if err := s.Migrate(s.life); err != nil {
		return err
	}
	s.once.Do(func() {
		s.compact()
		close(s.done)
	})
	return nil
}

// compact makes a file of an earlier version one that shrinks, if that takes no more than seconds.
func (s *schema) compact() {
	switch done, err := s.Compact(s.life, false); {
	case err != nil:
		s.log.Warn("the database file cannot be compacted now; the next start tries again", "error", err)
	case !done:
		s.log.Info("the database file does not shrink: stop all processes and run `agentos migrate --compact` once", "file", s.Path)
	}
}

// closing closes what cannot be used and gives back the reason.
func closing(database *db.DB, reason error) error { return errors.Join(reason, database.Close()) }

// loadAgents reads the fleet's file. That there is none is wrong usage, and says where it was looked for.
func loadAgents(path string) (*agent.Fleet, error) {
	fleet, err := agent.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		return nil, config.Faults{fmt.Sprintf("there is no agents' file at %s: run this in the folder of agentos.yaml, or name it with --config or AGENTOS_CONFIG", path)}
	}
	return fleet, err
}

// openJobs gives a job service that inserts and reads but runs nothing, for commands beside a server.
func openJobs(ctx context.Context, c *call, cfg *config.Config, log *slog.Logger) (*worker.Service, *db.DB, error) {
	fleet, err := loadAgents(cfg.File)
	if err != nil {
		return nil, nil, err
	}
	database, err := openExisting(ctx, c, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	service, err := worker.New(ctx, worker.Options{
		DB: database, Fleet: fleet, DataDir: cfg.Data, Version: versionText(), Log: log, Redact: redact.New(cfg.Redact), KeepLogs: int64(cfg.KeepLogs), KeepRuns: int64(cfg.KeepRuns), NoWork: true,
	})
	if err != nil {
		return nil, nil, closing(database, err)
	}
	return service, database, nil
}
