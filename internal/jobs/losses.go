package jobs

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
)

// A job whose worker died may be what killed it. How many workers died while they ran a job is kept with the job, under this
// key of its metadata. The first time it runs again at once: most deaths are the machine's. From the second on it waits
// longer each time, and runs beside no other such job of its worker, so that one bad job does not bring down the reputation of
// others. At the agent's max_losses it is discarded.
const (
	lossesKey   = "agentos_losses"
	suspectFrom = 2                // losses
	lossFirst   = 10 * time.Second // the wait after the second; each further one is twice as long
	lossMost    = 10 * time.Minute
	// suspectLater is when a job is looked at again that may not run beside another.
	suspectLater = 3 * time.Second
)

// fate is what became of a job whose worker died.
type fate struct {
	moved, discarded bool
	text             string // for its run; empty: the usual one
}

// lose counts that a worker died while it ran a job, and moves the job on.
func (s *Service) lose(ctx context.Context, tx *db.Tx, j running) (fate, error) {
	if j.cancelled {
		moved, err := s.giveBack(ctx, tx, j)
		return fate{moved: moved}, err
	}
	var kind string
	var losses int
	err := tx.QueryRowContext(ctx, `select j.kind, `+s.sql.losses+` from river_job j where j.id = $1`+s.sql.forUpdate, j.id).Scan(&kind, &losses)
	if errors.Is(err, sql.ErrNoRows) {
		return fate{}, nil
	}
	if err != nil {
		return fate{}, err
	}
	losses++
	most := agent.DefaultMaxLosses
	if spec := s.Fleet().Agent(kind); spec != nil {
		most = orElse(spec.MaxLosses, most)
	}
	if losses >= most {
		return s.discardLost(ctx, tx, j, losses)
	}
	wait := lossDelay(losses)
	change := backChange
	if wait > retrySoon {
		change = strings.Replace(change, "available", "scheduled", 1)
	}
	f := fate{}
	f.moved, err = s.move(ctx, tx, j, change+`, metadata = `+fmt.Sprintf(s.sql.withLosses, 6), time.Now().Add(wait), wait == 0, losses)
	if losses >= suspectFrom {
		f.text = fmt.Sprintf("%s, %s while it ran this job%s and waits %s", lostWorker(j.worker), ordinal(losses), backText, wait.Round(time.Second))
	}
	return f, err
}

// discardLost gives up a job that may be what killed its workers.
func (s *Service) discardLost(ctx context.Context, tx *db.Tx, j running, losses int) (fate, error) {
	text := fmt.Sprintf("%s, %s while it ran this job; the job was discarded, because it may be what ends them: "+
		"look for its memory and its time, then retry it", lostWorker(j.worker), ordinal(losses))
	failure, err := json.Marshal(rivertype.AttemptError{At: time.Now().UTC(), Attempt: j.attempt, Error: text})
	if err != nil {
		return fate{}, err
	}
	moved, err := s.move(ctx, tx, j, `state = 'discarded', finalized_at = $5, metadata = `+fmt.Sprintf(s.sql.withLosses, 6)+`,
		errors = `+fmt.Sprintf(s.sql.withError, 7), time.Now(), false, losses, string(failure))
	return fate{moved: moved, discarded: moved, text: text}, err
}

// lossDelay is how long a job waits that has lost so many workers. It is spread widely: jobs that were lost together are not to
// run together again.
func lossDelay(losses int) time.Duration {
	if losses < suspectFrom {
		return 0
	}
	wait := min(lossFirst<<min(losses-suspectFrom, 16), lossMost)
	return wait/2 + rand.N(wait)
}

// isSuspect tells whether a job has lost several workers.
func isSuspect(job *rivertype.JobRow) bool {
	if !bytes.Contains(job.Metadata, []byte(lossesKey)) {
		return false
	}
	var kept struct {
		Losses int `json:"agentos_losses"`
	}
	return json.Unmarshal(job.Metadata, &kept) == nil && kept.Losses >= suspectFrom
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
