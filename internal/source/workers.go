package source

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
)

const (
	// workersChosen is how many workers are listed at most.
	workersChosen = 60
	// lostFirst is how many of the lost ones are listed before those that live.
	lostFirst = 8
)

func workers(d Deps) collectFunc {
	chosen := &choice{most: workersChosen}
	return func(ctx context.Context) (any, error) {
		rows, err := d.Jobs.Workers(ctx)
		if err != nil {
			return nil, err
		}
		v := document.Workers{
			Total:  len(rows),
			States: map[document.WorkerState]int{document.WorkerActive: 0, document.WorkerDraining: 0, document.WorkerLost: 0},
		}
		if !d.lacks(document.CapabilitySlots) {
			v.Slots = new(int)
		}
		if !d.lacks(document.CapabilityRunning) {
			v.Busy = new(int)
		}
		all, place, hosts, now := make([]ranked, len(rows)), make(map[string]int, len(rows)), map[string]bool{}, time.Now()
		for i, w := range slices.Backward(rows) { // of the lost ones those that started last come first
			v.States[document.WorkerState(w.State)]++
			hosts[w.Host] = true
			if w.SkewS != nil && (v.SkewS == nil || math.Abs(*w.SkewS) > math.Abs(*v.SkewS)) {
				v.SkewS = w.SkewS
			}
			if w.State == "active" {
				v.Active++
				v.Slots, v.Busy = plus(v.Slots, w.Slots), plus(v.Busy, w.Running)
			}
			all[len(rows)-1-i], place[w.ID] = ranked{w.ID, workerRank(w, v.States[document.WorkerLost])}, i
		}
		v.Hosts = len(hosts)
		chosen.room = workersBytes - 1<<10 - d.yields(workersYield)
		v.Items = fill(chosen, chosen.pick(all, now), now, func(id string) document.Worker { return describeWorker(rows[place[id]]) })
		v.Listed = len(v.Items)
		return v, nil
	}
}

func describeWorker(w engine.Worker) document.Worker {
	return document.Worker{
		Order: w.Order, ID: w.ID, Host: clip(w.Host, 200), PID: w.PID, State: document.WorkerState(w.State), EngineState: clip(w.EngineState, 60), Version: clip(w.Version, 60),
		StartedAt: w.StartedAt, BeatAt: w.BeatAt, BeatAgeMS: w.BeatAgeMS, SkewS: w.SkewS,
		Slots: w.Slots, Running: w.Running, Done: w.Done, Agents: w.Agents,
		AgentNames: clipList(w.AgentNames, 400), Queues: clipList(w.Queues, 400), MoreQueues: w.MoreQueues,
	}
}

// plus adds a figure that may not be recorded.
func plus(sum, n *int) *int {
	if n == nil {
		return sum
	}
	return new(known(sum) + *n)
}

// known is a figure that may not be recorded.
func known[T int | int64](n *T) T {
	if n == nil {
		return 0
	}
	return *n
}

// workerRank is how important it is that a worker is listed: those that live come before those that do not, but for some that
// were lost, which is to be seen in a large cluster too.
func workerRank(w engine.Worker, lost int) int {
	switch w.State {
	case "lost":
		if lost <= lostFirst {
			return 0
		}
		return 4
	case "draining":
		return 1
	case "active":
		if known(w.Running) > 0 {
			return 2
		}
		return 3
	}
	return 5
}
