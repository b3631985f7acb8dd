package redislink

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/agentos/agentos/snapshot/link"
)

func (l *Link) leaseKey() string { return l.opts.Key + ":lease" }

// Campaign implements link.Link. The server's clock decides when a lease of another process has ended; how long one's
// own lasts is measured by one's own clock, from before the question, so that it ends earlier here than there.
func (l *Link) Campaign(ctx context.Context, rank int) (grant link.Grant, err error) {
	err = l.call(ctx, "take the lease", func(ctx context.Context, client rueidis.Client) error {
		began := time.Now()
		answer, err := campaignScript.Exec(ctx, client, []string{l.leaseKey()}, []string{
			l.id, l.opts.Holder, strconv.Itoa(rank), strconv.FormatInt(l.opts.Lease.Milliseconds(), 10),
			strconv.FormatUint(l.token.Load(), 10), l.opts.Fleet(),
		}).ToArray()
		if err != nil {
			return err
		}
		granted, err := answer[0].AsInt64()
		if err != nil {
			return err
		}
		text, err := answer[1].ToString()
		if err != nil {
			return err
		}
		l.foreign.Store(&trouble{})
		switch granted {
		case 0:
			return &link.HeldError{Holder: text}
		case 2:
			err := l.foreigner(text)
			l.foreign.Store(&trouble{err})
			return err
		}
		token, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return err
		}
		raise(&l.token, token)
		grant = link.Grant{Token: token, Until: began.Add(l.opts.Lease)}
		return nil
	})
	return grant, err
}

// Resign implements link.Link.
func (l *Link) Resign(ctx context.Context) error {
	return l.call(ctx, "give up the lease", func(ctx context.Context, client rueidis.Client) error {
		return resignScript.Exec(ctx, client, []string{l.leaseKey()}, []string{l.id}).Error()
	})
}

// raise makes the value at least this large.
func raise(value *atomic.Uint64, least uint64) {
	for old := value.Load(); old < least && !value.CompareAndSwap(old, least); old = value.Load() {
	}
}
