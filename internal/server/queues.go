package server

import (
	"context"
	"slices"

	"github.com/agentos/agentos/internal/engine"
)

// QueueList is a page of the queues.
type QueueList struct {
	Queues []engine.Queue `json:"queues"`
	PageInfo
}

// WorkerList is a page of the workers that live or were lost a short time ago.
type WorkerList struct {
	Workers []engine.Worker `json:"workers"`
	PageInfo
}

type listQueuesInput struct {
	ListInput
	State string `query:"state" doc:"Only queues in this state" enum:"paused,running,waiting,idle"`
}

type listWorkersInput struct {
	ListInput
	State string `query:"state" doc:"Only workers in this state" enum:"active,draining,lost,quiet"`
}

type nameInput struct {
	Name string `path:"name" minLength:"1" maxLength:"128"`
}

func (s *server) listQueues(ctx context.Context, in *listQueuesInput) (*body[QueueList], error) {
	queues, err := s.Jobs.Queues(ctx)
	if err != nil {
		return nil, err
	}
	at := func(q engine.Queue) place { return place{q.Order, q.Name} }
	part, info, err := pageOf(in.ListInput, queues, func(i int) place { return at(queues[i]) }, func(i int) bool {
		q := queues[i]
		return (in.State == "" || queueState(q) == in.State) && (in.has(q.Name) || in.has(q.Agents...))
	})
	part = fitPage(part, &info, at)
	return answerOr(QueueList{part, info}, err)
}

// queueState is the state of a queue as the dashboard shows it.
func queueState(q engine.Queue) string {
	switch {
	case q.PausedAt != nil:
		return "paused"
	case q.Processing != nil && *q.Processing > 0:
		return "running"
	case q.Pending != nil && *q.Pending > 0:
		return "waiting"
	}
	return "idle"
}

func (s *server) listWorkers(ctx context.Context, in *listWorkersInput) (*body[WorkerList], error) {
	workers, err := s.Jobs.Workers(ctx)
	if err != nil {
		return nil, err
	}
	at := func(w engine.Worker) place { return place{w.Order, w.ID} }
	part, info, err := pageOf(in.ListInput, workers, func(i int) place { return at(workers[i]) }, func(i int) bool {
		w := workers[i]
		return (in.State == "" || w.State == in.State) && in.has(append(slices.Concat(w.AgentNames, w.Queues), w.ID, w.Host)...)
	})
	part = fitPage(part, &info, at)
	return answerOr(WorkerList{part, info}, err)
}

func (s *server) pauseQueue(ctx context.Context, in *nameInput) (*struct{}, error) {
	err := s.Actions.PauseQueue(ctx, in.Name)
	s.acted(ctx, "queue.pause", in.Name, err, engine.QueueChanged)
	return nil, err
}

func (s *server) resumeQueue(ctx context.Context, in *nameInput) (*struct{}, error) {
	err := s.Actions.ResumeQueue(ctx, in.Name)
	s.acted(ctx, "queue.resume", in.Name, err, engine.QueueChanged)
	return nil, err
}
