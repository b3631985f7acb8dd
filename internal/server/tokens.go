package server

import (
	"context"
	"time"

	"github.com/agentos/agentos/internal/auth"
)

// TokenList is all API tokens by name.
type TokenList struct {
	Tokens []auth.Token `json:"tokens"`
}

func (s *server) listTokens(ctx context.Context, _ *struct{}) (*body[TokenList], error) {
	tokens, err := s.Auth.ListTokens(ctx)
	return answerOr(TokenList{Tokens: listed(tokens)}, err)
}

// NewToken asks for a token.
type NewToken struct {
	Name string    `json:"name" minLength:"1" maxLength:"63" doc:"a-z 0-9 . _ @ -"`
	Role auth.Role `json:"role" enum:"viewer,operator,admin"`
	TTLS int64     `json:"ttl_s,omitempty" minimum:"1" maximum:"315360000" doc:"Seconds until it expires; left out: never"`

	Owner   string `json:"owner,omitempty" maxLength:"63" doc:"The user whose rights it has, never more, and whose deletion ends it; left out: its creator"`
	Service bool   `json:"service,omitempty" doc:"It has rights of its own and outlives its creator; a token that a service token makes always does"`
}

// CreatedToken is a new token with its secret, which is shown this once.
type CreatedToken struct {
	auth.Token
	Secret string `json:"token" doc:"The secret: send it as \"Authorization: Bearer TOKEN\". It is stored nowhere."`
}

func (s *server) createToken(ctx context.Context, in *struct{ Body NewToken }) (*body[CreatedToken], error) {
	token, secret, err := s.Auth.CreateToken(ctx, auth.TokenParams{
		Name: in.Body.Name, Role: in.Body.Role, TTL: time.Duration(in.Body.TTLS) * time.Second, Owner: in.Body.Owner, Service: in.Body.Service,
	})
	return answerOr(CreatedToken{Token: token, Secret: secret}, err)
}

func (s *server) revokeToken(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"20" doc:"The token's id"`
},
) (*struct{}, error) {
	return nil, s.Auth.RevokeToken(ctx, in.ID)
}
