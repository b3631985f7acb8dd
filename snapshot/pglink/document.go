package pglink

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/agentos/agentos/snapshot/link"
)

const (
	// gzipOverhead is more than gzip adds to a document that does not compress at all.
	gzipOverhead = 1 << 10

	loadSQL = `select revision, substr(doc, 1, $2::int) from snapshot_document where name = $1::text and doc is not null`

	// storeSQL stores and announces a document unless a newer one is there, and gives a row if it did. What is no gzip
	// file, and what has a revision from the future, is overwritten: revisions are times.
	storeSQL = `
with stored as (
	insert into snapshot_document as d (name, revision, doc) values ($1::text, $2::bigint, $3::bytea)
	on conflict (name) do update set revision = excluded.revision, doc = excluded.doc
	where d.revision <= excluded.revision or d.revision > ` + nowMS + ` + 60000
		or d.doc is null or substr(d.doc, 1, 3) <> '\x1f8b08'::bytea
	returning d.revision
)
select pg_notify(` + channelSQL + `, $4::text) from stored`
)

// Load returns the document. What cannot be one is returned as it is: that it is garbage is for the cache to find.
func (l *Link) Load(ctx context.Context) (doc []byte, err error) {
	doc, _, err = l.load(ctx)
	return doc, err
}

func (l *Link) load(ctx context.Context) (doc []byte, revision int64, err error) {
	err = l.call(ctx, "load the document", func(ctx context.Context, conn *pgx.Conn) error {
		var raw []byte
		switch err := conn.QueryRow(ctx, loadSQL, l.opts.Key, l.opts.MaxBytes+gzipOverhead+1).Scan(&revision, &raw); {
		case errors.Is(err, pgx.ErrNoRows):
			return link.ErrNotFound
		case err != nil:
			return err
		}
		doc = unpack(raw, l.opts.MaxBytes)
		return nil
	})
	return doc, revision, err
}

// unpack returns one byte more than a document can have of one that is too large, and as much of what is not gzip.
func unpack(raw []byte, maxBytes int) []byte {
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return raw
	}
	doc, err := io.ReadAll(io.LimitReader(r, int64(maxBytes)+1))
	if err != nil {
		return raw
	}
	return doc
}

// Store keeps the document and announces it to those who listen. It returns link.ErrFenced, and changes nothing,
// when a newer document is stored.
func (l *Link) Store(ctx context.Context, s link.Document) error {
	message := fmt.Sprintf("%s %s %d", l.id, stored, s.Revision)
	return l.call(ctx, "store the document", func(ctx context.Context, conn *pgx.Conn) error {
		var nothing string
		err := conn.QueryRow(ctx, storeSQL, l.opts.Key, int64(s.Revision), s.Gzip, message).Scan(&nothing)
		if errors.Is(err, pgx.ErrNoRows) {
			return link.ErrFenced
		}
		return err
	})
}
