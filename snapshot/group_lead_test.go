package snapshot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

var errDown = errors.New("down")

// A leader whose lease another process takes by its rank stops at once, and follows.
func TestPreemptedLeaderStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := three(t, "redis")
		leader := c.leader()
		stranger := newStranger(t, c, 0)
		stranger.campaign(100)
		stored := len(c.hubs[0].Stores())
		stranger.publish(obj{"by": "stranger"}, 0)
		took := c.until(50*time.Millisecond, "the leader has noticed", func() bool { return leader.role() == snapshot.Follower })
		t.Logf("noticed after %v", took)
		stop := stranger.lead(100, 0)
		pass(20 * time.Second)
		for _, s := range c.hubs[0].Stores()[stored:] {
			if s.Holder != "stranger" {
				t.Errorf("%s has published, though it was preempted", s.Holder)
			}
		}
		for _, p := range c.processes {
			if got := p.publishers(time.Now().Add(-10 * time.Second)); got != "stranger" {
				t.Errorf("%s shows documents of %q", p.name, got)
			}
		}
		stop() // without a word
		c.until(5*time.Second, "another one leads", c.united)
		c.wantShared()
	})
}

// What was collected under a lease that is over is not published; what may be shown for want of anything fresh is not
// given to others.
func TestLapsedLeaderDoesNotPublish(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := three(t, "redis")
		leader := c.leader()
		before, stored := leader.revision(), len(c.hubs[0].Stores())
		leader.source.Delay(100 * time.Millisecond)
		refreshed := make(chan error, 1)
		go func() { refreshed <- leader.warmer.Refresh(context.Background()) }()
		pass(50 * time.Millisecond)
		snapshot.Lapse(leader.group)
		pass(60 * time.Millisecond)
		if err := <-refreshed; err == nil || leader.revision() != before {
			t.Errorf("Refresh() = %v, revision %d after %d; want it refused", err, leader.revision(), before)
		}
		if stats := leader.warmer.Stats(); stats.Refused != 0 || stats.Error != "" || leader.cache.Stats().Refused != 0 {
			t.Errorf("it counts as a document that was refused: %+v", stats)
		}
		if n := len(c.hubs[0].Stores()) - stored; n != 0 {
			t.Errorf("%d documents given to others", n)
		}
		pass(time.Second) // it campaigns again
		c.wantShared()
	})
}

// A follower whose leader keeps the lease and is silent goes on showing what it has, and collects for itself when one
// of its viewers asks after that has become stale. When the leader publishes again, all follow.
func TestSilentLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, "redis")
		stranger := newStranger(t, c, 0)
		stop := stranger.lead(9, 0)
		a, b := c.start("a"), c.start("b")
		pass(10 * time.Second)
		stop()
		stranger.mute.Store(true)
		stop = stranger.lead(9, 0)
		defer stop()
		pass(16 * time.Second)
		if got := rungOf(t, a.cache); got != snapshot.RungLastGood {
			t.Errorf("the first viewer after FreshFor is served from %s", got)
		}
		pass(50 * time.Millisecond)
		if _, served, err := a.cache.Get(t.Context()); err != nil || served.Stale || a.shows() != `{"by":"a"}` {
			t.Errorf("then it shows %s, %+v, %v; want a document of its own", a.shows(), served, err)
		}
		if a.role() != snapshot.Follower || a.source.Calls() != 1 || b.source.Calls() != 0 {
			t.Errorf("a is %s and has collected %d times, b %d times; want only what a viewer asked for",
				a.role(), a.source.Calls(), b.source.Calls())
		}
		if got := c.hubs[0].Stores(); got[len(got)-1].Holder != "stranger" {
			t.Error("what one collected for itself was given to others")
		}
		stranger.mute.Store(false)
		pass(6 * time.Second)
		for _, p := range c.processes {
			if got := p.publishers(time.Now().Add(-time.Second * 5)); got != "stranger" {
				t.Errorf("%s shows documents of %q after the leader has come back", p.name, got)
			}
		}
	})
}

// A leader whose document is refused looks at the newer one. If it has the lease all the same it goes on above that one.
func TestFencedLeaderLooksAndGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := three(t, "redis")
		leader := c.leader()
		stranger := newStranger(t, c, 0)
		for _, p := range c.processes {
			p.links[0].Lose() // nobody receives it
		}
		stranger.publish(obj{"by": "stranger"}, 20*time.Second)
		ahead := stranger.revision.Load()
		leader.group.Nudge()
		pass(time.Second)
		if n := leader.cache.Stats().Tiers[0].Fenced; n != 1 {
			t.Errorf("%d documents fenced, want 1", n)
		}
		if leader.revision() <= ahead || leader.shows() == `{"by":"stranger"}` {
			t.Errorf("it shows %s in revision %d, want its own above %d", leader.shows(), leader.revision(), ahead)
		}
		for _, p := range c.processes {
			p.links[0].Mend()
		}
		pass(6 * time.Second)
		c.wantShared()
		if n := c.terms(); n != 1 {
			t.Errorf("%d terms, want 1", n)
		}
	})
}

// The sources of the leader fail, or hang, while those of the others work: another one leads, and that is all.
func TestLeaderWithoutSourcesIsReplaced(t *testing.T) {
	for name, down := range map[string]func(*snapshottest.Source){
		"fail": func(s *snapshottest.Source) { s.Fail(errDown) }, "stall": (*snapshottest.Source).Stall,
		"hang": (*snapshottest.Source).Hang,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := three(t, "redis", "postgres")
				old := c.leader()
				down(old.source)
				took := c.until(10*time.Second, "another one leads", func() bool { return c.united() && c.leader() != old })
				t.Logf("replaced after %v", took)
				pass(10 * time.Second)
				c.wantShared()
				pass(10 * time.Minute)
				c.wantShared()
				if n := c.terms(); n != 2 {
					t.Errorf("%d terms in 10 minutes, want 2", n)
				}
				old.source.Mend()
				pass(10 * time.Minute)
				c.wantShared()
				if n := c.terms(); n != 2 {
					t.Errorf("%d terms, want 2", n)
				}
			})
		})
	}
}

// The leader is cut off from the server that is a link and what the sources read, too. That is noticed at the link, before
// the next tick.
func TestLeaderWithoutTheDatabaseIsReplacedWithinFiveSeconds(t *testing.T) {
	for name, down := range map[string]func(*snapshottest.Source, *snapshottest.Link){
		"cut":  func(s *snapshottest.Source, l *snapshottest.Link) { s.Fail(errDown); l.Cut() },
		"hung": func(s *snapshottest.Source, l *snapshottest.Link) { s.Stall(); l.Hang() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := three(t, "redis", "postgres")
				for _, p := range c.processes {
					p.source.Delay(900 * time.Millisecond) // so that it is collected less often than every 5 s
				}
				pass(time.Minute)
				old := c.leader()
				down(old.source, old.links[1])
				took := c.until(5*time.Second, "another one leads", func() bool { return c.united() && c.leader() != old })
				t.Logf("replaced after %v", took)
				for _, p := range c.processes {
					p.source.Delay(0)
				}
				pass(2 * time.Minute)
				c.wantShared()
			})
		})
	}
}

// When nobody's sources answer, the processes take turns, at most one turn of each in UnfitFor: one of them may do better. What
// they show says how old it is. When the sources are back, it is shown.
func TestNobodyHasSources(t *testing.T) {
	for name, down := range map[string]func(*snapshottest.Source){
		"fail": func(s *snapshottest.Source) { s.Fail(errDown) }, "stall": (*snapshottest.Source).Stall,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := three(t, "redis", "postgres")
				for _, p := range c.processes {
					down(p.source)
				}
				began, last := time.Now(), c.leader().cache.Current().Sections["a"].AsOf
				pass(10 * time.Minute)
				turns := int(time.Since(began) / snapshot.UnfitFor)
				for _, p := range c.processes {
					if n := int(p.group.Stats().Terms); n > turns+2 {
						t.Errorf("%s has led %d times in %v", p.name, n, time.Since(began))
					}
					s, served, err := p.cache.Get(t.Context())
					if err != nil || !served.Stale || !s.Sections["a"].AsOf.Equal(last) || served.Age < 9*time.Minute {
						t.Errorf("%s answers with a section of %v, %+v, %v", p.name, s.Sections["a"].AsOf, served, err)
					}
				}
				t.Logf("%d terms in 10 minutes", c.terms())
				for _, p := range c.processes {
					p.source.Mend()
				}
				pass(time.Minute)
				c.wantShared()
				n := c.terms()
				pass(10 * time.Minute)
				if c.terms() > n {
					t.Errorf("the lead has changed after all was well")
				}
			})
		})
	}
}

// A stranger is a process of another make: a link by which a test leads and publishes what it likes, with a clock that
// is ahead or behind.
type stranger struct {
	t        *testing.T
	conn     *snapshottest.Link
	mute     atomic.Bool
	revision atomic.Uint64 // of what it published last
}

func newStranger(t *testing.T, c *cluster, hub int) *stranger {
	s := &stranger{t: t, conn: c.hubs[hub].Link("stranger")}
	t.Cleanup(s.conn.Close)
	return s
}

func (s *stranger) campaign(rank int) {
	s.t.Helper()
	if _, err := s.conn.Campaign(s.t.Context(), rank); err != nil {
		s.t.Errorf("Campaign() = %v", err)
	}
}

// publish stores a document made by a clock that is ahead.
func (s *stranger) publish(value any, ahead time.Duration) {
	s.t.Helper()
	snap := link.Document{JSON: documentAt(s.t, value, time.Now().Add(ahead)), Revision: uint64(time.Now().Add(ahead).UnixMilli())}
	s.revision.Store(snap.Revision)
	_ = s.conn.Store(s.t.Context(), snap)
}

// lead keeps the lease and publishes every 5 s, until it is stopped.
func (s *stranger) lead(rank int, ahead time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ctx.Err() == nil; i++ {
			_, _ = s.conn.Campaign(ctx, rank)
			if i%5 == 0 && !s.mute.Load() {
				s.publish(obj{"by": "stranger"}, ahead)
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}()
	synctest.Wait() // it has campaigned
	return func() {
		cancel()
		<-ended
		synctest.Wait()
	}
}

// documentAt is a document with the section "a" as a process publishes it whose clock says that time.
func documentAt(t *testing.T, value any, at time.Time) []byte {
	t.Helper()
	text := at.UTC().Format("2006-01-02T15:04:05.000Z")
	doc, err := json.Marshal(obj{
		"a": value, "timestamp": text,
		"meta": obj{
			"version": snapshot.TestVersion, "revision": at.UnixMilli(), "as_of": text, "stale": false, "publisher": "stranger",
			"interval_ms": 5000, "fresh_ms": 15000,
			"sections": obj{"a": obj{"as_of": text, "took_ms": 1, "every_ms": 5000, "error": nil, "overdue": false}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// Clocks differ by up to 50 s: followers show what the leader publishes; alone they go on in its time; when the links
// are back its next document is newer than theirs; and who leads after it goes on from there.
func TestClocksDiffer(t *testing.T) {
	for _, ahead := range []time.Duration{50 * time.Second, 3 * time.Second, -3 * time.Second, -50 * time.Second} {
		for _, outage := range []time.Duration{10 * time.Second, 10 * time.Minute} {
			t.Run(fmt.Sprintf("ahead %v, outage %v", ahead, outage), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := newCluster(t, "redis")
					stranger := newStranger(t, c, 0)
					stop := stranger.lead(100, ahead)
					pass(time.Second)
					c.start("a")
					c.start("b")
					pass(20 * time.Second)
					c.wantPublishedBy("stranger", 10*time.Second)
					c.during(20*time.Second, "viewers get an answer, and at some time the leader's", func() bool {
						for _, p := range c.processes {
							// What comes from a clock that is behind is stale: they collect for themselves too.
							if _, _, err := p.cache.Get(t.Context()); err != nil {
								return false
							}
						}
						return true
					})
					for _, p := range c.processes {
						if got := p.publishers(time.Now().Add(-6 * time.Second)); !strings.Contains(got, "stranger") {
							t.Errorf("%s shows documents of %q, the leader's are kept out", p.name, got)
						}
					}
					for _, conn := range c.links(0) { // the leader's works
						conn.Cut()
					}
					pass(outage)
					for _, p := range c.processes {
						c.wantPublished(p, p.name, 5*time.Second)
					}
					began := time.Now()
					for _, conn := range c.links(0) {
						conn.Mend()
					}
					c.until(12*time.Second, "all show what the leader publishes", func() bool {
						last := stranger.revision.Load()
						return c.processes[0].revision() == last && c.processes[1].revision() == last
					})
					pass(10 * time.Second)
					c.wantPublishedBy("stranger", 10*time.Second)
					stop()
					c.until(5*time.Second, "another one leads", c.united)
					pass(6 * time.Second)
					c.wantShared()
					if c.processes[0].publishers(began) == "" {
						t.Error("nothing was published")
					}
				})
			})
		}
	}
}

func (c *cluster) wantPublishedBy(name string, within time.Duration) {
	c.t.Helper()
	for _, p := range c.processes {
		c.wantPublished(p, name, within)
	}
}

func (c *cluster) wantPublished(p *process, by string, within time.Duration) {
	c.t.Helper()
	if got := p.publishers(time.Now().Add(-within)); got != by {
		c.t.Errorf("%s shows documents of %q, want those of %s", p.name, got, by)
	}
}

// A document from a clock that is ahead is found at the hub by processes that start: they go on above it, and come back
// to their own time.
func TestRevisionAheadIsGoneOnFrom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, "redis")
		ahead := time.Now().Add(50 * time.Second)
		c.hubs[0].Plant(documentAt(t, obj{"by": "the past"}, ahead))
		for _, name := range []string{"a", "b"} {
			c.start(name)
		}
		pass(10 * time.Second)
		c.wantShared()
		for _, p := range c.processes {
			if p.revision() <= uint64(ahead.UnixMilli()) {
				t.Errorf("%s shows revision %d, want more than that of the clock that was ahead", p.name, p.revision())
			}
		}
		pass(20 * time.Minute)
		c.wantShared()
		if now, own := c.leader().revision(), uint64(time.Now().UnixMilli()); now > own {
			t.Errorf("revision %d is still %d ms ahead", now, now-own)
		}
	})
}

// The hub forgets everything, or holds garbage: the leader's next document is there again, viewers notice nothing.
func TestHubIsFlushedOrHoldsGarbage(t *testing.T) {
	garbage := map[string][]byte{
		"flushed": nil, "text": []byte("garbage"), "half": []byte(`{"a":{`), "array": []byte("[]"), "huge": bytes.Repeat([]byte("x"), 1<<20),
		"far ahead": nil, "no section": nil,
	}
	for name, doc := range garbage {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := three(t, "redis")
				switch name {
				case "flushed":
					c.hubs[0].Flush()
				case "far ahead":
					c.hubs[0].Plant(documentAt(t, obj{}, time.Now().Add(time.Hour)))
				case "no section":
					c.hubs[0].Plant([]byte(strings.Replace(string(documentAt(t, obj{}, time.Now().Add(time.Second))), `"a":{}`, `"b":{}`, 1)))
				default:
					c.hubs[0].Plant(doc)
				}
				c.during(8*time.Second, "what is shown is fresh", func() bool {
					c.wantFresh()
					return !t.Failed()
				})
				c.wantShared()
				if got := c.hubs[0].Document(); string(got) != string(c.leader().cache.Current().JSON) {
					t.Errorf("the hub holds %.60q", got)
				}
				late := c.start("p4")
				pass(100 * time.Millisecond)
				if late.revision() != c.leader().revision() || late.source.Calls() != 0 {
					t.Errorf("who comes later has revision %d, want %d", late.revision(), c.leader().revision())
				}
			})
		})
	}
}

// A slow hub delays what followers show, and nothing else.
func TestSlowHub(t *testing.T) {
	for _, delay := range []time.Duration{100 * time.Millisecond, 600 * time.Millisecond, 900 * time.Millisecond} {
		bubble(t, func(t *testing.T) {
			c := three(t, "redis", "postgres")
			for _, hub := range c.hubs {
				hub.Slow(delay)
			}
			c.during(time.Minute, "what is shown is fresh", func() bool {
				c.wantFresh()
				return !t.Failed()
			})
			c.leader()
			if n := c.terms(); n != 1 {
				t.Errorf("%v: %d terms, want 1", delay, n)
			}
			for _, p := range c.others(c.leader()) {
				if n := p.source.Calls(); n != 0 {
					t.Errorf("%v: %s has collected %d times", delay, p.name, n)
				}
			}
			for _, hub := range c.hubs {
				hub.Slow(0)
			}
			pass(time.Second)
			c.wantShared()
		})
	}
}
