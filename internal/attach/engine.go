package attach

import (
	"context"

	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river/adapter"
)

// Engine is the attached database behind the interface of engines.
func (s *Service) Engine() engine.Engine { return adapter.New(s, s.About()) }

// About is the attached database, with what River does not record of another program's jobs.
func (s *Service) About() engine.Info { return adapter.About(s.foreign.URL, false) }

// Schedules are none: River's periodic jobs are known to the clients that insert them alone.
func (s *Service) Schedules() []engine.Schedule { return nil }

// Follow reports what ends, as engine.Engine does.
func (s *Service) Follow(ctx context.Context, after engine.Cursor, take func(engine.Batch) error) error {
	if s.noEnded() {
		return missing(endedIndex)
	}
	return s.ends.Follow(ctx, s.present, after, take)
}
