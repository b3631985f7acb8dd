package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/test/api"
)

// measured is AgentOS' document, as far as it is measured.
type measured struct{ document.Document }

func (c *contestant) document(ctx context.Context) (d measured, err error) {
	return d, c.api().Call(ctx, http.MethodGet, "/api/admin/ssot", nil, &d)
}

// missing is an error unless every section was collected since.
func (d measured) missing(since time.Time) error {
	for name, s := range d.Meta.Sections {
		if s.AsOf != nil && !s.AsOf.Before(since) {
			continue
		}
		if s.Error != nil {
			return fmt.Errorf("section %s is of %v: %s", name, s.AsOf, *s.Error)
		}
		return fmt.Errorf("section %s is of %v", name, s.AsOf)
	}
	return nil
}

// rebuild is how long it took to collect, side by side, which is the slowest, and one after the other, the sections that were
// collected since an earlier document: the costly ones are not in every cycle.
func (d measured) rebuild(earlier measured) (slowest, sum time.Duration) {
	for name, s := range d.Meta.Sections {
		if was := earlier.Meta.Sections[name].AsOf; s.Error == nil && s.AsOf != nil && was != nil && !s.AsOf.After(*was) {
			continue
		}
		took := time.Duration(s.TookMS * float64(time.Millisecond))
		slowest, sum = max(slowest, took), sum+took
	}
	return slowest, sum
}

// metrics are AgentOS' counters by name with labels.
func (c *contestant) metrics(ctx context.Context) (map[string]float64, error) {
	request, err := c.api().Request(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics: %s", response.Status)
	}
	return api.Metrics(text), nil
}

// hitRate is the share of answers that came from memory.
func hitRate(before, after map[string]float64) float64 {
	var hits, all float64
	for name, value := range after {
		if !strings.HasPrefix(name, "agentos_snapshot_answers_total") && !strings.HasPrefix(name, "agentos_snapshot_unavailable_total") {
			continue
		}
		all += value - before[name]
		if strings.Contains(name, `rung="memory"`) {
			hits += value - before[name]
		}
	}
	if all == 0 {
		return 0
	}
	return hits / all
}
