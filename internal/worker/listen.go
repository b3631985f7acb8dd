package worker

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/fetch"
)

// listen passes on what River's clients announce: inserted jobs, whatever program they come from. Without it those would be
// seen only when somebody looks.
func (s *Service) listen(ctx context.Context) {
	for {
		err := s.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		s.health.report("listen for inserted jobs", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(fetch.RelistenAfter):
		}
	}
}

// listenOnce listens on a connection of its own until that breaks.
func (s *Service) listenOnce(ctx context.Context) (err error) {
	listener := riverpgxv5.New(s.db.Pool).GetListener(&riverdriver.GetListenenerParams{})
	connecting, cancel := context.WithTimeout(ctx, persistTimeout)
	defer cancel()
	if err := listener.Connect(connecting); err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, listener.Close(closing))
	}()
	if err := listener.Listen(connecting, river.InsertTopic); err != nil {
		return err
	}
	s.health.report("listen for inserted jobs", nil)
	for {
		s.notify(engine.JobEnqueued) // also at first: something may have been missed
		if _, err := listener.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}
