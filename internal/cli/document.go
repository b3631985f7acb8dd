package cli

import (
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"time"

	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/source"
	"github.com/agentos/agentos/snapshot"
)

// snapshotFile holds the last good document in the data folder.
const snapshotFile = "snapshot.json"

// freshFor is how long a document counts as fresh: three intervals of the warmer.
func freshFor(cfg *config.Config) time.Duration { return 3 * cfg.Interval }

// newCache makes the cache of the document, with the links to other processes and the last good file behind it.
func newCache(cfg *config.Config, log *slog.Logger, links links, fleet func() string) *snapshot.Cache {
	tiers := []snapshot.Tier{}
	for _, link := range links {
		tiers = append(tiers, link)
	}
	return snapshot.NewCache(snapshot.CacheOptions{
		Tiers:    append(tiers, snapshot.NewFileTier(filepath.Join(cfg.Data, snapshotFile))),
		FreshFor: freshFor(cfg),
		Fleet:    fleet,
		Log:      log,
	})
}

// collector keeps the document of this process new: it collects, alone or in turn with other servers.
type collector struct {
	cache  *snapshot.Cache
	warmer *snapshot.Warmer
	clock  *wallClock
	group  *snapshot.Group // nil: there are no other processes
}

// newCollector makes what collects the document's sections from the jobs, the fleet and this process itself.
func newCollector(cfg *config.Config, log *slog.Logger, cache *snapshot.Cache, links links, database *db.DB, show *shown, startedAt time.Time,
) (*collector, error) {
	compared := &clocks{read: show.clocks, log: log}
	c := &collector{cache: cache, clock: newWallClock(log)}
	deps := source.Deps{
		Jobs: show.jobs, Fleet: show.agents, Attached: show.attached, DataAt: show.dataAt, DataDir: cfg.Data, Version: versionText(), StartedAt: startedAt,
		Database: func(ctx context.Context) document.Component { return databaseHealth(ctx, database, show.writeError) },
		Cache:    func(context.Context) document.Component { return cacheHealth(cache, links) },
		Warmer:   func(context.Context) document.Component { return warmerHealth(c.warmer) },
		Links: func() map[string]document.Component {
			healths := map[string]document.Component{"clock": c.clock.Health()}
			if show.components != nil {
				maps.Copy(healths, show.components())
			}
			if show.clocks != nil {
				if health, some := compared.Health(); some {
					healths["clocks"] = health
				}
			}
			maps.Copy(healths, linkHealths(cache, c.group))
			return healths
		},
	}
	var err error
	c.warmer, err = snapshot.NewWarmer(cache, source.All(deps), snapshot.WarmerOptions{
		Interval: cfg.Interval, Log: log, Name: processName(), Budget: budgetOf(cfg),
	})
	if err != nil || len(links) == 0 {
		return c, err
	}
	c.group, err = snapshot.NewGroup(cache, c.warmer, snapshot.GroupOptions{Links: links, Log: log})
	return c, err
}

// budgetOf is the share of one database connection's time that collecting may take. A statement to Postgres costs a round trip
// more than one to a file, so that the usual tenth would hold up what people wait for: see docs/decisions/0086-budget.md.
func budgetOf(cfg *config.Config) float64 {
	if cfg.Postgres() {
		return 0.2
	}
	return 0.1
}

// leads tells whether this process collects, for itself or for others too.
func (c *collector) leads() bool {
	return c.group == nil || c.group.Stats().Role != snapshot.Follower
}

// Run collects until ctx ends.
func (c *collector) Run(ctx context.Context) error {
	if c.group != nil {
		return c.group.Run(ctx)
	}
	return c.warmer.Run(ctx)
}

// Nudge has these sections collected, wherever that is done.
func (c *collector) Nudge(sections ...string) {
	if c.group != nil {
		c.group.Nudge(sections...)
		return
	}
	c.warmer.Nudge(sections...)
}
