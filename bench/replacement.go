package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/agentos/agentos/bench/jobtable"
	"github.com/agentos/agentos/bench/replaced"
)

// replacement is part a: the replaced dashboard and AgentOS on the same jobs.
type replacement struct {
	*bed
	load    *table
	viewers *table
}

func (b *bed) newReplacement(s *section) *replacement {
	r := &replacement{
		bed:     b,
		load:    newTable("One look", "Way", "Jobs", "Complete in Chromium", "API calls", "Statements", "Data took"),
		viewers: newTable("Viewers who stay", "Way", "Jobs", "Viewers", "Database time a minute", "Statements a minute", "Looks a viewer and minute", "Hit rate"),
	}
	s.tables = []*table{r.load, r.viewers}
	return r
}

// measure fills the rows of the present filling.
func (r *replacement) measure(ctx context.Context) error {
	old, err := r.startReplaced()
	if err != nil {
		return err
	}
	defer old.close()
	ours, err := r.startForBrowser(ctx)
	if err != nil {
		return err
	}
	defer ours.close()
	began, err := ours.metrics(ctx)
	if err != nil {
		return err
	}
	empty := old.emptyPage()
	pages, err := r.visits(ctx, old, ours, empty)
	if err != nil {
		return err
	}
	if err := r.looks(ctx, old, ours, pages); err != nil {
		return err
	}
	r.load.add(empty.name, count(r.jobs.Size), pages[empty].complete(), "0", "0")
	for _, viewers := range r.plan.pollers {
		if err := r.polled(ctx, old, viewers); err != nil {
			return err
		}
	}
	for _, viewers := range r.plan.pollers {
		if err := r.streamed(ctx, ours, viewers, began); err != nil {
			return err
		}
	}
	return nil
}

// looks measures one look at a time, each way.
func (r *replacement) looks(ctx context.Context, old, ours *contestant, pages map[*contestant]visit) error {
	jobs := count(r.jobs.Size)
	progress("the replaced dashboard and AgentOS at %s jobs: one look", jobs)
	six, statements, err := r.timed(ctx, old, r.plan.visits, sixCalls()...)
	if err != nil {
		return err
	}
	r.load.add("replaced: six calls, one after the other", jobs, pages[old].complete(), fmt.Sprint(pages[old].API), statements, took(six))
	all, statements, err := r.timed(ctx, old, r.plan.visits, "/api/all")
	if err != nil {
		return err
	}
	r.load.add("the same statements side by side", jobs, notMeasured, "1", statements, took(all))
	cycle, err := r.cycles(ctx, ours, r.plan.window)
	if err != nil {
		return err
	}
	r.load.add("AgentOS: a cycle in the background", jobs, notMeasured, "0", fmt.Sprintf("%.0f", cycle.statements), took(cycle.slowest))
	cached, statements, err := r.timed(ctx, ours, 20*r.plan.visits, "/api/admin/ssot")
	if err != nil {
		return err
	}
	r.load.add("AgentOS: the cached answer", jobs, pages[ours].complete(), fmt.Sprint(pages[ours].API), statements, took(cached))
	return nil
}

func sixCalls() (paths []string) {
	for _, name := range replaced.Parts {
		paths = append(paths, "/api/"+name)
	}
	return paths
}

// timed asks for paths one after the other, several times over, and gives the median with the statements of one time.
// AgentOS' cycles go on meanwhile and are not counted: no request of it asks the database.
func (r *replacement) timed(ctx context.Context, c *contestant, rounds int, paths ...string) (time.Duration, string, error) {
	before, err := r.jobs.UsageOf(ctx, c.role)
	if err != nil {
		return 0, "", err
	}
	var times []time.Duration
	for range rounds {
		began := time.Now()
		for _, path := range paths {
			if _, err := c.fetch(ctx, path, "gzip"); err != nil {
				return 0, "", err
			}
		}
		times = append(times, time.Since(began))
	}
	statements := "0"
	if c.role == jobtable.RoleReplaced {
		after, err := r.jobs.UsageOf(ctx, c.role)
		if err != nil {
			return 0, "", err
		}
		statements = fmt.Sprint(after.Since(before).Statements / int64(rounds))
	}
	return median(times), statements, nil
}

// polled counts what viewers of the replaced page cost, who ask for everything again five seconds after each answer.
func (r *replacement) polled(ctx context.Context, old *contestant, viewers int) error {
	progress("  %d viewers of the replaced dashboard", viewers)
	p := startPollers(ctx, old, viewers, sixCalls()...)
	defer p.close()
	if err := pause(ctx, pollEvery); err != nil {
		return err
	}
	rounds := p.rounds.Load()
	used, err := during(ctx, r.jobs, old.role, r.plan.window)
	if err != nil {
		return err
	}
	looks := float64(p.rounds.Load()-rounds) / float64(viewers) / r.plan.window.Minutes()
	row := []string{"replaced: poll", count(r.jobs.Size), fmt.Sprint(viewers), took(used.spent), whole(used.statements), fmt.Sprintf("%.1f", looks), "0 %"}
	if n := p.refused.Load(); n > 0 {
		row[5] += fmt.Sprintf(", %d calls failed", n)
	}
	r.viewers.add(row...)
	return nil
}

// streamed counts what viewers of AgentOS cost, who hold its stream; each has got the document once before.
func (r *replacement) streamed(ctx context.Context, ours *contestant, viewers int, began map[string]float64) error {
	progress("  %d viewers of AgentOS", viewers)
	for range viewers {
		if _, err := ours.fetch(ctx, "/api/admin/ssot", "gzip"); err != nil {
			return err
		}
	}
	a := newAudience(ours)
	err := a.join(ctx, viewers)
	var used rate
	if err == nil {
		a.forget()
		used, err = during(ctx, r.jobs, ours.role, r.plan.window)
	}
	lags, _ := a.lags()
	if err = errors.Join(err, a.leave()); err != nil {
		return err
	}
	now, err := ours.metrics(ctx)
	if err != nil {
		return err
	}
	r.viewers.add("AgentOS: stream", count(r.jobs.Size), fmt.Sprint(viewers), took(used.spent), whole(used.statements),
		fmt.Sprintf("%.1f", float64(len(lags))/r.plan.window.Minutes()), fmt.Sprintf("%.1f %%", 100*hitRate(began, now)))
	return nil
}
