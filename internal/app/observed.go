package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/asynq"
	"github.com/agentos/agentos/internal/observe"
	"github.com/agentos/agentos/internal/redact"
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
	s := othersJobs(service, database)
	s.attached = func() *document.Attached { return describeObserved(service) }
	s.components = func() map[string]document.Component {
		return map[string]document.Component{"attached": observedHealth(service)}
	}
	s.unmetered = true
	s.close = func() error { service.Close(); return nil }
	s.title = fmt.Sprintf("attached to %s at %s, which is only read", service.About().Engine, service.About().Where)
	return s, nil
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
