package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/internal/redact"
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

// openDatabase opens and migrates the database of the settings, making the data folder first.
func openDatabase(ctx context.Context, cfg *config.Config, log *slog.Logger) (*db.DB, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	database, err := db.Open(ctx, cfg.DatabaseURL(), log)
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
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	database, err := db.Prepare(ctx, cfg.DatabaseURL(), log)
	if err != nil {
		return nil, err
	}
	s := &schema{DB: database, life: ctx, done: make(chan struct{})}
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
	s.once.Do(func() { close(s.done) })
	return nil
}

// closing closes what cannot be used and gives back the reason.
func closing(database *db.DB, reason error) error { return errors.Join(reason, database.Close()) }

// openJobs gives a job service that inserts and reads but runs nothing, for commands beside a server.
func openJobs(ctx context.Context, cfg *config.Config, log *slog.Logger) (*jobs.Service, *db.DB, error) {
	fleet, err := agent.Load(cfg.File)
	if err != nil {
		return nil, nil, err
	}
	database, err := openDatabase(ctx, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	service, err := jobs.New(ctx, jobs.Options{
		DB: database, Fleet: fleet, DataDir: cfg.Data, Version: versionText(), Log: log, Redact: redact.New(cfg.Redact), NoWork: true,
	})
	if err != nil {
		return nil, nil, closing(database, err)
	}
	return service, database, nil
}
