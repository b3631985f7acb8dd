package worker

import (
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine/river"
)

// The database gave a job to this worker, but the answer was lost with the connection; or the end of an attempt could
// not be written while the database was away. Nobody else takes the job over, for its worker lives.
func TestAJobInNobodysHandsIsBackSoon(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := start(t, database, agents(sh("held", "sleep 60", "kill_grace: 0s")))
		held := enqueue(t, s, "held")
		untilState(t, s, held.ID, "running")
		id := insertRunning(t, s, river.ClientID(s.id, 1))
		until(t, "it is back", func() bool { return get(t, s, id).State == "available" })
		if d := get(t, s, id); *d.Attempt != 1 {
			t.Errorf("it has used up an attempt: %+v", d.Job)
		}
		if d := get(t, s, held.ID); d.State != "running" || *d.Attempt != 1 {
			t.Errorf("a job that its worker holds is %s in attempt %d", d.State, d.Attempt)
		}
	})
}
