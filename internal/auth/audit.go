package auth

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strings"
	"time"
)

// Entry is one line of the audit log: who did what to what, when, and from where. Who did the same over and over has one line
// for many times: then Target, Detail and Remote are of the last time.
type Entry struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at" doc:"When, or when first"`
	LastAt  time.Time `json:"last_at" doc:"When last; the same as at when count is 1"`
	Count   int64     `json:"count" doc:"How many times. With more than one, target, detail and remote are of the last time"`
	Class   string    `json:"class" enum:"account,refused,act" doc:"account: users, tokens and sign-ins; refused: of these and of roles; act: jobs, queues and agents"`
	Actor   string    `json:"actor" doc:"The user or token that acted, or the system's user who ran a command"`
	Kind    string    `json:"kind" enum:"session,token,local," doc:"local: a command on the server's machine; empty: several actors"`
	Action  string    `json:"action" doc:"Such as job.cancel"`
	Target  string    `json:"target" doc:"What was acted on: a job's id and agent, a queue's or user's name, a token's name and id"`
	Outcome string    `json:"outcome" enum:"ok,refused,failed" doc:"refused: not allowed, or not possible for this target at that time; nothing was changed"`
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
	User   string // whose rights it has; empty: it stands for itself, as service tokens and commands do
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

// Record adds an entry. Zero fields are filled in: the time, the outcome "ok", and the actor of ctx. What one actor does
// over and over is counted instead, see tally.
func (s *Service) Record(ctx context.Context, entry Entry) error {
	entry = entry.by(ActorFrom(ctx))
	if s.down.Load() && entry.Outcome != "ok" || !s.tally.own(entry) {
		s.tally.add(entry)
		return nil
	}
	if err := s.insertEntry(ctx, s.db.Write, entry); err != nil {
		return unavailable("record "+entry.Action, err)
	}
	return nil
}

// recordRefusal is deferred by what changes accounts: it records why it was refused. An outage is no refusal.
func (s *Service) recordRefusal(ctx context.Context, entry *Entry, err *error) {
	if *err == nil || !isKind(*err) || errors.Is(*err, ErrUnavailable) {
		return
	}
	refused := *entry
	refused.Outcome, refused.Detail = "refused", (*err).Error()
	// Hanging up does not keep the refusal out of the log.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), upkeepDeadline)
	defer cancel()
	if err := s.Record(ctx, refused); err != nil {
		s.log.Warn("a refusal is missing in the audit log", "action", entry.Action, "error", err)
	}
}

// ListAudit returns at most limit entries older than the entry with id before (zero: the newest), newest first. An empty
// class is all of them.
func (s *Service) ListAudit(ctx context.Context, before int64, limit int, class string) ([]Entry, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := s.db.Read.QueryContext(ctx, `select id, at, coalesce(last_at, at), count, class, actor, kind, action, target, outcome, detail, remote
		from audit where id < $1 and ($3 = '' or class = $3) order by id desc limit $2`, before, limit, class)
	if err != nil {
		return nil, unavailable("list the audit log", err)
	}
	defer rows.Close()
	entries := []Entry{}
	for rows.Next() {
		var (
			e        Entry
			at, last int64
		)
		if err := rows.Scan(&e.ID, &at, &last, &e.Count, &e.Class, &e.Actor, &e.Kind, &e.Action, &e.Target, &e.Outcome, &e.Detail, &e.Remote); err != nil {
			return nil, unavailable("list the audit log", err)
		}
		e.At, e.LastAt = time.UnixMilli(at).UTC(), time.UnixMilli(last).UTC()
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

// inserter is a pool or a transaction.
type inserter interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (s *Service) insertEntry(ctx context.Context, to inserter, e Entry) error {
	_, err := to.ExecContext(ctx, `insert into audit (at, class, actor, kind, action, target, outcome, detail, remote)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		e.At.UnixMilli(), e.class(), s.clean(e.Actor), e.Kind, s.clean(e.Action), s.clean(e.Target), e.Outcome, s.clean(e.Detail), s.clean(e.Remote))
	return err
}

func (s *Service) clean(text string) string { return s.db.Clean(clip(text)) }

// clip bounds what a client can make the log store.
func clip(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
