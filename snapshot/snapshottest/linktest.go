package snapshottest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot/link"
)

// A LinkServer is what the links of one test connect to: empty at first, and the test's alone. Of its functions all but
// Open may be nil; then what needs them is skipped.
type LinkServer struct {
	Open func(holder string) link.Link // another process's link; the test closes it

	Cut  func() // breaks the connections and refuses new ones
	Hang func() // takes what is sent and answers nothing
	Mend func() // ends either

	Slow  func(delay time.Duration) // delays each answer; 0 ends it
	Plant func(doc []byte)          // puts anything where the document is kept
}

// TestLink checks that a link keeps the promises of link.Link, those of a Tier included. start starts a
// server for each subtest, and may let it run beside the others with t.Parallel. One after the other they take about 15 s, for a lease lasts three.
func TestLink(t *testing.T, start func(t *testing.T) LinkServer) {
	t.Run("tier", func(t *testing.T) {
		TestTier(t, func(t *testing.T) Tier { return newLinkTest(t, start(t)).open("alone") })
	})
	checks := []struct {
		name  string
		check func(l *linkTest)
	}{
		{"gives the lease to one of many", (*linkTest).isExclusive},
		{"keeps the lease that is renewed", (*linkTest).keepsRenewed},
		{"frees the lease that is not renewed", (*linkTest).freesExpired},
		{"frees the lease that is resigned", (*linkTest).freesResigned},
		{"numbers the holders", (*linkTest).numbersHolders},
		{"prefers the higher rank", (*linkTest).prefersRank},
		{"measures a grant from before the call", (*linkTest).measuresFromBefore},
		{"fences older documents off", (*linkTest).fencesOlder},
		{"delivers what others send", (*linkTest).delivers},
		{"ends listening with the context", (*linkTest).endsListening},
		{"fails and recovers when cut", (*linkTest).survivesCut},
		{"gives up and recovers when the server hangs", (*linkTest).survivesHang},
		{"overwrites garbage", (*linkTest).overwritesGarbage},
		{"closes", (*linkTest).closes},
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.check(newLinkTest(t, start(t))) })
	}
}

const (
	soon   = time.Second      // within which news must arrive
	mended = 10 * time.Second // within which a link must work again on a server that does
)

// linkTest is one check of a link and its server.
type linkTest struct {
	*testing.T
	server LinkServer
}

func newLinkTest(t *testing.T, server LinkServer) *linkTest {
	if server.Mend != nil {
		t.Cleanup(server.Mend)
	}
	return &linkTest{t, server}
}

func (l *linkTest) open(holder string) link.Link {
	conn := l.server.Open(holder)
	l.Cleanup(conn.Close)
	return conn
}

// campaign is one attempt. Any error but a *HeldError fails the test.
func (l *linkTest) campaign(conn link.Link, rank int) (grant link.Grant, holder string) {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), callTimeout)
	defer cancel()
	grant, err := conn.Campaign(ctx, rank)
	var held *link.HeldError
	switch {
	case errors.As(err, &held):
		if held.Holder == "" {
			l.Error("a HeldError names no holder")
		}
		return link.Grant{}, held.Holder
	case err != nil:
		l.Fatalf("Campaign() = %v", err)
	}
	return grant, ""
}

func (l *linkTest) mustHave(conn link.Link, rank int) link.Grant {
	l.Helper()
	grant, holder := l.campaign(conn, rank)
	if holder != "" {
		l.Fatalf("the lease is held by %q, want it given", holder)
	}
	return grant
}

func (l *linkTest) mustBeHeld(conn link.Link, rank int, by string) {
	l.Helper()
	if _, holder := l.campaign(conn, rank); holder != by {
		l.Fatalf("the lease is held by %q, want %q", holder, by)
	}
}

func (l *linkTest) isExclusive() {
	const many = 8
	var links []link.Link
	for i := range many {
		links = append(links, l.open(fmt.Sprint("process-", i)))
	}
	for round := range 5 {
		won, holders := "", make([]string, many)
		var mu sync.Mutex
		var running sync.WaitGroup
		for i, conn := range links {
			running.Go(func() {
				grant, err := conn.Campaign(l.Context(), 1)
				var held *link.HeldError
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.As(err, &held):
					holders[i] = held.Holder
				case err != nil:
					l.Errorf("Campaign() = %v", err)
				case won != "" || grant.Token == 0:
					l.Errorf("process-%d has the lease with token %d, and %s has it too", i, grant.Token, won)
				default:
					won = fmt.Sprint("process-", i)
				}
			})
		}
		running.Wait()
		if won == "" {
			l.Fatalf("round %d: nobody got the lease", round)
		}
		for i, conn := range links {
			if fmt.Sprint("process-", i) == won {
				l.resign(conn)
			} else if holders[i] != won {
				l.Errorf("process-%d saw that %q has the lease, not %q", i, holders[i], won)
			}
		}
	}
}

func (l *linkTest) keepsRenewed() {
	a, b := l.open("a"), l.open("b")
	first := l.mustHave(a, 1)
	last := first
	l.during(link.LeaseTime+link.LeaseTime/2, func() {
		grant := l.mustHave(a, 1)
		if grant.Token != first.Token || grant.Until.Before(last.Until) {
			l.Fatalf("renewed: token %d until %v; want token %d, later than %v", grant.Token, grant.Until, first.Token, last.Until)
		}
		last = grant
		l.mustBeHeld(b, 1, "a")
	})
}

// during calls check a few times a second for a time.
func (l *linkTest) during(d time.Duration, check func()) {
	l.Helper()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-ticker.C {
		check()
	}
}

// eventually calls check until it is true.
func (l *linkTest) eventually(within time.Duration, what string, check func() bool) {
	l.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(within); !check(); <-ticker.C {
		if time.Now().After(end) {
			l.Fatalf("not within %v: %s", within, what)
		}
	}
}

func (l *linkTest) freesExpired() {
	a, b := l.open("a"), l.open("b")
	was := l.mustHave(a, 1)
	var now link.Grant
	l.eventually(time.Until(was.Until)+3*time.Second/2, "another gets the lease that was not renewed", func() bool {
		grant, holder := l.campaign(b, 1)
		now = grant
		return holder == ""
	})
	if early := time.Until(was.Until); early > 50*time.Millisecond { // two clocks need not run alike
		l.Errorf("another got the lease %v before it ended", early)
	}
	if now.Token <= was.Token {
		l.Errorf("token %d after %d", now.Token, was.Token)
	}
	l.mustBeHeld(a, 1, "b")
}

func (l *linkTest) freesResigned() {
	a, b := l.open("a"), l.open("b")
	was := l.mustHave(a, 1)
	l.resign(b) // has none: nothing happens
	l.mustBeHeld(b, 1, "a")
	l.resign(a)
	began := time.Now()
	if now := l.mustHave(b, 1); now.Token <= was.Token {
		l.Errorf("token %d after %d", now.Token, was.Token)
	}
	if took := time.Since(began); took > soon {
		l.Errorf("it took %v to get the lease that was resigned", took)
	}
	l.resign(a) // has it no more
	l.mustBeHeld(a, 1, "b")
}

func (l *linkTest) resign(conn link.Link) {
	l.Helper()
	if err := conn.Resign(l.Context()); err != nil {
		l.Fatalf("Resign() = %v", err)
	}
}

func (l *linkTest) numbersHolders() {
	links := []link.Link{l.open("a"), l.open("b"), l.open("c")}
	var last uint64
	for i := range 9 {
		conn := links[i%len(links)]
		grant := l.mustHave(conn, 1)
		if grant.Token <= last {
			l.Errorf("token %d after %d", grant.Token, last)
		}
		last = grant.Token
		l.resign(conn)
	}
}

func (l *linkTest) prefersRank() {
	low, high, other := l.open("low"), l.open("high"), l.open("other")
	was := l.mustHave(low, 1)
	now := l.mustHave(high, 2)
	if now.Token <= was.Token {
		l.Errorf("token %d after %d", now.Token, was.Token)
	}
	l.mustBeHeld(low, 1, "high")
	l.mustBeHeld(low, 2, "high") // an equal rank takes nothing
	l.mustBeHeld(other, 1, "high")
	if kept := l.mustHave(high, 2); kept.Token != now.Token {
		l.Errorf("token %d of one who kept the lease, want %d", kept.Token, now.Token)
	}
	l.mustHave(high, 1) // what was its advantage is gone
	l.mustBeHeld(low, 1, "high")
	l.mustHave(low, 2)
	l.mustBeHeld(high, 1, "low")
}

func (l *linkTest) measuresFromBefore() {
	a := l.open("a")
	l.mustHave(a, 1)
	if l.server.Slow != nil {
		l.server.Slow(500 * time.Millisecond)
		defer l.server.Slow(0)
	}
	began := time.Now()
	grant := l.mustHave(a, 1)
	if lasts := grant.Until.Sub(began); lasts > link.LeaseTime+50*time.Millisecond {
		l.Errorf("the grant lasts %v from before the call, which took %v", lasts, time.Since(began))
	} else if lasts < link.LeaseTime/2 {
		l.Errorf("the grant lasts only %v", lasts)
	}
}

func (l *linkTest) fencesOlder() {
	a, b := l.open("a"), l.open("b")
	next := series(l)
	older, newer := next("older"), next("newer")
	mustStore(l.T, a, newer)
	for _, conn := range []link.Link{a, b} {
		if err := conn.Store(l.Context(), older); !errors.Is(err, link.ErrFenced) {
			l.Errorf("Store() of an older document = %v, want ErrFenced", err)
		}
		wantLoad(l.T, conn, newer.JSON)
	}
	mustStore(l.T, b, newer) // once more: a store whose answer was lost is tried again
	newest := next("newest")
	mustStore(l.T, b, newest)
	wantLoad(l.T, a, newest.JSON)
}

// received keeps what a listener was given.
type received struct {
	mu       sync.Mutex
	ready    int
	docs     [][]byte
	notified [][]string
	ended    chan error
}

// listen listens until the test's end or the returned function is called.
func (l *linkTest) listen(conn link.Link) (h *received, stop context.CancelFunc) {
	l.Helper()
	h = &received{ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(l.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ended <- conn.Listen(ctx, link.Listener{
			OnReady: func() { h.note(func() { h.ready++ }) },
			OnDocument: func(doc []byte) {
				doc = bytes.Clone(doc)
				h.note(func() { h.docs = append(h.docs, doc) })
			},
			OnNotify: func(sections []string) {
				sections = slices.Clone(sections)
				h.note(func() { h.notified = append(h.notified, sections) })
			},
		})
	}()
	l.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(callTimeout):
			l.Error("Listen did not end with its context")
		}
	})
	return h, cancel
}

func (h *received) note(what func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	what()
}

func (h *received) isReady() (ready bool) {
	h.note(func() { ready = h.ready > 0 })
	return ready
}

func (h *received) has(doc []byte) (found bool) {
	h.note(func() { found = slices.ContainsFunc(h.docs, func(d []byte) bool { return bytes.Equal(d, doc) }) })
	return found
}

func (h *received) wasNotified(want ...string) (found bool) {
	h.note(func() {
		found = slices.ContainsFunc(h.notified, func(notified []string) bool { return slices.Equal(notified, want) })
	})
	return found
}

func (l *linkTest) delivers() {
	a, b, c := l.open("a"), l.open("b"), l.open("c")
	next := series(l)
	mustStore(l.T, a, next("before"))
	inB, _ := l.listen(b)
	inC, _ := l.listen(c)
	for _, h := range []*received{inB, inC} {
		l.eventually(callTimeout, "a listener is ready", h.isReady)
	}
	for _, text := range []string{"one", strings.Repeat("x", link.DefaultMaxBytes-1000), "three <b> ü \u2028"} {
		doc := next(text)
		mustStore(l.T, a, doc)
		for _, h := range []*received{inB, inC} {
			l.eventually(soon, "a document that another stored arrives", func() bool { return h.has(doc.JSON) })
		}
	}
	for _, names := range [][]string{{"queue"}, {"queue", "jobs", "log_lines"}, nil} {
		if err := a.Notify(l.Context(), names); err != nil {
			l.Fatalf("Notify(%q) = %v", names, err)
		}
		for _, h := range []*received{inB, inC} {
			l.eventually(soon, fmt.Sprintf("%q arrives", names), func() bool { return h.wasNotified(names...) })
		}
	}
	mustStore(l.T, b, next("by b"))
	if err := b.Notify(l.Context(), []string{"by-b"}); err != nil {
		l.Fatalf("Notify() = %v", err)
	}
	l.eventually(soon, "the third is notified by the second", func() bool { return inC.wasNotified("by-b") })
}

func (l *linkTest) endsListening() {
	h, stop := l.listen(l.open("a"))
	l.eventually(callTimeout, "the listener is ready", h.isReady)
	stop()
	l.wantEnd(h, soon)
}

func (l *linkTest) wantEnd(h *received, within time.Duration) {
	l.Helper()
	select {
	case err := <-h.ended:
		if err == nil {
			l.Error("Listen() = nil, want what ended it")
		}
	case <-time.After(within):
		l.Errorf("Listen did not end within %v", within)
	}
}

// wantFailure checks that every call fails and says nothing of the lease or of the document.
func (l *linkTest) wantFailure(conn link.Link, s link.Document) {
	l.Helper()
	for name, call := range map[string]func(context.Context) error{
		"Load":     func(ctx context.Context) error { _, err := conn.Load(ctx); return err },
		"Store":    func(ctx context.Context) error { return conn.Store(ctx, s) },
		"Campaign": func(ctx context.Context) error { _, err := conn.Campaign(ctx, 1); return err },
		"Notify":   func(ctx context.Context) error { return conn.Notify(ctx, []string{"queue"}) },
		"Listen":   func(ctx context.Context) error { return conn.Listen(ctx, link.Listener{}) },
		// Resign may succeed without the server: the lease goes with the connection or runs out.
		"Resign": func(ctx context.Context) error { _ = conn.Resign(ctx); return errCut },
	} {
		ctx, cancel := context.WithTimeout(l.Context(), 300*time.Millisecond)
		began := time.Now()
		err := call(ctx)
		cancel()
		if took := time.Since(began); took > 1300*time.Millisecond {
			l.Errorf("%s() took %v with a context of 300 ms", name, took)
		}
		var held *link.HeldError
		if err == nil || errors.As(err, &held) || errors.Is(err, link.ErrNotFound) || errors.Is(err, link.ErrFenced) {
			l.Errorf("%s() = %v, which says something although the server does not answer", name, err)
		}
	}
}

// wantRecovery checks that all calls work again.
func (l *linkTest) wantRecovery(conn link.Link, s link.Document) {
	l.Helper()
	for name, call := range map[string]func(context.Context) error{
		"Store":    func(ctx context.Context) error { return conn.Store(ctx, s) },
		"Campaign": func(ctx context.Context) error { _, err := conn.Campaign(ctx, 1); return err },
		"Resign":   conn.Resign,
		"Notify":   func(ctx context.Context) error { return conn.Notify(ctx, nil) },
	} {
		var err error
		works := func() bool {
			ctx, cancel := context.WithTimeout(l.Context(), soon)
			defer cancel()
			err = call(ctx)
			return err == nil
		}
		l.eventually(mended, name+" works on the mended server", works)
	}
	wantLoad(l.T, conn, s.JSON)
}

func (l *linkTest) survivesCut() {
	if l.server.Cut == nil || l.server.Mend == nil {
		l.Skip("this server cannot be cut off")
	}
	a, b := l.open("a"), l.open("b")
	next := series(l)
	mustStore(l.T, a, next("before"))
	h, _ := l.listen(b)
	l.eventually(callTimeout, "the listener is ready", h.isReady)
	l.server.Cut()
	l.wantEnd(h, callTimeout)
	for range 3 {
		l.wantFailure(a, next("meanwhile"))
	}
	l.server.Mend()
	l.wantListening(a, b, next)
}

// wantListening checks that both links work again, and that what one does the other receives.
func (l *linkTest) wantListening(a, b link.Link, next func(string) link.Document) {
	l.Helper()
	after := next("after")
	l.wantRecovery(a, after)
	l.wantRecovery(b, after)
	var h *received
	l.eventually(mended, "one can listen again", func() bool {
		if h == nil || len(h.ended) > 0 {
			h, _ = l.listen(b)
		}
		return h.isReady()
	})
	last := next("last")
	mustStore(l.T, a, last)
	l.eventually(soon, "a document arrives again", func() bool { return h.has(last.JSON) })
}

func (l *linkTest) survivesHang() {
	if l.server.Hang == nil || l.server.Mend == nil {
		l.Skip("this server cannot be hung")
	}
	a, b := l.open("a"), l.open("b")
	next := series(l)
	mustStore(l.T, a, next("before"))
	l.mustHave(a, 1)
	h, stop := l.listen(b)
	l.eventually(callTimeout, "the listener is ready", h.isReady)
	l.server.Hang()
	for range 3 {
		l.wantFailure(a, next("meanwhile"))
	}
	stop()
	l.wantEnd(h, soon)
	l.server.Mend()
	l.wantHolder(a, b)
	l.wantListening(a, b, next)
}

// wantHolder checks that the lease, which has run out or been given up unnoticed, can be had again.
func (l *linkTest) wantHolder(links ...link.Link) {
	l.Helper()
	l.eventually(mended, "the lease can be had again", func() bool {
		for _, conn := range links {
			ctx, cancel := context.WithTimeout(l.Context(), soon)
			_, err := conn.Campaign(ctx, 1)
			cancel()
			if err == nil {
				return conn.Resign(l.Context()) == nil
			}
		}
		return false
	})
}

func (l *linkTest) overwritesGarbage() {
	if l.server.Plant == nil {
		l.Skip("nothing can be put into this server")
	}
	a := l.open("a")
	next := series(l)
	first := next("first")
	for _, garbage := range []string{
		"", "garbage", "\x00\xff\xfe", `{"half":`, "[]", `{"meta":{}}`, `{"meta":{"revision":"x"}}`, `{"meta":{"revision":-1}}`,
		`{"meta":{"revision":1e300}}`, `{"meta":{"revision":9007199254740991}}`, strings.Repeat("x", 1<<20),
		strings.Replace(string(first.JSON), `"revision":`, `"revision":9`, 1), // of a time that has not come
	} {
		l.server.Plant([]byte(garbage))
		ctx, cancel := context.WithTimeout(l.Context(), callTimeout)
		_, _ = a.Load(ctx) // an error or the garbage: either will do, a panic will not
		cancel()
		s := next("good")
		if err := a.Store(l.Context(), s); err != nil {
			l.Errorf("Store() over %.40q = %v", garbage, err)
			continue
		}
		wantLoad(l.T, a, s.JSON)
	}
}

func (l *linkTest) closes() {
	a, b := l.open("a"), l.open("b")
	h, _ := l.listen(a)
	l.eventually(callTimeout, "the listener is ready", h.isReady)
	l.mustHave(b, 1)
	a.Close()
	l.wantEnd(h, callTimeout)
	ctx, cancel := context.WithTimeout(l.Context(), callTimeout)
	defer cancel()
	if err := a.Store(ctx, New(l, "x")); err == nil || ctx.Err() != nil {
		l.Errorf("Store() = %v after Close", err)
	}
	if _, err := a.Campaign(ctx, 1); err == nil || errors.As(err, new(*link.HeldError)) {
		l.Errorf("Campaign() = %v after Close", err)
	}
	a.Close() // once more does nothing
	l.mustHave(b, 1)
}
