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
	User string    `json:"user" doc:"The user whose rights these are; empty: a service token's own"`
}

// OwnPassword replaces the password of who asks. Nothing is demanded here: the answer to a token is that it has none.
type OwnPassword struct {
	Present  string `json:"present,omitempty" maxLength:"1024" doc:"The current password"`
	Password string `json:"password,omitempty" maxLength:"1024" doc:"The new one, of at least 10 characters"`
}

func (s *server) changePassword(ctx context.Context, in *struct{ Body OwnPassword }) (*struct{}, error) {
	c := callFrom(ctx)
	return nil, s.Auth.ChangePassword(ctx, c.principal, in.Body.Present, in.Body.Password, c.request.RemoteAddr)
}

func (s *server) getMe(ctx context.Context, _ *struct{}) (*body[Me], error) {
	p := callFrom(ctx).principal
	return answerWith(Me{Name: p.Name, Role: p.Role, Kind: p.Kind, User: p.User}), nil
}
