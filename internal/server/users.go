package server

import (
	"context"

	"github.com/agentos/agentos/internal/auth"
)

// UserList is all users by name.
type UserList struct {
	Users []auth.User `json:"users"`
}

func (s *server) listUsers(ctx context.Context, _ *struct{}) (*body[UserList], error) {
	users, err := s.Auth.ListUsers(ctx)
	return answerOr(UserList{Users: listed(users)}, err)
}

// NewUser asks for a user.
type NewUser struct {
	Name     string    `json:"name" minLength:"1" maxLength:"63" doc:"a-z 0-9 . _ @ -"`
	Password string    `json:"password" minLength:"10" maxLength:"1024" doc:"Not a common one, and not the user's name"`
	Role     auth.Role `json:"role" enum:"viewer,operator,admin"`
}

func (s *server) createUser(ctx context.Context, in *struct{ Body NewUser }) (*body[auth.User], error) {
	if err := s.Auth.CreateUser(ctx, in.Body.Name, in.Body.Password, in.Body.Role); err != nil {
		return nil, err
	}
	return answerOr(s.Auth.GetUser(ctx, in.Body.Name))
}

func (s *server) deleteUser(ctx context.Context, in *nameInput) (*struct{}, error) {
	return nil, s.Auth.DeleteUser(ctx, in.Name)
}

// NewPassword replaces a password; all sessions of the user end.
type NewPassword struct {
	Password string `json:"password" minLength:"10" maxLength:"1024"`
}

func (s *server) setUserPassword(ctx context.Context, in *struct {
	Name string `path:"name" minLength:"1" maxLength:"63"`
	Body NewPassword
},
) (*struct{}, error) {
	return nil, s.Auth.SetPassword(ctx, in.Name, in.Body.Password)
}

// NewRole replaces a role.
type NewRole struct {
	Role auth.Role `json:"role" enum:"viewer,operator,admin"`
}

func (s *server) setUserRole(ctx context.Context, in *struct {
	Name string `path:"name" minLength:"1" maxLength:"63"`
	Body NewRole
},
) (*struct{}, error) {
	return nil, s.Auth.SetRole(ctx, in.Name, in.Body.Role)
}
