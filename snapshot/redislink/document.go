package redislink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/agentos/agentos/snapshot/link"
)

func (l *Link) lastGoodKey() string { return l.opts.Key + ":last-good" }

// Load returns the newer one of the document and the last good copy, which it asks for together. What cannot be a
// document is returned only if there is nothing else: that it is garbage is for the cache to find.
func (l *Link) Load(ctx context.Context) (doc []byte, err error) {
	if err := l.foreign.Load().err; err != nil {
		return nil, err
	}
	err = l.call(ctx, "load the document", func(ctx context.Context, client rueidis.Client) error {
		doc, err = l.load(ctx, client, l.opts.Key, l.lastGoodKey())
		return err
	})
	return doc, err
}

func (l *Link) load(ctx context.Context, client rueidis.Client, keys ...string) ([]byte, error) {
	var commands []rueidis.Completed
	for _, key := range keys { // a range, for anything may be under the key
		commands = append(commands, client.B().Getrange().Key(key).Start(0).End(int64(l.opts.MaxBytes)).Build())
	}
	var best []byte
	var revision uint64
	var failed []error
	for i, result := range client.DoMulti(ctx, commands...) {
		doc, err := result.AsBytes()
		switch {
		case err != nil:
			failed = append(failed, fmt.Errorf("%s: %w", keys[i], err))
		case len(doc) == 0: // an empty range is also what a missing key has
		case best == nil:
			best, revision = doc, revisionOf(doc)
		case string(doc) != string(best):
			if r := revisionOf(doc); r > revision {
				best, revision = doc, r
			}
		}
	}
	switch {
	case best != nil:
		return best, nil
	case failed != nil:
		return nil, errors.Join(failed...)
	}
	return nil, link.ErrNotFound
}

// revisionOf reads the revision of a document; zero = it is none. Revisions are times in milliseconds: what lies more
// than a minute ahead is garbage, which must not keep later ones out.
func revisionOf(doc []byte) uint64 {
	var head struct {
		Meta struct {
			Revision uint64 `json:"revision"`
		} `json:"meta"`
	}
	if json.Unmarshal(doc, &head) != nil || head.Meta.Revision > uint64(time.Now().Add(time.Minute).UnixMilli()) {
		return 0
	}
	return head.Meta.Revision
}

// fetch returns the newest document there is, and looks further when that is older than what was announced.
func (l *Link) fetch(ctx context.Context, announced uint64) (doc []byte, err error) {
	err = l.call(ctx, "fetch the document", func(ctx context.Context, client rueidis.Client) error {
		doc, err = l.load(ctx, client, l.opts.Key)
		if err == nil && revisionOf(doc) >= announced || err != nil && !answered(err) {
			return err
		}
		doc, err = l.load(ctx, client, l.opts.Key, l.lastGoodKey())
		return err
	})
	return doc, err
}

// Store keeps the document and announces it to those who listen. It returns link.ErrFenced, and changes nothing,
// when a newer document is stored. The last good copy comes first: it is still there when the document has expired, so
// that neither ever goes back.
func (l *Link) Store(ctx context.Context, s link.Document) error {
	if err := l.foreign.Load().err; err != nil {
		return err
	}
	before := l.stored.Load()
	raise(&l.stored, s.Revision) // before it is announced: our own Listen skips it
	err := l.call(ctx, "store the document", func(ctx context.Context, client rueidis.Client) error {
		if err := l.keep(ctx, client, s, l.lastGoodKey(), lastGoodTTL, ""); err != nil {
			return err
		}
		return l.keep(ctx, client, s, l.opts.Key, l.opts.TTL, l.revisionsChannel())
	})
	if err != nil {
		l.stored.CompareAndSwap(s.Revision, before) // that of others may be older
	}
	return err
}

func (l *Link) keep(ctx context.Context, client rueidis.Client, s link.Document, key string, ttl time.Duration, channel string) error {
	kept, err := keepScript.Exec(ctx, client, []string{key}, []string{
		strconv.FormatUint(s.Revision, 10), rueidis.BinaryString(s.JSON), strconv.FormatInt(ttl.Milliseconds(), 10),
		strconv.Itoa(l.opts.MaxBytes), channel, l.opts.Fleet(),
		strconv.FormatInt(l.opts.TTL.Milliseconds(), 10), strconv.Itoa(s.Version),
	}).AsInt64()
	switch {
	case err == nil && kept == 0:
		return link.ErrFenced
	case err == nil && kept < 0:
		return l.foreigner("another process")
	}
	return err
}
