package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/pglink"
	"github.com/agentos/agentos/snapshot/redislink"
)

// links connect this process with the others that show the same document: through Redis where there is one, and through
// Postgres as well, so that the servers agree without Redis too. A process on SQLite without Redis has none.
type links []link.Link

// documentKey is where the links keep the document: part of the contract, like its version.
const documentKey = "admin:dashboard:v4"

// openLinks opens what the settings name. The servers behind the links need not be there.
//
// fleet returns which one this is, once that is known.
func openLinks(ctx context.Context, cfg *config.Config, fleet func() string) (links, error) {
	var all links
	if cfg.Redis != "" {
		link, err := redislink.Open(ctx, cfg.Redis, redislink.Options{
			Holder: processName(), Key: cfg.RedisPrefix + documentKey, Fleet: fleet,
		})
		if err != nil {
			return nil, config.ValidationErrors{fmt.Sprintf("redis: %v", err)}
		}
		all = append(all, link)
	}
	if cfg.Postgres() {
		server, err := db.ConnConfig(cfg.Database)
		if err != nil {
			all.close()
			return nil, config.ValidationErrors{fmt.Sprintf("database: %v", err)}
		}
		all = append(all, pglink.Open(ctx, server, pglink.Options{Holder: processName(), Key: documentKey}))
	}
	return all, nil
}

// fleetOf reads which fleet this is as soon as the database can be used, and returns how to get it.
func fleetOf(ctx context.Context, database *schema) func() string {
	var id atomic.Pointer[string]
	go func() { // ends with the process, or as soon as it is known
		select {
		case <-database.done:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil {
			if found, err := askFleet(ctx, database.DB); err == nil {
				id.Store(&found)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}()
	return func() string {
		if found := id.Load(); found != nil {
			return *found
		}
		return ""
	}
}

func askFleet(ctx context.Context, database *db.DB) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	err = database.Read.QueryRowContext(ctx, `select id from fleet_identity where one = 1`).Scan(&id)
	return id, err
}

// fleetNow reads which fleet this is for a command that reads what there is: from the database or, while that does not answer,
// from what a server on this data folder remembers of it. An error says that neither has it.
func fleetNow(ctx context.Context, cfg *config.Config, log *slog.Logger) (string, error) {
	opening, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	database, err := db.OpenExisting(opening, cfg.DatabaseURL(), log)
	if err == nil {
		var id string
		id, err = askFleet(ctx, database)
		if err = errors.Join(err, database.Close()); err == nil {
			return id, nil
		}
	}
	if id, failed := auth.RememberedFleet(credentialsFile(cfg)); id != "" {
		return id, nil
	} else if failed != nil {
		err = errors.Join(err, failed)
	}
	return "", err
}

func (l links) close() {
	for _, link := range l {
		link.Close()
	}
}

// processName distinguishes this process from all others, on the screen and where leases are held.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// linkHealths returns the state of the links. Without one of them viewers are served all the same: through the other, or by each
// process for itself.
func linkHealths(panel *snapshot.Panel) map[string]document.Component {
	stats := panel.Stats()
	failing := map[string]string{}
	for _, tier := range stats.Tiers {
		failing[tier.Name] = tier.Error
	}
	healths := map[string]document.Component{}
	for _, link := range stats.Links {
		healths[linkTitle(link.Name)] = linkHealth(link, failing[link.Name])
	}
	return healths
}

// linkTitle distinguishes the link through Postgres from the database.
func linkTitle(name string) string {
	if name == "postgres" {
		return "postgres link"
	}
	return name
}

// linkHealth is degraded when a link that answers does not do all: a read-only or full Redis keeps no document.
func linkHealth(link snapshot.LinkStats, failing string) document.Component {
	switch {
	case !link.Up && link.Error != "":
		return document.Component{Status: document.ComponentDown, Detail: link.Error}
	case !link.Up:
		return document.Component{Status: document.ComponentDown, Detail: "no answer"}
	case failing != "":
		return document.Component{Status: document.ComponentDegraded, Detail: failing}
	case link.Error != "":
		return document.Component{Status: document.ComponentDegraded, Detail: link.Error}
	case !link.Subscribed:
		return document.Component{Status: document.ComponentDegraded, Detail: "not subscribed: what other servers publish does not arrive"}
	}
	return document.Component{Status: document.ComponentOK, Detail: "connected"}
}

// cutOffTimeout bounds the question whether others reach the database.
const cutOffTimeout = time.Second

// cutOff reports whether other processes reach the database, which this one does not: then they will give its jobs to
// somebody else. Redis knows: a fresh document there says how the database is. Who reaches neither is cut off. Whatever else
// may be there says nothing, and is no reason to end attempts.
func (l links) cutOff(fresh time.Duration, fleet func() string) func(ctx context.Context) bool {
	if len(l) == 0 || l[0].Name() != "redis" {
		return nil
	}
	return func(ctx context.Context) bool {
		ctx, cancel := context.WithTimeout(ctx, cutOffTimeout)
		defer cancel()
		text, err := l[0].Load(ctx)
		if err != nil {
			return !errors.Is(err, link.ErrNotFound) && !errors.Is(err, link.ErrForeign)
		}
		doc, err := document.Parse(text)
		if err != nil || time.Since(doc.Timestamp) > fresh {
			return false // nobody collects: the database is away for all
		}
		if ours := fleet(); ours != "" && doc.Meta.Fleet != "" && doc.Meta.Fleet != ours {
			return false // that is how another fleet's database is
		}
		status := doc.Component("database").Status
		return status == document.ComponentOK || status == document.ComponentDegraded
	}
}
