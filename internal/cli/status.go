package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/agentos/agentos/internal/app"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/snapshot"
)

// runStatus finds the document as the dashboard does: the one that a running server keeps fresh in a file or behind a
// link, else the database.
func runStatus(ctx context.Context, c *call, args []string) (err error) {
	set := newFlags(c, "status")
	loader := config.Register(set, "config", "data", "database", "redis", "redis-prefix", "interval", "log-level", "log-format")
	asJSON := set.Bool("json", false, "print the whole document")
	rest, err := parse(set, args)
	if err != nil {
		return err
	}
	if err := noArguments(rest); err != nil {
		return err
	}
	cfg, err := loader.Load(clientEnv(c.getenv), nil)
	if err != nil {
		return err
	}
	doc, served, err := app.Status(ctx, c.caller(), cfg, c.stderr)
	if err != nil {
		return err
	}
	if *asJSON {
		_, err := fmt.Fprintf(c.stdout, "%s\n", doc.JSON)
		return err
	}
	return writeStatus(c.stdout, doc, served)
}

func writeStatus(out io.Writer, doc *snapshot.Snapshot, served snapshot.Served) error {
	d, err := document.Parse(doc.JSON)
	if err != nil {
		return err
	}
	stale := ""
	if served.Stale {
		stale = ", stale"
	}
	age := max(0, time.Since(doc.At))
	fmt.Fprintf(out, "as of %s (%s old%s)\n", doc.At.Local().Format(time.DateTime+" MST"), age.Round(100*time.Millisecond), stale)
	for _, name := range slices.Sorted(maps.Keys(doc.Sections)) {
		if s := doc.Sections[name]; s.Overdue || s.Error != "" {
			fmt.Fprintf(out, "         %s\n", lateSection(name, s, doc.At))
		}
	}
	if s := d.Dashboard.System; s != nil {
		fmt.Fprintf(out, "system   %s, cpu %s, memory %s\n", s.Status, percent(s.CPU), percent(s.Memory))
		for _, reason := range s.Reasons {
			fmt.Fprintf(out, "         %s\n", reason)
		}
	}
	if w := d.Dashboard.Workers; w != nil {
		fmt.Fprintf(out, "workers  %d of %d active, %s of %s slots busy\n", w.Active, w.Total, number(w.Busy), number(w.Slots))
	}
	if q := d.Dashboard.Queue; q != nil {
		fmt.Fprintf(out, "queue    %s waiting, %s running, %s scheduled, %s to be retried", number(q.Pending), number(q.Processing), number(q.Scheduled), number(q.Retryable))
		if q.Parked != nil && *q.Parked > 0 {
			fmt.Fprintf(out, ", %d pending in River's sense", *q.Parked)
		}
		fmt.Fprintln(out)
	}
	if j := d.Dashboard.Jobs; j != nil {
		since := ""
		if j.DayZone != "" {
			since = fmt.Sprintf(" (since %s %s)", j.DayStart.Format("15:04"), j.DayZone)
		}
		fmt.Fprintf(out, "today    %s jobs enqueued, %s completed, %s gave up; %s attempts failed%s\n",
			number(j.TotalToday), number(j.CompletedToday), number(j.GaveUpToday), number(j.FailedToday), since)
	}
	if d.Analytics != nil {
		fmt.Fprintf(out, "success  %s of the attempts in 24 h\n", percent(d.Analytics.SuccessRate))
	}
	agents := d.AgentsWorkers.Agents
	if agents == nil || agents.TotalAgents == nil {
		return nil
	}
	return writeAgents(out, agents.Items, *agents.TotalAgents)
}

// lateSection says that a section is older than the document, and why.
func lateSection(name string, s snapshot.SectionMeta, now time.Time) string {
	text := name + " was never collected"
	if !s.AsOf.IsZero() {
		text = fmt.Sprintf("%s is %s older", name, now.Sub(s.AsOf).Round(time.Second))
	}
	if s.Error != "" {
		text += ": " + s.Error
	}
	return text
}

func writeAgents(out io.Writer, items map[string]document.Agent, total int) error {
	agents := make([]document.Agent, 0, len(items))
	for _, a := range items {
		agents = append(agents, a)
	}
	slices.SortFunc(agents, func(a, b document.Agent) int { return a.Order - b.Order })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nAGENT\tSTATE\tRUNNING\tWAITING\tRUNS 24H\tSUCCESS\tP95")
	for _, a := range agents {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", a.Name, a.State, a.Running, a.Waiting, a.Runs24h, percent(a.SuccessRate), millis(a.P95MS))
	}
	if err := w.Flush(); err != nil || total <= len(agents) {
		return err
	}
	_, err := fmt.Fprintf(out, "%d of %d agents: those that need attention, then the busiest. GET /api/agents has all.\n", len(agents), total)
	return err
}

func number[T int | int64](n *T) string {
	if n == nil {
		return "–"
	}
	return strconv.FormatInt(int64(*n), 10)
}

func percent(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", *v)
}

func millis(v *float64) string {
	if v == nil {
		return "–"
	}
	return time.Duration(*v * float64(time.Millisecond)).Round(time.Millisecond).String()
}
