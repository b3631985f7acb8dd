package snapshot_test

import (
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot"
)

// Of three processes one collects, whatever the number of links; the others show its document within milliseconds.
func TestOneProcessCollectsForAll(t *testing.T) {
	for _, hubs := range [][]string{{"redis"}, {"redis", "postgres"}} {
		bubble(t, func(t *testing.T) {
			c := newCluster(t, hubs...)
			for _, name := range []string{"p1", "p2", "p3"} {
				c.start(name)
			}
			c.until(time.Second, "all have a document", func() bool {
				return c.processes[0].revision() > 0 && c.processes[1].revision() > 0 && c.processes[2].revision() > 0
			})
			leader := c.leader()
			for range 3 {
				c.wantShared()
			}
			for _, p := range c.others(leader) {
				if n := p.source.Calls(); n != 0 {
					t.Errorf("%s, a follower, has collected %d times", p.name, n)
				}
				if got := p.publishers(start); got != leader.name {
					t.Errorf("%s has shown documents of %q, want those of %s", p.name, got, leader.name)
				}
			}
			if n := c.terms(); n != 1 {
				t.Errorf("%d terms, want 1", n)
			}
		})
	}
}

// Who ends in order hands over at once; who dies is replaced when its lease has ended.
func TestAnotherProcessTakesOver(t *testing.T) {
	for _, hubs := range [][]string{{"redis"}, {"redis", "postgres"}} {
		for name, end := range map[string]struct {
			end    func(*process)
			within time.Duration
		}{
			"ended": {func(p *process) { p.stop() }, time.Second},
			"died":  {(*process).die, 5 * time.Second},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := three(t, hubs...)
					old := c.leader()
					end.end(old)
					began, revision := time.Now(), old.revision()
					c.until(end.within, "another leads and has published", func() bool {
						for _, p := range c.others(old) {
							if p.revision() <= revision {
								return false
							}
						}
						return c.united()
					})
					if c.leader() == old {
						t.Fatal("the dead leads")
					}
					t.Logf("took %v", time.Since(began))
					c.wantShared()
					if n := c.terms(); n != 2 {
						t.Errorf("%d terms, want 2", n)
					}
					c.start("p4")
					pass(5 * time.Second)
					c.wantShared()
					if n := c.terms(); n != 2 {
						t.Errorf("%d terms after one more has come, want 2", n)
					}
				})
			})
		}
	}
}

// A nudge reaches the screens of all processes whichever was nudged; many are bounded.
func TestNudgeReachesTheProcessThatCollects(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := three(t, "redis", "postgres")
		leader := c.leader()
		for _, p := range c.processes {
			pass(time.Second)
			c.wantSpread(leader, p.group.Nudge)
		}
		pass(time.Second)
		calls, published := leader.source.Calls(), leader.warmer.Stats().Publishes
		began := time.Now()
		for time.Since(began) < 10*time.Second {
			for _, p := range c.processes {
				for range 10 {
					p.group.Nudge("a")
				}
			}
			pass(3 * time.Millisecond)
		}
		if n := leader.source.Calls() - calls; n > 45 {
			t.Errorf("%d collections in 10 s of nudges", n)
		}
		if n := leader.warmer.Stats().Publishes - published; n > 42 || n < 35 {
			t.Errorf("%d publishes in 10 s of nudges", n)
		}
		for _, p := range c.others(leader) {
			if n := p.source.Calls(); n != 0 {
				t.Errorf("%s has collected %d times", p.name, n)
			}
		}
		c.wantShared()
		for _, hub := range c.hubs {
			hub.Cut()
		}
		for _, p := range c.processes {
			p.group.Nudge("a") // nobody receives it: no harm
		}
		pass(10 * time.Second)
		for _, hub := range c.hubs {
			hub.Mend()
		}
		pass(5 * time.Second)
		c.wantShared()
		if role := leader.role(); role != snapshot.Leader && role != snapshot.Follower {
			t.Errorf("it is %s", role)
		}
	})
}
