package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// filters are those of the jobs page, common ones and ones that hardly any job passes.
var filters = []struct{ what, query string }{
	{"all", ""},
	{"completed", "state=completed"},
	{"discarded", "state=discarded"},
	{"cancelled", "state=cancelled"},
	{"waiting", "state=available"},
	{"running", "state=running"},
	{"scheduled", "state=scheduled"},
	{"to be tried again", "state=retryable"},
	{"waiting or running", "state=available,running"},
	{"of a kind", "agent=send_mail"},
	{"of a kind, discarded", "agent=send_mail&state=discarded"},
	{"of a kind that there is not", "agent=nobody"},
	{"of a queue", "queue=billing"},
	{"of a queue, waiting", "queue=billing&state=available"},
	{"of a queue that there is not", "queue=nowhere"},
	{"of a kind and a queue", "agent=send_mail&queue=media"},
	{"text in the newest", "q=lorem"},
	{"text that there is not", "q=nothinglikethis"},
	{"text among the discarded", "q=refused&state=discarded"},
	{"an hour, three days ago", ""}, // its times are filled in
}

// lists measures every list and filter of the jobs page, in turn, over HTTP.
func (c *costs) lists(ctx context.Context) error {
	ours, err := c.startAgentOS(ctx)
	if err != nil {
		return err
	}
	defer ours.close()
	progress("lists at %s jobs", count(c.jobs.Size))
	at := time.Now().Add(-72 * time.Hour)
	span := url.Values{"since": {at.UTC().Format(time.RFC3339)}, "until": {at.Add(time.Hour).UTC().Format(time.RFC3339)}}.Encode()
	times := make([][]time.Duration, len(filters))
	pages := make([]listPage, len(filters))
	for range c.plan.asks {
		for i, f := range filters {
			query := f.query
			if i == len(filters)-1 {
				query = span
			}
			began := time.Now()
			text, err := ours.fetch(ctx, "/api/jobs?"+query, "identity")
			if err != nil {
				return err
			}
			times[i] = append(times[i], time.Since(began))
			pages[i] = listPage{}
			if err := json.Unmarshal(text, &pages[i]); err != nil {
				return fmt.Errorf("list %s: %w", f.what, err)
			}
		}
	}
	for i, f := range filters {
		sorted := slices.Sorted(slices.Values(times[i]))
		bound := "whole page"
		switch page := pages[i]; {
		case page.Bounded:
			bound = fmt.Sprintf("stopped after %s jobs", count(page.Searched))
		case page.Next == nil:
			bound = "all there are"
		}
		c.list.add(f.what, count(c.jobs.Size), took(quantile(sorted, 0.5)), took(quantile(sorted, 0.95)), took(sorted[len(sorted)-1]), count(len(pages[i].Jobs)), bound)
	}
	return nil
}

// listPage is the part of a page of jobs that is measured.
type listPage struct {
	Jobs     []json.RawMessage `json:"jobs"`
	Next     *string           `json:"next"`
	Searched int               `json:"searched"`
	Bounded  bool              `json:"search_bounded"`
}
