package attach

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river/adapter"
)

// behind is the service behind the interface of engines.
type behind struct{ *Service }

// Engine is the attached database behind the interface of engines.
func (s *Service) Engine() engine.Engine {
	return adapter.New(behind{s}, s.About())
}

// About is the attached database, with what River does not record of another program's jobs.
func (s *Service) About() engine.Info { return adapter.About(s.foreign.URL, false) }

func (b behind) Active(ctx context.Context) (map[engine.StateQueue]engine.Active, time.Time, error) {
	return b.waitingJobs(ctx)
}

func (b behind) Schedules() []engine.Schedule { return nil }

func (b behind) Follow(ctx context.Context, after engine.Cursor, take func(engine.Batch) error) error {
	if b.noEnded() {
		return missing(endedIndex)
	}
	return b.ends.Follow(ctx, b.present, after, take)
}
