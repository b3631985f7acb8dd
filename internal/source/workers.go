package source

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/snapshot"
)

const (
	// workersChosen is how many workers are listed at most.
	workersChosen = 60
	// lostFirst is how many of the lost ones are listed before those that live.
	lostFirst = 8
)

// workersValue is the section `workers`. The figures count all; Total counts lost workers too, for as long as they are listed.
type workersValue struct {
	Total  int                    `json:"total"`
	Active int                    `json:"active"`
	States map[string]int         `json:"states"` // how many are in each state
	Hosts  int                    `json:"hosts"`
	Slots  int                    `json:"slots"` // of the active ones
	Busy   int                    `json:"busy"`
	Listed int                    `json:"listed"`
	SkewS  *float64               `json:"skew_s"` // of the clock that is furthest from the database's; null: none is off
	Items  map[string]jobs.Worker `json:"items"`
}

func workers(d Deps) snapshot.Source {
	chosen := &choice{most: workersChosen, room: workersBytes - 1<<10}
	return snapshot.SourceFunc(func(ctx context.Context) (any, error) {
		rows, err := d.Jobs.Workers(ctx)
		if err != nil {
			return nil, err
		}
		v := workersValue{Total: len(rows), States: map[string]int{"active": 0, "draining": 0, "lost": 0}}
		all, place, hosts, now := make([]ranked, len(rows)), make(map[string]int, len(rows)), map[string]bool{}, time.Now()
		for i, w := range slices.Backward(rows) { // of the lost ones those that started last come first
			v.States[w.State]++
			hosts[w.Host] = true
			if w.SkewS != nil && (v.SkewS == nil || math.Abs(*w.SkewS) > math.Abs(*v.SkewS)) {
				v.SkewS = w.SkewS
			}
			if w.State == "active" {
				v.Active++
				v.Slots += w.Slots
				v.Busy += w.Running
			}
			all[len(rows)-1-i], place[w.ID] = ranked{w.ID, workerRank(w, v.States["lost"])}, i
		}
		v.Hosts = len(hosts)
		v.Items = fill(chosen, chosen.pick(all, now), now, func(id string) jobs.Worker {
			w := rows[place[id]]
			w.Version, w.Host = clip(w.Version, 60), clip(w.Host, 200)
			w.AgentNames, w.Queues = clipList(w.AgentNames, 400), clipList(w.Queues, 400)
			return w
		})
		v.Listed = len(v.Items)
		return v, nil
	})
}

// workerRank tells how important it is that a worker is listed: those that live come before those that do not, but for some that
// were lost, which is to be seen in a large cluster too.
func workerRank(w jobs.Worker, lost int) int {
	switch w.State {
	case "lost":
		if lost <= lostFirst {
			return 0
		}
		return 4
	case "draining":
		return 1
	case "active":
		if w.Running > 0 {
			return 2
		}
		return 3
	}
	return 5
}
