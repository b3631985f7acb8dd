package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/snapshot"
)

// databaseTimeout is shorter than the deadline of the section that shows it: a database that hangs must not hide how the
// rest of the system is.
const databaseTimeout = time.Second

// databaseHealth is down when the database cannot be read or hangs, and degraded when it cannot be written: the disk is full, or
// another process holds its lock.
func databaseHealth(ctx context.Context, database *db.DB, writeError func() error) document.Component {
	ctx, cancel := context.WithTimeoutCause(ctx, databaseTimeout, fmt.Errorf("no answer within %v", databaseTimeout))
	defer cancel()
	begin := time.Now()
	if err := database.Ping(ctx); err != nil {
		return document.Component{Status: document.ComponentDown, Detail: err.Error()}
	}
	if err := writeError(); err != nil {
		return document.Component{Status: document.ComponentDegraded, Detail: "nothing can be written: " + db.Wrap(err).Error()}
	}
	took := float64(time.Since(begin).Microseconds()) / 1000
	return document.Component{Status: document.ComponentOK, Detail: database.Describe(), TookMS: &took}
}

// cacheHealth is degraded when a tier fails: viewers are served from memory all the same, but a restart would begin
// without the newest document. Links report their own state.
func cacheHealth(panel *snapshot.Panel, links links) document.Component {
	stats := panel.Stats()
	var names, broken []string
	for _, tier := range stats.Tiers[len(links):] {
		names = append(names, tier.Name)
		if tier.Error != "" {
			broken = append(broken, tier.Name+": "+tier.Error)
		}
	}
	if broken != nil {
		return document.Component{Status: document.ComponentDegraded, Detail: strings.Join(broken, "; ")}
	}
	return document.Component{Status: document.ComponentOK, Detail: "memory, " + strings.Join(names, ", ")}
}

// warmerHealth is degraded when sections fail or when no document could be published recently.
func warmerHealth(panel *snapshot.Panel) document.Component {
	stats := panel.Stats()
	failing := 0
	var slowest float64
	for _, section := range stats.Sections {
		if section.Error != "" {
			failing++
		}
		slowest = max(slowest, float64(section.Took.Microseconds())/1000)
	}
	switch {
	case stats.Error != "":
		return document.Component{Status: document.ComponentDegraded, Detail: stats.Error}
	case failing > 0:
		return document.Component{Status: document.ComponentDegraded, Detail: fmt.Sprintf("%d of %d sections cannot be collected", failing, len(stats.Sections))}
	}
	return document.Component{Status: document.ComponentOK, Detail: fmt.Sprintf("%d sections", len(stats.Sections)), TookMS: &slowest}
}
