package main

import (
	"context"
	"errors"
	"fmt"
)

// peers is part d: River UI and AgentOS on the same jobs.
type peers struct {
	*bed
	table *table
}

// openPages is how many pages are left open for the two columns of database time.
var openPages = [2]int{1, 10}

func (b *bed) newPeers(s *section) *peers {
	p := &peers{b, newTable("", "Dashboard", "Jobs", "Running", "Complete in Chromium", "Live", "Requests", "API answers", "Bytes",
		"Database time a minute, 1 page", "10 pages")}
	s.tables = []*table{p.table}
	return p
}

// measure fills the rows of the present filling, with few and with many running jobs.
func (p *peers) measure(ctx context.Context) error {
	for _, running := range []int{p.plan.few, p.plan.many} {
		if err := p.jobs.Have(ctx, "running", running); err != nil {
			return err
		}
		if err := p.compare(ctx, running); err != nil {
			return fmt.Errorf("%s running jobs: %w", count(running), err)
		}
	}
	return nil
}

func (p *peers) compare(ctx context.Context, running int) error {
	peer, err := p.startPeer()
	if err != nil {
		return err
	}
	defer peer.close()
	ours, err := p.startForBrowser(ctx)
	if err != nil {
		return err
	}
	defer ours.close()
	progress("River UI and AgentOS at %s jobs, %s running", count(p.jobs.Size), count(running))
	empty := ours.emptyPage()
	pages, err := p.visits(ctx, peer, ours, empty)
	if err != nil {
		return err
	}
	for _, c := range []*contestant{peer, ours} {
		v := pages[c]
		row := []string{
			c.name, count(p.jobs.Size), count(running), v.complete(), milli(v.Live), fmt.Sprint(v.Requests), fmt.Sprint(v.API), size(v.Bytes),
		}
		for _, n := range openPages {
			used, err := p.watched(ctx, c, n)
			if err != nil {
				return err
			}
			row = append(row, used.time())
		}
		p.table.add(row...)
	}
	v := pages[empty]
	p.table.add(empty.name, count(p.jobs.Size), count(running), v.complete(), milli(v.Live), fmt.Sprint(v.Requests), fmt.Sprint(v.API), size(v.Bytes))
	return nil
}

// watched counts what a contestant asks of the database while pages of it are open.
func (p *peers) watched(ctx context.Context, c *contestant, pages int) (used rate, err error) {
	progress("  %s with %d pages open", c.name, pages)
	if err := p.browser.open(c, pages); err != nil {
		return used, errors.Join(err, p.browser.shut())
	}
	if err = pause(ctx, interval); err == nil { // what opening cost is over
		used, err = during(ctx, p.jobs, c.role, p.plan.window)
	}
	return used, errors.Join(err, p.browser.shut())
}
