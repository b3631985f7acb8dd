package server

import (
	"context"

	"github.com/agentos/agentos/internal/auth"
)

// body is the output of an operation that answers with T.
type body[T any] struct{ Body T }

func answerWith[T any](v T) *body[T] { return &body[T]{Body: v} }

// Me is who makes the request.
type Me struct {
	Name string    `json:"name"`
	Role auth.Role `json:"role" enum:"viewer,operator,admin"`
	Kind string    `json:"kind" enum:"session,token"`
}

func (s *server) getMe(ctx context.Context, _ *struct{}) (*body[Me], error) {
	p := callFrom(ctx).principal
	return answerWith(Me{Name: p.Name, Role: p.Role, Kind: p.Kind}), nil
}
