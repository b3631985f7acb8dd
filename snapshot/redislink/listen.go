package redislink

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/agentos/agentos/snapshot/link"
)

func (l *Link) revisionsChannel() string { return l.opts.Key + ":revisions" }

func (l *Link) nudgesChannel() string { return l.opts.Key + ":nudges" }

// Notify implements link.Link. The names travel as one message, separated by commas.
func (l *Link) Notify(ctx context.Context, sections []string) error {
	if err := l.foreign.Load().err; err != nil {
		return err
	}
	return l.call(ctx, "pass on a nudge", func(ctx context.Context, client rueidis.Client) error {
		return notifyScript.Exec(ctx, client, []string{l.opts.Key}, []string{l.nudgesChannel(), strings.Join(sections, ",")}).Error()
	})
}

// Listen implements link.Link. Its connection is tried every second: one that is dead or hung is given up within
// 3 s. Of documents that are published faster than they are taken, the newest counts.
func (l *Link) Listen(ctx context.Context, to link.Listener) error {
	if err := l.begin(); err != nil {
		return err
	}
	defer l.calls.Done()
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
	return l.explain("listen", err)
}

// fetchAgain is when a document is asked for once more that could not be fetched.
const fetchAgain = time.Second

// listen passes on what it receives in this goroutine, while another one receives.
func (l *Link) listen(ctx context.Context, to link.Listener) error {
	client, err := l.conns.get(ctx)
	if err != nil {
		return err
	}
	in := newInbox(l, to)
	ended := make(chan error, 1)
	go func() { ended <- l.receive(ctx, client, in) }()
	var again <-chan time.Time
	for {
		select {
		case err := <-ended:
			return err
		case <-in.subscribed:
			if to.OnReady != nil {
				to.OnReady()
			}
			continue
		case <-in.wake:
		case <-again:
		}
		again = nil
		if !in.handle(ctx) {
			again = time.After(fetchAgain)
		}
	}
}

// receive fills the inbox until the connection is lost, or closed because its server is no longer the primary. All nodes
// of a Cluster have all messages: those that cannot be subscribed to are passed over.
func (l *Link) receive(ctx context.Context, client rueidis.Client, in *inbox) error {
	var subscribed atomic.Bool
	var errs []error
	for _, node := range client.Nodes() {
		hooked := rueidis.WithOnSubscriptionHook(ctx, func(s rueidis.PubSubSubscription) {
			if s.Kind == "subscribe" && s.Channel == l.nudgesChannel() { // the last one
				subscribed.Store(true)
				signal(in.subscribed)
			}
		})
		err := node.Receive(hooked, node.B().Subscribe().Channel(l.revisionsChannel(), l.nudgesChannel()).Build(), in.put)
		if err == nil {
			err = errors.New("the subscription was ended")
		}
		if subscribed.Load() || ctx.Err() != nil {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// signal says that something is there to be looked at; once is enough.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
