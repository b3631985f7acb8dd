package server

import (
	"context"

	"github.com/agentos/agentos/internal/jobs"
)

// QueueList is all queues.
type QueueList struct {
	Queues []jobs.Queue `json:"queues"`
}

// WorkerList is all workers that live or were lost a short time ago.
type WorkerList struct {
	Workers []jobs.Worker `json:"workers"`
}

type nameInput struct {
	Name string `path:"name" minLength:"1" maxLength:"128"`
}

func (s *server) listQueues(ctx context.Context, _ *struct{}) (*body[QueueList], error) {
	queues, err := s.Jobs.Queues(ctx)
	return answerOr(QueueList{Queues: listed(queues)}, err)
}

func (s *server) listWorkers(ctx context.Context, _ *struct{}) (*body[WorkerList], error) {
	workers, err := s.Jobs.Workers(ctx)
	return answerOr(WorkerList{Workers: listed(workers)}, err)
}

func (s *server) pauseQueue(ctx context.Context, in *nameInput) (*struct{}, error) {
	err := s.Actions.PauseQueue(ctx, in.Name)
	s.acted(ctx, "queue.pause", in.Name, err, "queue", "agents")
	return nil, err
}

func (s *server) resumeQueue(ctx context.Context, in *nameInput) (*struct{}, error) {
	err := s.Actions.ResumeQueue(ctx, in.Name)
	s.acted(ctx, "queue.resume", in.Name, err, "queue", "agents")
	return nil, err
}
