package app

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

const (
	// snapshotFile holds the last good document in the data folder.
	snapshotFile = "snapshot.json"

	// documentVersion is the meta.version of the document.
	documentVersion = 4
)

// freshFor is how long a document counts as fresh: three intervals, as package snapshot has it.
func freshFor(cfg *config.Config) time.Duration { return 3 * cfg.Interval }

// openPanel opens the document, with the links to other processes and the last good file behind it. Without sections it
// only shows what others have stored.
func openPanel(ctx context.Context, cfg *config.Config, log *slog.Logger, links links, fleet func() string, sections []snapshot.Section) (*snapshot.Panel, error) {
	return snapshot.Open(ctx, snapshot.Options{
		Sections: sections, File: filepath.Join(cfg.Data, snapshotFile), Links: links,
		Name: "agentos", Process: processName(), Version: documentVersion, Fleet: fleet,
		Interval: cfg.Interval, Budget: budgetOf(cfg), Log: log,
	})
}

// collectedFrom is what the document's sections are collected from.
type collectedFrom struct {
	cfg       *config.Config
	log       *slog.Logger
	links     links
	database  *db.DB
	backend   *jobsBackend
	clock     *wallClock
	startedAt time.Time
	own       *ownSections // nil: no file can declare any
}

// sections lists the document's sections. They show the panel that is made of them, too, which panel returns.
func (f collectedFrom) sections(panel func() *snapshot.Panel) []snapshot.Section {
	compared := &clocks{read: f.backend.clocks, log: f.log}
	var own func() document.Own
	if f.own != nil {
		own = f.own.Own
	}
	return source.All(source.Deps{
		Jobs: f.backend.jobs, Fleet: f.backend.agents, Engine: f.backend.engine, Attached: f.backend.attached, DataAt: f.backend.dataAt, Unmetered: f.backend.unmetered, DataDir: f.cfg.Data,
		Version: Version(), StartedAt: f.startedAt, Own: own,
		Database: func(ctx context.Context) document.Component {
			return databaseHealth(ctx, f.database, f.backend.writeError)
		},
		Cache:  func(context.Context) document.Component { return cacheHealth(panel(), f.links) },
		Warmer: func(context.Context) document.Component { return warmerHealth(panel()) },
		Links: func() map[string]document.Component {
			healths := map[string]document.Component{"clock": f.clock.Health()}
			if f.backend.components != nil {
				maps.Copy(healths, f.backend.components())
			}
			if f.backend.clocks != nil {
				if health, some := compared.Health(); some {
					healths["clocks"] = health
				}
			}
			if len(f.links) > 0 {
				maps.Copy(healths, linkHealths(panel()))
			}
			return healths
		},
	})
}

// budgetOf is the share of one database connection's time that collecting may take. A statement to Postgres costs a round trip
// more than one to a file, so that the usual tenth would hold up what people wait for: see docs/decisions/0086-budget.md.
func budgetOf(cfg *config.Config) float64 {
	if cfg.Postgres() {
		return 0.2
	}
	return 0.1
}
