package cli

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/internal/source"
	"github.com/agentos/agentos/snapshot"
)

// snapshotFile holds the last good document in the data folder.
const snapshotFile = "snapshot.json"

// freshFor is how long a document counts as fresh: three intervals of the warmer.
func freshFor(cfg *config.Config) time.Duration { return 3 * cfg.Interval }

// newCache makes the cache of the document, with the last good file behind it.
func newCache(cfg *config.Config, log *slog.Logger) *snapshot.Cache {
	return snapshot.NewCache(snapshot.CacheOptions{
		Tiers:    []snapshot.Tier{snapshot.NewFileTier(filepath.Join(cfg.Data, snapshotFile))},
		FreshFor: freshFor(cfg),
		Log:      log,
	})
}

// newWarmer makes what collects the document's sections from the jobs, the fleet and this process itself.
func newWarmer(cfg *config.Config, log *slog.Logger, cache *snapshot.Cache, database *db.DB, service *jobs.Service,
	fleet func() source.Fleet, startedAt time.Time,
) (*snapshot.Warmer, error) {
	var warmer *snapshot.Warmer
	sections := source.All(source.Deps{
		Jobs: service, Fleet: fleet, DataDir: cfg.Data, Version: versionText(), StartedAt: startedAt,
		Database: func(ctx context.Context) source.Health { return databaseHealth(ctx, database, service) },
		Cache:    func(context.Context) source.Health { return cacheHealth(cache) },
		Warmer:   func(context.Context) source.Health { return warmerHealth(warmer) },
	})
	warmer, err := snapshot.NewWarmer(cache, sections, snapshot.WarmerOptions{Interval: cfg.Interval, Log: log})
	return warmer, err
}
