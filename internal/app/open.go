package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/alert"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/strictyaml"
	"github.com/agentos/agentos/internal/worker"
)

// OpenExisting opens the database of the settings for a command beside a server. It makes none: a folder that was mistyped, or another
// than the server's, would get one of its own, where nothing ever runs.
//
// By a job of a fleet on Postgres the address has to be given: agents do not know it.
func OpenExisting(ctx context.Context, by Caller, cfg *config.Config, log *slog.Logger) (*db.DB, error) {
	if by.InPostgresFleet && cfg.Database == "" {
		return nil, config.ValidationErrors{"this fleet's jobs are in Postgres, and its address is not given to agents: to add work from an agent " +
			`write a line such as {"enqueue": {"agent": "hash", "args": {}}} to standard error; ` +
			"what must call agentos needs AGENTOS_DATABASE_URL under pass_env"}
	}
	database, err := db.OpenExisting(ctx, cfg.DatabaseURL(), log)
	if errors.Is(err, db.ErrNoDatabase) {
		return nil, config.ValidationErrors{fmt.Sprintf("%v, so that nothing was done: name the server's data folder with --data or AGENTOS_DATA, "+
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

// Caller is who runs a command beside a server.
type Caller struct {
	InPostgresFleet bool // it is a job of a fleet whose database is Postgres
}

// schema is a database whose tables are migrated as soon as it answers.
type schema struct {
	*db.DB
	log  *slog.Logger
	life context.Context // of the process: a migration may take longer than whoever asks for it waits
	done chan struct{}   // closed when the tables are up to date
	once sync.Once
}

// firstTimeout is how long a start waits for a Postgres server that does not answer before it goes on without: viewers
// are to be served what there is.
const firstTimeout = time.Second

// prepareDatabase opens the database of the settings for a process that starts without it too: while a Postgres server
// does not answer, migrate is to be called again. A SQLite file must be usable.
func prepareDatabase(ctx context.Context, cfg *config.Config, log *slog.Logger) (*schema, error) {
	if err := MakeDataFolder(cfg, log); err != nil {
		return nil, err
	}
	database, err := db.Prepare(ctx, cfg.DatabaseURL(), log)
	if err != nil {
		return nil, err
	}
	s := &schema{DB: database, log: log, life: ctx, done: make(chan struct{})}
	first, cancel := context.WithTimeout(ctx, firstTimeout)
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
			return db.Wrap(err)
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

// closing closes what cannot be used and returns the reason.
func closing(database *db.DB, reason error) error { return errors.Join(reason, database.Close()) }

// LoadAgents reads the fleet's file; its alerts must be right too. That there is none is wrong usage, and says where it was looked for.
func LoadAgents(path string) (*agent.Fleet, error) {
	fleet, err := agent.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		return nil, config.ValidationErrors{fmt.Sprintf("there is no agents' file at %s: run this in the folder of agentos.yaml, or name it with --config or AGENTOS_CONFIG", path)}
	}
	var agents, alerts strictyaml.Errors
	if err != nil && !errors.As(err, &agents) {
		return nil, err
	}
	if _, err := alert.Load(path); err != nil && !errors.As(err, &alerts) {
		return nil, err
	}
	if err := slices.Concat(agents, alerts).InOrder(); err != nil { // what both say is said once
		return nil, err
	}
	return fleet, nil
}

// OpenJobs gives a job service that inserts and reads but runs nothing, for commands beside a server.
func OpenJobs(ctx context.Context, by Caller, cfg *config.Config, log *slog.Logger) (*worker.Service, *db.DB, error) {
	fleet, err := LoadAgents(cfg.File)
	if err != nil {
		return nil, nil, err
	}
	database, err := OpenExisting(ctx, by, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	service, err := worker.New(ctx, worker.Options{
		DB: database, Fleet: fleet, DataDir: cfg.Data, Version: Version(), Log: log, Redact: redact.New(cfg.Redact), KeepLogs: int64(cfg.KeepLogs), KeepRuns: int64(cfg.KeepRuns), NoWork: true,
	})
	if err != nil {
		return nil, nil, closing(database, err)
	}
	return service, database, nil
}
