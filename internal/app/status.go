package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/source"
	"github.com/agentos/agentos/snapshot"
)

// Status finds the document as the dashboard does: the one that a running server keeps fresh in a file or behind a link, else what the
// database says now. What is not certain about it is said on warn.
func Status(ctx context.Context, by Caller, cfg *config.Config, warn io.Writer) (*snapshot.Snapshot, snapshot.Served, error) {
	log := NewLogger(warn, cfg)
	id, unknown := fleetNow(ctx, cfg, log)
	fleet := func() string { return id }
	links, err := openLinks(ctx, cfg, fleet)
	if err != nil {
		return nil, snapshot.Served{}, err
	}
	defer links.close()
	panel, err := openPanel(ctx, cfg, log, links, fleet, nil) // which refuses, and logs, documents of another fleet
	if err != nil {
		return nil, snapshot.Served{}, err
	}
	defer closePanel(ctx, panel)
	stored := panel.Current()
	if stored != nil && unknown != nil && stored.Fleet != "" {
		fmt.Fprintf(warn, "agentos status: this is of the fleet %s, published by %s; whether that is the fleet of these settings is not known: %v\n",
			stored.Fleet, stored.Publisher, unknown)
	}
	if stored == nil || time.Since(stored.At) > freshFor(cfg) {
		doc, served, err := collectStatus(ctx, by, cfg, log, links, fleet)
		if err == nil || stored == nil {
			return doc, served, err
		}
		fmt.Fprintf(warn, "agentos status: this is the last that is known: %v\n", err)
	}
	return panel.Get(ctx)
}

// collectStatus collects the document from the database, because no server on this data folder keeps it fresh.
func collectStatus(ctx context.Context, by Caller, cfg *config.Config, log *slog.Logger, links links, fleet func() string,
) (doc *snapshot.Snapshot, served snapshot.Served, err error) {
	service, database, err := OpenJobs(ctx, by, cfg, log)
	if err != nil {
		return nil, served, err
	}
	defer func() { err = errors.Join(err, database.Close()) }()
	agents := source.Fleet{Fleet: service.Fleet(), LoadedAt: time.Now()}
	backend := &jobsBackend{jobs: service, agents: func() source.Fleet { return agents }, writeError: service.WriteError}
	var panel *snapshot.Panel
	from := collectedFrom{cfg: cfg, log: log, database: database, backend: backend, clock: newWallClock(log), startedAt: time.Now()}
	if panel, err = openPanel(ctx, cfg, log, links, fleet, from.sections(func() *snapshot.Panel { return panel })); err != nil {
		return nil, served, err
	}
	defer closePanel(ctx, panel)
	if err := panel.Refresh(ctx); err != nil {
		return nil, served, err
	}
	return panel.Get(ctx)
}

// closePanel leaves nothing half written; that nothing was kept is no fault of what is shown.
func closePanel(ctx context.Context, panel *snapshot.Panel) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	_ = panel.Close(ctx)
}
