package adapter

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/engine/river/ends"
	"github.com/agentos/agentos/internal/redact"
)

// own is a fleet of ours.
type own struct {
	*river.Reader
	ends  *ends.Reader
	fleet func() *agent.Fleet
}

// Own puts a fleet of ours behind the interface. The fleet is asked for each time.
func Own(reader *river.Reader, d *db.DB, rules *redact.Rules, fleet func() *agent.Fleet) *Engine {
	return New(own{reader, ends.NewReader(d, rules), fleet}, About(d.URL, true))
}

func (o own) Active(ctx context.Context) (map[engine.StateQueue]engine.Active, time.Time, error) {
	at := time.Now()
	counts, err := o.CountActive(ctx)
	return counts, at, err
}

func (o own) Schedules() []engine.Schedule {
	var all []engine.Schedule
	for _, spec := range o.fleet().Agents {
		if spec.Schedule == "" {
			continue
		}
		one := engine.Schedule{ID: spec.Name, Kind: spec.Name, Spec: spec.Schedule}
		if schedule, err := agent.ParseSchedule(spec.Schedule); err == nil {
			next := schedule.Next(time.Now())
			one.NextAt = &next
		}
		all = append(all, one)
	}
	return all
}

func (o own) Follow(ctx context.Context, after engine.Cursor, take func(engine.Batch) error) error {
	return o.ends.Follow(ctx, func(context.Context) (time.Time, error) { return time.Now(), nil }, after, take)
}
