package redislink

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/rueidis"

	"github.com/agentos/agentos/snapshot/link"
)

// maxNotified is how many names of sections are collected before "all" says it shorter.
const maxNotified = 64

// An inbox has what was received and not yet passed on. Nothing is lost in it by waiting: of revisions the newest counts,
// and names of sections are collected.
type inbox struct {
	link       *Link
	to         link.Listener
	seen       uint64        // the newest revision that was passed on
	subscribed chan struct{} // nothing is missed from now on
	wake       chan struct{} // something is there

	mu        sync.Mutex // guards what follows
	announced uint64     // the newest revision that is said to be stored; 0 = none
	notified  []string   // nil = nothing was notified; empty = all sections
}

func newInbox(l *Link, to link.Listener) *inbox {
	return &inbox{link: l, to: to, subscribed: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
}

// put takes a message, which anybody may have published. It does not wait: the connection is read no further meanwhile.
func (in *inbox) put(m rueidis.PubSubMessage) {
	switch m.Channel {
	case in.link.revisionsChannel():
		if revision, err := strconv.ParseUint(m.Message, 10, 64); err == nil {
			in.announce(revision)
		}
	case in.link.nudgesChannel():
		in.notify(m.Message)
	}
	signal(in.wake)
}

func (in *inbox) announce(revision uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.announced = max(in.announced, revision)
}

func (in *inbox) notify(names string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := in.notified != nil && len(in.notified) == 0
	if names == "" || all || len(in.notified) >= maxNotified {
		in.notified = []string{}
		return
	}
	for name := range strings.SplitSeq(names, ",") {
		if !slices.Contains(in.notified, name) {
			in.notified = append(in.notified, name)
		}
	}
}

// take empties the inbox.
func (in *inbox) take() (announced uint64, notified []string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	announced, notified = in.announced, in.notified
	in.announced, in.notified = 0, nil
	return announced, notified
}

// handle passes on what was received. It returns false when there is a document that could not be fetched now.
func (in *inbox) handle(ctx context.Context) bool {
	announced, notified := in.take()
	if in.link.foreign.Load().err != nil { // it is not for us
		return true
	}
	if notified != nil && in.to.OnNotify != nil {
		in.to.OnNotify(notified)
	}
	if in.to.OnDocument == nil || announced <= in.newest() {
		return true
	}
	doc, err := in.link.fetch(ctx, announced)
	if err != nil && !errors.Is(err, link.ErrNotFound) {
		in.announce(announced)
		return false
	}
	if revision := revisionOf(doc); revision > in.newest() { // whatever it is that was announced
		in.seen = revision
		in.to.OnDocument(doc)
	}
	return true
}

// newest is the revision of the newest document that was passed on, or is our own.
func (in *inbox) newest() uint64 { return max(in.seen, in.link.stored.Load()) }
