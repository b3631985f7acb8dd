package worker

import (
	"context"
	"time"
)

// ownPoll is how often River looks at a queue by itself, which lookForJobs does for it.
const ownPoll = time.Hour

// fullLook is every how many looks a queue is woken whose own agents have no free slot: others' jobs may be in it.
const fullLook = 10

// wake lets River look at a queue again, in the generation that fetches.
func (s *Service) wake(queue string) {
	if g := s.current.Load(); g != nil {
		g.pilot.Wake(queue)
	}
}

// lookForJobs looks for jobs that nobody announced: inserted by other programs, due after a short wait, or beyond a limit before.
// It asks for all queues at once, so that an idle fleet costs the same whatever its size.
func (s *Service) lookForJobs(loopCtx context.Context) {
	look := -1
	every(loopCtx, fetchPoll, func() {
		if look++; s.active.draining.Load() {
			return
		}
		ctx, cancel := context.WithTimeout(loopCtx, persistTimeout)
		waiting, paused, err := s.fetcher.WaitingQueues(ctx)
		cancel()
		s.health.report("look for waiting jobs", err)
		if err != nil {
			return
		}
		s.gate.SetPaused(paused)
		g := s.current.Load()
		if s.fetcher.Missed() {
			g.notifyPauses(paused)
		}
		rooms := s.gate.Rooms()
		for _, queue := range waiting {
			room, known := rooms[queue]
			if g.serves[queue] && (room || !known || look%fullLook == 0) {
				g.pilot.Wake(queue)
			}
		}
	})
}

// notifyPauses informs River's client which queues are paused, after a gap. The gate keeps them closed meanwhile.
func (g *generation) notifyPauses(paused []string) {
	g.pilot.Control("resume", "*")
	for _, queue := range paused {
		if g.serves[queue] {
			g.pilot.Control("pause", queue)
		}
	}
}
