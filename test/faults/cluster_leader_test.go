//go:build linux

package faults

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/agentos/agentos/test/cluster"
)

// oldestAllowed is the age that no viewer may see exceeded while the database is well, whoever dies.
const oldestAllowed = 15 * time.Second

// TestClusterLeaderKilled kills whoever leads, again and again, and starts it again.
func TestClusterLeaderKilled(t *testing.T) {
	inTurn(t, aMinute)
	times := pick(100, 10)
	st := newStage(t, viewEvery)
	defer st.close(t)
	began := time.Now()
	var slowest time.Duration
	for range times {
		leader := st.onlyLeader(t)
		leader.Kill()
		slowest = max(slowest, st.mustHaveNewLeader(t, leader))
		if err := leader.Start(); err != nil {
			t.Fatal(err)
		}
		// A leader that is killed before its first document costs 3 s each time, whatever comes after it: it gets to it.
		if _, err := st.healthyInTime(); err != nil {
			t.Errorf("after the kill: %v", err)
		}
		if t.Failed() {
			break
		}
	}
	st.judgeLeaders(t, began, fmt.Sprintf("leader killed -9, %d times in a row", times), slowest)
}

// TestClusterLeaderPaused stops whoever leads, for so long that others take over, and wakes it again.
func TestClusterLeaderPaused(t *testing.T) {
	inTurn(t, aMinute)
	times, pause := pick(20, 2), pick(30*time.Second, 6*time.Second)
	st := newStage(t, viewEvery)
	defer st.close(t)
	began := time.Now()
	var slowest time.Duration
	for range times {
		leader := st.onlyLeader(t)
		wake := time.After(pause)
		leader.Pause()
		slowest = max(slowest, st.mustHaveNewLeader(t, leader))
		<-wake
		leader.Resume()
		if _, err := st.healthyInTime(); err != nil {
			t.Errorf("after it woke: %v", err)
		}
		if t.Failed() {
			break
		}
	}
	st.judgeLeaders(t, began, fmt.Sprintf("leader paused for %v (SIGSTOP), %d times", pause, times), slowest)
}

func (st *stage) onlyLeader(t *testing.T) (leader *cluster.Member) {
	t.Helper()
	_, err := within(30*time.Second, "one server leads", func() (err error) {
		leader, err = st.cluster.Leader(context.Background())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return leader
}

func (st *stage) mustHaveNewLeader(t *testing.T, old *cluster.Member) time.Duration {
	t.Helper()
	began := time.Now()
	_, took, err := st.newLeader(old)
	if err != nil {
		t.Error(err)
	} else if took > newLeaderWithin+st.lateness(began) {
		t.Errorf("a new leader came after %v", took)
	}
	return took
}

// judgeLeaders looks at every answer since began, those of a server that had just woken up too.
func (st *stage) judgeLeaders(t *testing.T, began time.Time, fault string, slowest time.Duration) {
	t.Helper()
	recovery, err := st.healthyInTime()
	if err != nil {
		t.Errorf("in the end: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	lost, err := st.flow.Drained(ctx, time.Now())
	if err != nil {
		t.Error(err)
	}
	if err := st.checkProcesses(); err != nil {
		t.Error(err)
	}
	for _, text := range st.complaints() {
		t.Error(text)
	}
	var seen samples
	for m, list := range st.samples(began, time.Now()) {
		for _, one := range list {
			if one.Status != 200 {
				continue
			}
			seen = append(seen, sample{one.Status, one.Rung, one.Age, one.Took})
			if one.Age > oldestAllowed || one.TrueAge > oldestAllowed+time.Second {
				t.Errorf("a viewer of %s saw data %v old, in truth %v, at %s", m.Name, one.Age, one.TrueAge, one.At.UTC().Format("15:04:05.000"))
				break
			}
		}
	}
	results.add(row{
		cluster: true, fault: fault, viewers: seen.summary(), oldest: seen.oldest(), recovery: seconds(recovery), lost: fmt.Sprint(lost),
		latencies: "- → " + seen.latencies() + " → -", note: "slowest new leader " + seconds(slowest),
	})
}
