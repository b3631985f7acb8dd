package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/internal/lead"
	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

func TestGroupNeedsTheWarmerToItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, "redis")
		p := c.prepare("p1")
		defer closeCache(t, p.cache)
		defer run(t, p.warmer)()
		pass(time.Second)
		if err := p.group.Run(t.Context()); err == nil {
			t.Error("Run() = nil although the warmer runs")
		}
		if snapshot.HasHeartbeat(p.cache) {
			t.Error("the heartbeat beats on")
		}
	})
}

// No link works when a process starts: its first viewer gets what is collected for that request, and the process goes on alone.
// When the links come up, it joins.
func TestStartWithoutLinks(t *testing.T) {
	for name, lose := range map[string]func(*snapshottest.Hub){"cut": (*snapshottest.Hub).Cut, "hang": (*snapshottest.Hub).Hang} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCluster(t, "redis", "postgres")
				p1, p2 := c.prepare("p1"), c.prepare("p2")
				for _, hub := range c.hubs {
					lose(hub)
				}
				p1.run()
				p2.run()
				began := time.Now()
				for _, p := range c.processes {
					if got := rungOf(t, p.cache); got != snapshot.RungRebuild && got != snapshot.RungMemory {
						t.Errorf("the first viewer is served from %s, want what is collected now", got)
					}
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("two viewers waited %v", took)
				}
				pass(time.Minute)
				if p1.role() != snapshot.Alone || p2.role() != snapshot.Alone {
					t.Errorf("without links, %s", c.roles())
				}
				c.wantPublished(p1, "p1", time.Minute)
				c.wantPublished(p2, "p2", time.Minute)
				for _, hub := range c.hubs {
					hub.Mend()
				}
				c.until(5*time.Second, "there is one leader", c.united)
				pass(6 * time.Second)
				c.wantShared()
			})
		})
	}
}

// A process that joins shows what there is, and its first viewer does not make it collect: before it runs, when it has
// just begun to, and through a slow hub.
func TestColdFollowerCollectsNothing(t *testing.T) {
	for _, delay := range []time.Duration{0, 300 * time.Millisecond} {
		for _, viewerFirst := range []bool{true, false} {
			t.Run(fmt.Sprint(delay, " viewer first ", viewerFirst), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := three(t, "redis", "postgres")
					for _, hub := range c.hubs {
						hub.Slow(delay)
					}
					p := c.prepare("p4")
					if viewerFirst {
						defer p.run()
					} else {
						p.run()
					}
					s, served, err := p.cache.Get(t.Context())
					if err != nil || served.Stale || s.Publisher != c.in(snapshot.Leader)[0].name {
						t.Errorf("the first viewer gets %+v, %v", served, err)
					}
					// The document may come to the process while the viewer looks for it: both ask at the same moment.
					met := !viewerFirst && served.Rung == snapshot.RungMemory
					if served.Rung != "tier:redis" && served.Rung != "tier:postgres" && !met {
						t.Errorf("the first viewer is served from %s", served.Rung)
					}
					pass(10 * time.Second)
					if n := p.source.Calls(); n != 0 {
						t.Errorf("it has collected %d times", n)
					}
				})
			})
		}
	}
}

// Messages to a follower are lost: it looks for what it misses.
func TestFollowerLooksForWhatItDoesNotHear(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := three(t, "redis")
		blocked := c.others(c.leader())[0]
		blocked.links[0].Lose()
		c.during(2*time.Minute, "what it shows is at most 8 s old", func() bool {
			c.wantFresh()
			return time.Since(blocked.cache.Current().At) < 8*time.Second
		})
		c.wantPublished(blocked, c.leader().name, time.Minute)
		if blocked.source.Calls() != 0 {
			t.Error("it has collected")
		}
		blocked.links[0].Mend()
		c.wantShared()
	})
}

// A process that ends does not wait for links that ignore even their contexts, nor for sources that do, and hands over
// at once what it can.
func TestRunEndsWhateverHangs(t *testing.T) {
	for _, which := range []string{"the leader", "a follower", "one that is alone", "one that has just begun"} {
		t.Run(which, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := three(t, "redis", "postgres")
				p := c.leader()
				switch which {
				case "a follower":
					p = c.others(p)[0]
				case "one that has just begun":
					p = c.prepare("p4")
				}
				for _, conn := range p.links {
					conn.Block()
				}
				p.source.Hang()
				switch which {
				case "one that is alone":
					pass(time.Minute)
				case "one that has just begun":
					p.run()
				}
				p.group.Nudge()
				pass(50 * time.Millisecond)
				if took := p.stop(); took > 1100*time.Millisecond {
					t.Errorf("it ended after %v", took)
				}
				c.until(5*time.Second, "there is one leader", c.united)
				p.source.Mend()
				for _, conn := range p.links {
					conn.Mend()
				}
				pass(5 * time.Second)
				c.wantShared()
			})
		})
	}
}

// A leader that ends while its sources ignore their contexts hands over first.
func TestHandingOverDoesNotWaitForSources(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := three(t, "redis")
		old := c.leader()
		old.source.Hang()
		pass(6 * time.Second)
		go old.stop()
		c.until(800*time.Millisecond, "another one leads", func() bool {
			leaders := c.in(snapshot.Leader)
			return len(leaders) == 1 && leaders[0] != old
		})
		pass(time.Second)
		old.source.Mend()
		pass(time.Second)
		c.wantShared()
	})
}

// After a suspension viewers wait until the process has resynced: for what others have published meanwhile, or for
// what it collects itself; and never long.
func TestStandstill(t *testing.T) {
	missed := func(t *testing.T) (c *cluster, p *process) {
		c = three(t, "redis")
		p = c.others(c.leader())[0]
		p.links[0].Lose()
		c.leader().group.Nudge()
		pass(300 * time.Millisecond)
		if p.revision() == c.leader().revision() {
			t.Fatal("it has missed nothing")
		}
		snapshot.Suspend(p.cache, 30*time.Second)
		return c, p
	}
	t.Run("others have published", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, p := missed(t)
			began := time.Now()
			s, served, err := p.cache.Get(t.Context())
			if err != nil || s.Revision != c.leader().revision() || served.Stale {
				t.Errorf("after a suspension it shows %d, %+v, %v; want revision %d", s.Revision, served, err, c.leader().revision())
			}
			if took := time.Since(began); took > 10*time.Millisecond {
				t.Errorf("that took %v", took)
			}
			loads := p.cache.Stats().Tiers[0].Loads
			c.during(time.Second, "no more looks", func() bool {
				rungOf(t, p.cache)
				return p.cache.Stats().Tiers[0].Loads == loads
			})
		})
	})
	t.Run("the hub hangs", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, p := missed(t)
			c.hubs[0].Hang()
			for range 3 {
				began := time.Now()
				if got := rungOf(t, p.cache); got != snapshot.RungMemory {
					t.Errorf("it is served from %s", got)
				}
				if took := time.Since(began); took > 500*time.Millisecond {
					t.Errorf("a viewer waited %v", took)
				}
			}
			if calls, most := p.links[0].Calls(); most > 3 {
				t.Errorf("%d of %d calls at once", most, calls)
			}
		})
	})
	t.Run("the viewer leaves", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, p := missed(t)
			c.hubs[0].Hang()
			gone, leave := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer leave()
			began := time.Now()
			_, _, _ = p.cache.Get(gone)
			if took := time.Since(began); took > 10*time.Millisecond {
				t.Errorf("it was held for %v", took)
			}
		})
	})
	t.Run("nothing fresh anywhere", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			hub := snapshottest.NewHub("redis")
			hub.Cut()
			conn := hub.Link("p")
			s, _ := section("a")
			cache, warmer := newWarmer(t, snapshot.CacheOptions{Tiers: []snapshot.Tier{conn}}, snapshot.WarmerOptions{Interval: time.Hour}, s)
			group := snapshot.NewGroup(cache, warmer, []link.Link{conn})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- group.Run(ctx) }()
			pass(time.Minute)
			old := cache.Current().Revision
			snapshot.Suspend(cache, 30*time.Second)
			if s, served, err := cache.Get(t.Context()); err != nil || served.Stale || s.Revision == old {
				t.Errorf("after a suspension it shows %+v, %v; want what is collected now", served, err)
			}
			snapshot.Suspend(cache, 30*time.Second)
			cancel() // a look may be under way
			if err := <-ended; err != nil {
				t.Error(err)
			}
			pass(time.Second)
			if snapshot.HasHeartbeat(cache) {
				t.Error("the heartbeat beats after Run has ended")
			}
		})
	})
}

// What Stats says in each role.
func TestGroupStats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := three(t, "redis", "postgres")
		leader := c.leader()
		well := []lead.LinkStats{{Name: "redis", Up: true, Subscribed: true}, {Name: "postgres", Up: true, Subscribed: true}}
		for _, p := range c.processes {
			want := snapshot.GroupStats{Role: snapshot.Follower, Leader: leader.name, Links: well}
			if p == leader {
				want.Role, want.Terms = snapshot.Leader, 1
			}
			wantStats(t, p, want)
		}
		p := c.others(leader)[0]
		p.links[1].Cut()
		pass(5 * time.Second)
		wantStats(t, p, snapshot.GroupStats{Role: snapshot.Follower, Leader: leader.name, Links: []lead.LinkStats{
			well[0], {Name: "postgres", Error: "connection refused"},
		}})
		p.links[0].Cut()
		pass(5 * time.Second)
		wantStats(t, p, snapshot.GroupStats{Role: snapshot.Alone, Links: []lead.LinkStats{
			{Name: "redis", Error: "connection refused"}, {Name: "postgres", Error: "connection refused"},
		}})
		p.links[0].Hang()
		p.links[1].Mend()
		pass(5 * time.Second)
		wantStats(t, p, snapshot.GroupStats{Role: snapshot.Follower, Leader: leader.name, Links: []lead.LinkStats{
			{Name: "redis", Error: "no answer within 1s"}, well[1],
		}})
		p.links[0].Mend()
		pass(5 * time.Second)
		wantStats(t, p, snapshot.GroupStats{Role: snapshot.Follower, Leader: leader.name, Links: well})
		if log := strings.Join(p.log.all(), ""); strings.Count(log, "another process leads") != 2 || strings.Count(log, "no link works") != 1 {
			t.Errorf("it logs other than each change once: %s", log)
		}
	})
}

func wantStats(t *testing.T, p *process, want snapshot.GroupStats) {
	t.Helper()
	if got := p.group.Stats(); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("%s:\n%+v, want\n%+v", p.name, got, want)
	}
}

// A process that shows nothing notifies of changes through the first link that works, and again when none did.
func TestNotifierUsesTheFirstLinkThatWorks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := three(t, "redis", "postgres")
		var links []link.Link
		var own []*snapshottest.Link
		for _, hub := range c.hubs {
			conn := hub.Link("worker")
			links, own = append(links, conn), append(own, conn)
		}
		log := &logBook{}
		notifier := link.NewNotifier(links, log.logger())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			notifier.Run(ctx)
		}()
		leader := c.leader()
		pass(time.Second)
		c.wantSpread(leader, notifier.Nudge)
		for name, lose := range map[string]func(){"cut": own[0].Cut, "hang": own[0].Hang, "blocked": own[0].Block} {
			lose()
			notifier.Nudge("nothing") // finds out, which may take a second
			pass(2 * time.Second)
			c.wantSpread(leader, notifier.Nudge)
			if t.Failed() {
				t.Fatalf("while the first link is %s", name)
			}
			own[0].Mend()
			pass(time.Second)
		}
		own[0].Cut()
		own[1].Hang()
		for range 20 {
			notifier.Nudge()
			pass(200 * time.Millisecond)
		}
		if _, most := own[1].Calls(); most > 1 {
			t.Errorf("%d calls at once", most)
		}
		calls := leader.source.Calls()
		own[0].Mend()
		pass(1500 * time.Millisecond)
		if n := leader.source.Calls() - calls; n < 1 || n > 2 {
			t.Errorf("%d collections for what could be reported at last", n)
		}
		if n := len(log.all()); n != 2 {
			t.Errorf("logged: %v; want when it fails and when it works again", log.all())
		}
		own[1].Block()
		notifier.Nudge()
		cancel()
		<-ended
		own[1].Mend()
	})
}

// A new leader starts from what the last one has published: its values, their times, and what failed there, not what
// failed here long ago.
func TestRunStartsFromWhatOthersPublished(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow, source := section("a")
		quick, _ := section("b")
		cache, warmer := newWarmer(t, snapshot.CacheOptions{}, snapshot.WarmerOptions{}, slow, quick)
		source.Fail(errors.New("long ago"))
		stop := run(t, warmer)
		pass(time.Second)
		stop()
		pass(time.Hour)
		doc := documentAt(t, obj{"by": "another"}, time.Now())
		doc = bytes.Replace(doc, []byte(`{"a":{`), []byte(`{"b":{},"a":{`), 1)
		doc = bytes.Replace(doc, []byte(`"error":null`), []byte(`"error":"just now"`), 1)
		mustOffer(t, cache, doc)
		pass(time.Second)
		source.Mend()
		source.Delay(time.Second) // longer than a publish waits for it
		defer run(t, warmer)()
		pass(700 * time.Millisecond)
		d := decode(t, cache.Current())
		if got := d.failure("a"); string(d.Sections["a"]) != `{"by":"another"}` || got != "just now" {
			t.Errorf("it begins with %s, which failed because of %q", d.Sections["a"], got)
		}
		pass(time.Second)
		if got := decode(t, cache.Current()).failure("a"); got != "" {
			t.Errorf("then it fails because of %q", got)
		}
	})
}

// What the leader published last is at the hub when its cache is closed; a hub that hangs is not waited for longer than
// the caller likes.
func TestCloseStoresTheLastDocument(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCluster(t, "redis", "postgres")
		p := c.start("p1")
		pass(6 * time.Second)
		c.hubs[0].Slow(400 * time.Millisecond)
		p.links[1].Block()
		p.group.Nudge()
		pass(100 * time.Millisecond)
		last := p.cache.Current()
		p.stop()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := p.cache.Close(ctx); err == nil || !strings.Contains(err.Error(), "postgres") || strings.Contains(err.Error(), "redis") {
			t.Errorf("Close() = %v, want what postgres lacks", err)
		}
		if got := c.hubs[0].Document(); string(got) != string(last.JSON) {
			t.Errorf("the hub holds %.80s", got)
		}
	})
}

// Hours of random trouble for a cluster of five: links are cut, hang, lose and delay messages, sources fail, processes
// end, die and start, hubs forget. Revisions grow at each process (its watcher checks that), viewers get an answer at
// once, and when all is well again one leads and all show the same.
func TestClusterUnderRandomTrouble(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { clusterTrouble(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func clusterTrouble(t *testing.T, random *rand.Rand) {
	c := newCluster(t, []string{"redis", "postgres"}[:1+random.IntN(2)]...)
	born := 0
	start := func() {
		born++
		c.start(fmt.Sprint("p", born))
	}
	for range 5 {
		start()
		pass(time.Duration(random.IntN(800)) * time.Millisecond)
	}
	for began := time.Now(); time.Since(began) < 30*time.Minute; pass(time.Duration(random.IntN(4000)) * time.Millisecond) {
		running := c.others(nil)
		p := running[random.IntN(len(running))]
		conn := p.links[random.IntN(len(p.links))]
		hub := c.hubs[random.IntN(len(c.hubs))]
		switch random.IntN(20) {
		case 0:
			conn.Cut()
		case 1:
			conn.Hang()
		case 2:
			conn.Lose()
		case 3:
			conn.Block()
		case 4:
			conn.Delay(time.Duration(random.IntN(1200)) * time.Millisecond)
		case 5, 6, 7:
			conn.Mend()
			conn.Delay(0)
		case 8:
			[]func(){hub.Cut, hub.Hang, hub.Flush, func() { hub.Plant([]byte("garbage")) }}[random.IntN(4)]()
		case 9:
			hub.Mend()
		case 10:
			p.source.Fail(errDown)
		case 11:
			p.source.Stall()
		case 12, 13:
			p.source.Mend()
		case 14:
			if len(running) > 2 {
				[]func(*process){func(p *process) { p.stop() }, (*process).die}[random.IntN(2)](p)
			}
		case 15:
			if len(running) < 7 {
				start()
			}
		case 16:
			snapshot.Suspend(p.cache, time.Duration(random.IntN(60))*time.Second)
		default:
			p.group.Nudge()
		}
		for _, p := range c.others(nil) {
			asked := time.Now()
			_, _, err := p.cache.Get(t.Context())
			if took := time.Since(asked); took > 3100*time.Millisecond || took > 500*time.Millisecond && p.revision() > 0 && err != nil {
				t.Errorf("%s answered after %v: %v", p.name, took, err)
			}
		}
	}
	for _, hub := range c.hubs {
		hub.Mend()
		hub.Slow(0)
	}
	for _, p := range c.processes {
		p.source.Mend()
	}
	pass(2 * time.Minute)
	c.wantShared()
	n := c.terms()
	pass(10 * time.Minute)
	c.wantShared()
	if c.terms() != n {
		t.Error("the lead has changed although all is well")
	}
	c.processes = slices.DeleteFunc(c.processes, func(p *process) bool { return !p.running.Load() })
}
