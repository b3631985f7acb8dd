package lead

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/agentos/agentos/snapshot/internal/bounded"
	"github.com/agentos/agentos/snapshot/link"
)

// A linkState is what this process knows of one link, and holds there.
type linkState struct {
	link  link.Link
	calls *bounded.Caller // of Campaign and Resign

	mu             sync.Mutex // guards what follows
	grant          link.Grant // zero = it has no lease
	answered       time.Time  // when the link last said who has the lease
	lastActive     time.Time  // when it last did anything
	listeningSince time.Time  // zero = it is not listened to
	err            error      // of the last campaign
	listenErr      error      // why it is not listened to
}

// works reports whether the last campaign got an answer.
func (l *linkState) works() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err == nil
}

// ask campaigns at the link. held names who has the lease if that is another process. An answer that comes when nobody
// waits for it any more counts too.
func (l *linkState) ask(ctx context.Context, rank int) (held string) {
	var holder string
	err := l.calls.Call(ctx, campaignTimeout, func(ctx context.Context) error {
		grant, err := l.link.Campaign(ctx, rank)
		var other *link.HeldError
		if errors.As(err, &other) {
			holder, grant, err = cmp.Or(other.Holder, "another process"), link.Grant{}, nil
		}
		if err == nil {
			l.noteAnswer(grant)
		}
		return err
	})
	if err == nil {
		return holder
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err // what was granted lasts until its end
	return ""
}

// noteAnswer notes what the link has said: the grant is zero when another process has the lease.
func (l *linkState) noteAnswer(grant link.Grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grant, l.err, l.answered = grant, nil, time.Now()
	l.lastActive = l.answered
}

// lose forgets the lease and reports whether this process had it, or may have had it without knowing.
func (l *linkState) lose() (had bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	had = l.grant != link.Grant{} || l.err != nil
	l.grant, l.err = link.Grant{}, nil
	return had
}

// resign gives the lease up if this process has it.
func (l *linkState) resign(ctx context.Context) {
	if l.lose() {
		_ = l.calls.Call(ctx, resignTimeout, l.link.Resign) // else it ends by itself
	}
}

// noteListening notes whether the link is listened to from now on, or why it is not.
func (l *linkState) noteListening(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if err == nil || !l.listeningSince.IsZero() {
		l.lastActive = now
	}
	l.listenErr, l.listeningSince = err, time.Time{}
	if err == nil {
		l.listeningSince = now
	}
}

// reached reports whether the link counts as working. The leader counts it for some time after it has failed, the others
// only when they have listened to it for some time: so what befalls all of them does not change who leads, whoever notices
// it first.
func (l *linkState) reached(now time.Time, leads bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	listening := !l.listeningSince.IsZero()
	if leads {
		return listening || now.Sub(l.lastActive) < 2*link.LeaseTime
	}
	return listening && now.Sub(l.listeningSince) >= link.LeaseTime || certain(l.grant.Until, now)
}

// stats is the state of the link.
func (l *linkState) stats(now time.Time) LinkStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	listening := !l.listeningSince.IsZero()
	stats := LinkStats{
		Name: l.link.Name(), Subscribed: listening,
		Up: listening || l.err == nil && now.Sub(l.answered) < link.LeaseTime,
	}
	if err := cmp.Or(l.err, l.listenErr); err != nil {
		stats.Error = err.Error()
	}
	return stats
}
