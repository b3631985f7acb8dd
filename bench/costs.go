package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// costs is part e: what AgentOS costs by itself.
type costs struct {
	*bed
	section *section
	start   *table
	cycle   *table
	flow    *table
	list    *table
	idle    map[int]cycle         // by number of jobs
	flowing map[int]time.Duration // of the database in all minutes of flow, by number of jobs
	history history               // of the present filling
}

func (b *bed) newCosts(s *section) *costs {
	c := &costs{
		bed: b, section: s, idle: map[int]cycle{}, flowing: map[int]time.Duration{},
		start: newTable("Start and size", "Jobs", "Ready, new data folder", "Ready, kept data folder", "Memory", "Binary", "History read in", "with database time"),
		cycle: newTable("A cycle by size and backlog", "Jobs", "Waiting", "Slowest section", "All sections", "Statements", "Blocks", "Database time"),
		flow:  newTable("A minute in a steady flow", "Jobs", "Waiting", "Jobs a second", "Viewers", "Database time", "Statements", "Memory"),
	}
	c.list = newTable("Lists of the jobs page", "List", "Jobs", "p50", "p95", "Slowest", "Jobs on the page", "The search")
	s.tables = []*table{c.start, c.cycle, c.flow, c.list}
	return c
}

// measure fills the rows of the present filling.
func (c *costs) measure(ctx context.Context) error {
	if err := c.starts(ctx); err != nil {
		return err
	}
	for _, waiting := range c.plan.manyWaiting {
		if err := c.jobs.Have(ctx, "available", waiting); err != nil {
			return err
		}
		if err := c.cycles(ctx, waiting); err != nil {
			return err
		}
		if waiting == c.plan.waiting {
			continue
		}
		if err := c.flows(ctx, waiting, slices.Max(c.plan.pollers)); err != nil { // a big backlog must not cost more
			return err
		}
	}
	if err := c.jobs.Have(ctx, "available", c.plan.waiting); err != nil {
		return err
	}
	if err := c.lists(ctx); err != nil {
		return err
	}
	return c.flows(ctx, c.plan.waiting, append([]int{0}, c.plan.pollers...)...)
}

// starts measures the time from the start of the process to the moment at which it can show the dashboard, and what reading the
// history has cost.
func (c *costs) starts(ctx context.Context) error {
	progress("starting AgentOS at %s jobs", count(c.jobs.Size))
	var fresh, kept []time.Duration
	for range c.plan.visits {
		data, err := os.MkdirTemp(c.folder, "start-")
		if err != nil {
			return err
		}
		ready, err := c.startOnce(data)
		if err = errors.Join(err, os.RemoveAll(data)); err != nil {
			return err
		}
		fresh = append(fresh, ready)
		if ready, err = c.startOnce(c.data); err != nil {
			return err
		}
		kept = append(kept, ready)
	}
	ours, err := c.startAgentOS(ctx)
	if err != nil {
		return err
	}
	defer ours.close()
	memory, err := c.memoryAtRest(ctx, ours)
	if err != nil {
		return err
	}
	binary, err := os.Stat(c.binary)
	if err != nil {
		return err
	}
	c.start.add(count(c.jobs.Size), spread(fresh, took), spread(kept, took), size(memory), size(binary.Size()),
		took(c.history.took), took(c.history.spent))
	return nil
}

func (c *costs) startOnce(data string) (time.Duration, error) {
	began := time.Now()
	ours, err := c.launchAgentOS(data, "/readyz")
	if err != nil {
		return 0, err
	}
	ready := time.Since(began)
	ours.close()
	return ready, nil
}

// restWindows is for how many windows cycles are measured at rest: a minute has twelve, in which costly sections, whose turn comes
// each minute or less often, are or are not.
const restWindows = 3

// cycles measures the warmer with a backlog.
func (c *costs) cycles(ctx context.Context, waiting int) error {
	ours, err := c.startAgentOS(ctx)
	if err != nil {
		return err
	}
	defer ours.close()
	progress("cycles at %s jobs, %s waiting", count(c.jobs.Size), count(waiting))
	cycle, err := c.bed.cycles(ctx, ours, restWindows*c.plan.window)
	if err != nil {
		return err
	}
	if waiting == c.plan.waiting {
		c.idle[c.jobs.Size] = cycle
	}
	c.cycle.add(count(c.jobs.Size), count(waiting), took(cycle.slowest), took(cycle.sum), whole(cycle.statements), whole(cycle.blocks), took(cycle.spent))
	return nil
}

// flows counts a minute's database time while jobs come and go, without viewers and with some.
func (c *costs) flows(ctx context.Context, waiting int, audiences ...int) error {
	ours, err := c.startAgentOS(ctx)
	if err != nil {
		return err
	}
	defer ours.close()
	for _, viewers := range audiences {
		if err := c.minute(ctx, ours, waiting, viewers); err != nil {
			return err
		}
	}
	return nil
}

func (c *costs) minute(ctx context.Context, ours *contestant, waiting, viewers int) error {
	progress("  a flow of %d jobs a second at %s jobs, %d viewers", c.plan.flowRate, count(c.jobs.Size), viewers)
	f, err := c.jobs.StartFlow(ctx, c.plan.flowRate)
	if err != nil {
		return err
	}
	a := newAudience(ours)
	var used rate
	if err = a.join(ctx, viewers); err == nil {
		if err = pause(ctx, 2*interval); err == nil {
			used, err = during(ctx, c.jobs, ours.role, c.plan.window)
		}
	}
	memory := memoryOf(ours.pid())
	done, flowErr := f.Close()
	if err = errors.Join(err, flowErr, a.leave()); err != nil {
		return err
	}
	if waiting == c.plan.waiting {
		c.flowing[c.jobs.Size] += used.spent
	}
	c.flow.add(count(c.jobs.Size), count(waiting), whole(done), fmt.Sprint(viewers), took(used.spent), whole(used.statements), size(memory))
	return nil
}

// finish reports how a cycle grows from the smallest to the largest number of jobs.
func (c *costs) finish() {
	sizes := c.plan.costSizes
	small, large := c.idle[sizes[0]], c.idle[sizes[len(sizes)-1]]
	if len(sizes) < 2 || small.spent == 0 || large.spent == 0 {
		return
	}
	of := func(large, small time.Duration) string { return fmt.Sprintf("%.2f", float64(large)/float64(small)) }
	c.section.note("A cycle at %s jobs, beside one at %s, with %s waiting: at rest its slowest section takes %s times as long, and it takes %s times the "+
		"database time, with %d %% of the statements and %s times the blocks; in the flow, all minutes together, %s times the database time.",
		count(sizes[len(sizes)-1]), count(sizes[0]), count(c.plan.waiting), of(large.slowest, small.slowest), of(large.spent, small.spent),
		int(100*large.statements/small.statements), fmt.Sprintf("%.2f", large.blocks/small.blocks), of(c.flowing[sizes[len(sizes)-1]], c.flowing[sizes[0]]))
}
