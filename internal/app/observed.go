package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/asynq"
	"github.com/agentos/agentos/internal/observe"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/source"
)

// observedEngine shows another program's job engine that is no River: for now an asynq in Redis.
func observedEngine(cfg *config.Config, log *slog.Logger, database *schema, lead func() bool, notify func(engine.Event)) (*jobsBackend, error) {
	rules := redact.New(cfg.Redact)
	service, err := observe.New(observe.Options{
		Open:  func(ctx context.Context) (engine.Engine, error) { return asynq.Open(ctx, cfg.Attach, rules) },
		About: asynq.About(cfg.Attach), Own: database.DB, Interval: cfg.Interval, OnEvent: notify, Lead: lead, Log: log,
	})
	if err != nil {
		return nil, err
	}
	began := time.Now()
	return &jobsBackend{
		jobs:     service,
		agents:   func() source.Fleet { return source.Fleet{Fleet: service.Fleet(), LoadedAt: began} },
		engine:   func() document.Engine { return describeEngine(service.About()) },
		attached: func() *document.Attached { return describeObserved(service) },
		components: func() map[string]document.Component {
			return map[string]document.Component{"attached": observedHealth(service)}
		},
		writeError: func() error { return nil },
		start: func(ctx context.Context, group *errgroup.Group) error {
			group.Go(func() error {
				select {
				case <-database.done:
					return service.Run(ctx)
				case <-ctx.Done():
					return nil
				}
			})
			return nil
		},
		drain:     func() error { return nil },
		attempts:  func() int { return 0 },
		dataAt:    service.DataAt,
		unmetered: true,
		close:     func() error { service.Close(); return nil },
		title:     fmt.Sprintf("attached to %s at %s, which is only read", service.About().Engine, service.About().Where),
	}, nil
}

var answers = map[engine.Answer]document.Answer{engine.No: document.AnswerNo, engine.NeedsSetting: document.AnswerNeedsSetting, engine.NeedsGrant: document.AnswerNeedsGrant}

// describeEngine says what an engine cannot report.
func describeEngine(about engine.Info) document.Engine {
	e := document.Engine{Name: about.Engine, Missing: map[document.Capability]document.Missing{}}
	if about.Version != "" {
		e.Version = &about.Version
	}
	for _, what := range engine.Capabilities() {
		if support := about.Caps[what]; support.Answer != engine.Yes {
			e.Missing[document.Capability(what)] = document.Missing{Answer: answers[support.Answer], Why: support.Why}
		}
	}
	return e
}

func describeObserved(service *observe.Service) *document.Attached {
	a := &document.Attached{Database: service.About().Where, Missing: service.Problems()}
	if err := service.Trouble(); err != nil {
		text := err.Error()
		a.Error = &text
	}
	return a
}

// observedHealth is down when the engine cannot be read.
func observedHealth(service *observe.Service) document.Component {
	if err := service.Unreadable(); err != nil {
		return document.Component{Status: document.ComponentDown, Detail: err.Error()}
	}
	if err := service.Trouble(); err != nil {
		return document.Component{Status: document.ComponentDegraded, Detail: err.Error()}
	}
	took := float64(service.Took().Microseconds()) / 1000
	return document.Component{Status: document.ComponentOK, Detail: service.About().Engine, TookMS: &took}
}
