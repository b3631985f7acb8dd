package pglink

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/agentos/agentos/snapshot/link"
)

const (
	// pingEvery and pingTimeout bound how long a connection that is dead or hung is listened to.
	pingEvery   = time.Second
	pingTimeout = 2 * time.Second

	// channelSQL is where the notifications of one document of one schema travel; $1 is the document's name.
	channelSQL = `'snapshot_' || md5(coalesce(current_schema(), '') || '/' || $1::text)`

	// A message is the sender's id, one of these, and a revision or names separated by commas; no names = all sections.
	stored = "stored"
	asked  = "asked"

	// maxMessage is less than Postgres lets a message have.
	maxMessage = 7900
)

// Notify implements link.Link.
func (l *Link) Notify(ctx context.Context, sections []string) error {
	message := l.id + " " + asked + " " + strings.Join(sections, ",")
	if len(message) > maxMessage {
		message = l.id + " " + asked + " " // all: that includes them
	}
	return l.call(ctx, "pass on a nudge", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `select pg_notify(`+channelSQL+`, $2::text)`, l.opts.Key, message)
		return err
	})
}

// Listen implements link.Link. It has a connection of its own, which is tried every second: one that is dead or hung
// is given up within 3 s. Of documents that are published faster than they are taken, the newest counts.
func (l *Link) Listen(ctx context.Context, to link.Listener) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := l.begin(); err != nil {
		return err
	}
	defer l.running.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	err := l.listen(ctx, to)
	switch {
	case l.ctx.Err() != nil:
		return errClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return explain("listen", l.config, err)
}

func (l *Link) listen(ctx context.Context, to link.Listener) error {
	conn, err := l.subscribe(ctx)
	if err != nil {
		return err
	}
	defer l.discard(conn)
	if to.OnReady != nil {
		to.OnReady()
	}
	in := inbox{link: l, to: to}
	for {
		note, err := l.wait(ctx, conn)
		if err != nil {
			return err
		}
		if note != nil {
			in.put(note.Payload)
		}
		in.fetch(ctx)
	}
}

// subscribe makes a connection that receives what is sent from now on.
func (l *Link) subscribe(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := l.dialer.connect(ctx, l.config)
	if err != nil {
		return nil, err
	}
	var channel string
	err = conn.QueryRow(ctx, `select `+channelSQL, l.opts.Key).Scan(&channel)
	if err == nil {
		_, err = conn.Exec(ctx, "listen "+pgx.Identifier{channel}.Sanitize())
	}
	if err != nil {
		l.discard(conn)
		return nil, err
	}
	return conn, nil
}

// wait returns the next message, or nil when there was none for a while and the server is there all the same.
func (l *Link) wait(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	quiet, cancel := context.WithTimeout(ctx, pingEvery)
	defer cancel()
	note, err := conn.WaitForNotification(quiet)
	if err == nil || ctx.Err() != nil || quiet.Err() == nil {
		return note, err
	}
	ctx, cancel = context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return nil, conn.Ping(ctx)
}

// An inbox takes messages and passes on what they are about.
type inbox struct {
	link *Link
	to   link.Listener
	want int64 // the newest revision that was announced
	seen int64 // the newest that was passed on
}

// put takes a message. Anybody may have sent it: what makes no sense is dropped.
func (in *inbox) put(message string) {
	sender, message, _ := strings.Cut(message, " ")
	if sender == in.link.id {
		return
	}
	what, value, _ := strings.Cut(message, " ")
	switch what {
	case stored:
		if revision, err := strconv.ParseInt(value, 10, 64); err == nil {
			in.want = max(in.want, revision)
		}
	case asked:
		if in.to.OnNotify == nil {
			return
		}
		var sections []string
		if value != "" {
			sections = strings.Split(value, ",")
		}
		in.to.OnNotify(sections)
	}
}

// fetch passes on the newest document. One that cannot be had now is tried again by the next call.
func (in *inbox) fetch(ctx context.Context) {
	if in.to.OnDocument == nil || in.want <= in.seen {
		return
	}
	doc, revision, err := in.link.load(ctx)
	switch {
	case err != nil && !errors.Is(err, link.ErrNotFound):
		return
	case err != nil || revision < in.want: // it was announced, and is gone
		in.want = in.seen
		return
	}
	in.want, in.seen = revision, revision
	in.to.OnDocument(doc)
}

// raise makes the value at least this large.
func raise(value *atomic.Int64, least int64) {
	for old := value.Load(); old < least && !value.CompareAndSwap(old, least); old = value.Load() {
	}
}
