package server

import (
	"context"

	"github.com/agentos/agentos/internal/auth"
)

// AuditLog is one page of the audit log.
type AuditLog struct {
	Entries []auth.Entry `json:"entries" doc:"Newest first"`
	Next    *int64       `json:"next" doc:"Ask with before=next for older ones; null: there are none"`
}

func (s *server) listAudit(ctx context.Context, in *struct {
	Before int64  `query:"before" minimum:"0" default:"0" doc:"Only entries with a smaller id"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Class  string `query:"class" enum:"account,refused,act" doc:"Only these: account for users, tokens and sign-ins, refused for what was refused of these, act for jobs, queues and agents"`
},
) (*body[AuditLog], error) {
	entries, err := s.Auth.ListAudit(ctx, in.Before, in.Limit, in.Class)
	if err != nil {
		return nil, err
	}
	log := AuditLog{Entries: entries}
	if len(entries) == in.Limit {
		log.Next = &entries[len(entries)-1].ID
	}
	return answerWith(log), nil
}
