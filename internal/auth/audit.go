package auth

import (
	"context"
	"database/sql"
	"math"
	"strings"
	"time"
)

// Entry is one line of the audit log: who did what to what, when, and from where.
type Entry struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor" doc:"The user or token that acted"`
	Kind    string    `json:"kind" enum:"session,token,local" doc:"local: a command on the server's machine"`
	Action  string    `json:"action" doc:"Such as job.cancel"`
	Target  string    `json:"target" doc:"What was acted on: a job's id, a queue's or user's name"`
	Outcome string    `json:"outcome" enum:"ok,refused,failed" doc:"refused: it could not be done to this target, or not then; nothing was changed"`
	Detail  string    `json:"detail"`
	Remote  string    `json:"remote" doc:"The client's address"`
}

// KindLocal is the kind of an actor without credential: a command on the server's machine.
const KindLocal = "local"

// Actor is who is behind a context, for the audit log.
type Actor struct {
	Name   string
	Kind   string
	Remote string
}

type actorKey struct{}

// WithActor notes who acts in ctx.
func WithActor(ctx context.Context, actor Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorFrom returns who acts in ctx; without WithActor it is the local command line.
func ActorFrom(ctx context.Context) Actor {
	if actor, ok := ctx.Value(actorKey{}).(Actor); ok {
		return actor
	}
	return Actor{Name: "local", Kind: KindLocal}
}

// Record adds an entry. Zero fields are filled in: the time, the outcome "ok", and the actor of ctx.
func (s *Service) Record(ctx context.Context, entry Entry) error {
	if err := s.insertEntry(ctx, s.db.Write, entry.by(ActorFrom(ctx))); err != nil {
		return unavailable("record "+entry.Action, err)
	}
	return nil
}

// ListAudit returns at most limit entries older than the entry with id before (zero: the newest), newest first.
func (s *Service) ListAudit(ctx context.Context, before int64, limit int) ([]Entry, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := s.db.Read.QueryContext(ctx, `select id, at, actor, kind, action, target, outcome, detail, remote
		from audit where id < $1 order by id desc limit $2`, before, limit)
	if err != nil {
		return nil, unavailable("list the audit log", err)
	}
	defer rows.Close()
	entries := []Entry{}
	for rows.Next() {
		var (
			e  Entry
			at int64
		)
		if err := rows.Scan(&e.ID, &at, &e.Actor, &e.Kind, &e.Action, &e.Target, &e.Outcome, &e.Detail, &e.Remote); err != nil {
			return nil, unavailable("list the audit log", err)
		}
		e.At = time.UnixMilli(at).UTC()
		entries = append(entries, e)
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable("list the audit log", err)
	}
	return entries, nil
}

// by fills in what the caller left out.
func (e Entry) by(actor Actor) Entry {
	if e.Actor == "" {
		e.Actor, e.Kind = actor.Name, actor.Kind
	}
	if e.Remote == "" {
		e.Remote = actor.Remote
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	if e.Outcome == "" {
		e.Outcome = "ok"
	}
	return e
}

// execer is a pool or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (s *Service) insertEntry(ctx context.Context, to execer, e Entry) error {
	clean := func(text string) string { return s.db.Clean(clip(text)) }
	_, err := to.ExecContext(ctx, `insert into audit (at, actor, kind, action, target, outcome, detail, remote)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		e.At.UnixMilli(), clean(e.Actor), e.Kind, clean(e.Action), clean(e.Target), e.Outcome, clean(e.Detail), clean(e.Remote))
	return err
}

// clip bounds what a client can make the log store.
func clip(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
