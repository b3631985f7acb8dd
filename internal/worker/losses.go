package worker

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/fetch"
)

// A job whose worker died may be what killed it. How many workers died while they ran a job is kept with the job, in its
// metadata. The first time it runs again at once: most deaths are the machine's. From the second on it waits
// longer each time, and runs beside no other such job of its worker, so that one bad job does not bring down the reputation of
// others. At the agent's max_losses it is discarded.
const (
	lossFirst = 10 * time.Second // the wait after the second; each further one is twice as long
	lossMost  = 10 * time.Minute
)

// fate is what became of a job whose worker died.
type fate struct {
	moved, discarded bool
	text             string // for its run; empty: the usual one
}

// lose counts that a worker died while it ran a job, and moves the job on.
func (s *Service) lose(ctx context.Context, tx *db.Tx, j river.Running) (fate, error) {
	if j.Cancelled {
		moved, err := s.actor.Requeue(ctx, tx, j)
		return fate{moved: moved}, err
	}
	kind, losses, err := s.actor.Losses(ctx, tx, j.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return fate{}, nil
	}
	if err != nil {
		return fate{}, err
	}
	losses++
	most := agent.DefaultMaxLosses
	if spec := s.Fleet().Agent(kind); spec != nil {
		most = cmp.Or(spec.MaxLosses, most)
	}
	if losses >= most {
		text := fmt.Sprintf("%s, %s while it ran this job; the job was discarded, because it may be what ends them: "+
			"look for its memory and its time, then retry it", lostWorker(j.Worker), ordinal(losses))
		moved, err := s.actor.DiscardLost(ctx, tx, j, losses, text)
		return fate{moved: moved, discarded: moved, text: text}, err
	}
	f, wait := fate{}, lossDelay(losses)
	f.moved, err = s.actor.RequeueLost(ctx, tx, j, losses, wait)
	if losses >= fetch.SuspectFrom {
		f.text = fmt.Sprintf("%s, %s while it ran this job%s and waits %s", lostWorker(j.Worker), ordinal(losses), backText, wait.Round(time.Second))
	}
	return f, err
}

// lossDelay is how long a job waits that has lost so many workers. It is spread widely: jobs that were lost together are not to
// run together again.
func lossDelay(losses int) time.Duration {
	if losses < fetch.SuspectFrom {
		return 0
	}
	wait := min(lossFirst<<min(losses-fetch.SuspectFrom, 16), lossMost)
	return wait/2 + rand.N(wait)
}

// ordinal writes which one it is: the 2nd.
func ordinal(n int) string {
	suffix := "th"
	if tens := n / 10 % 10; tens != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("the %d%s", n, suffix)
}
