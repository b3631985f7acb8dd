//go:build linux

package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// nest leaves processes behind in every way a shell knows, at its first attempt; at the next it works for two seconds.
const nest = `
mkdir "$AGENTOS_AGENT_DATA/job-$AGENTOS_JOB_ID" 2>/dev/null || { sleep 2; exit 0; }
sleep $MARK &
( sleep $MARK & )
nohup sleep $MARK >/dev/null 2>&1 &
setsid sleep $MARK &
setsid sh -c 'trap "" TERM HUP INT; setsid nohup sleep $MARK & sleep $MARK' </dev/null >/dev/null 2>&1 &
env -i "PATH=$PATH" setsid sh -c "(sleep $MARK &) ; sleep $MARK" &
trap '' TERM HUP INT
sleep $MARK`

const nestSize = 8 // the sleeping processes of one attempt

func TestKillLeavesNoProcessBehindAndItsJobsRunAgain(t *testing.T) {
	inTurn(t, aMinute)
	b := newBed(t, agents{"nest": shell(nest, "concurrency", 3)})
	b.start()
	w := b.watch("a. kill -9 with grandchildren alive")
	ids := []int64{b.mustEnqueue("nest", nil), b.mustEnqueue("nest", nil), b.mustEnqueue("nest", nil)}
	eventually(t, 30*time.Second, "the agents have their grandchildren", func() error {
		if n := len(marked(b.mark)); n < len(ids)*nestSize {
			return fmt.Errorf("%d processes", n)
		}
		return nil
	})

	w.breaks()
	b.kill()
	gone := eventually(t, pick(2*time.Second, 10*time.Second), "no process is left", func() error {
		if left := marked(b.mark); len(left) > 0 {
			return fmt.Errorf("%d still there, such as %v", len(left), left[0])
		}
		return nil
	})
	w.mends()
	first := b.start()
	again := eventually(t, 15*time.Second, "every job that was running is run again", func() error { return b.runAgain(ids) })
	for _, id := range ids {
		j := b.untilState(id, "completed", 20*time.Second)
		if len(j.Runs) != 2 || j.Runs[0].Outcome != "ok" || j.Runs[1].Outcome != "lost" {
			t.Errorf("job %d: want a lost run and an ok one, got %+v", id, j.Runs)
		}
	}
	w.end(first, 0, fmt.Sprintf("%d processes gone after %s; first answer %s after start; jobs at work again after %s",
		len(ids)*nestSize, seconds(gone), seconds(first), seconds(first+again)))
}

// runAgain is an error unless each job has a second run.
func (b *bed) runAgain(ids []int64) error {
	for _, id := range ids {
		j, err := b.job(id)
		if err != nil {
			return err
		}
		if len(j.Runs) < 2 {
			return fmt.Errorf("job %d is %s with %d runs", id, j.State, len(j.Runs))
		}
	}
	return nil
}

// exclusive makes an agent notice that another attempt at the same job is still alive after a time that it may take
// (-n for none): all of an attempt's processes, grandchildren included, share the locked descriptor.
const exclusive = `exec 9>"$LOCKS/$AGENTOS_JOB_ID"; flock %s 9 || echo "job $AGENTOS_JOB_ID attempt $AGENTOS_ATTEMPT" >>"$LOCKS/overlaps"; `

// guard makes all agents of a fleet exclusive; overlaps lists those that were not.
func (b *bed) guard(fleet agents) agents {
	locks := b.dir + "/locks"
	b.must(os.MkdirAll(locks, 0o777))
	b.own(locks)
	for _, spec := range fleet {
		command := spec["command"].([]string)
		command[2] = fmt.Sprintf(exclusive, b.overlap) + command[2]
		spec["env"] = map[string]string{"LOCKS": locks}
	}
	return fleet
}

func (b *bed) overlaps() string {
	text, _ := os.ReadFile(b.dir + "/locks/overlaps")
	return string(text)
}

func TestManyKillsUnderLoadLoseNothing(t *testing.T) {
	inTurn(t, aMinute)
	kills := pick(50, 8)
	b := newBed(t, loadFleet(), guarded, func(b *bed) {
		b.overlap = "-w 2" // a successor may begin while what the killed server left is being killed
	})
	b.start()
	w := b.watch(fmt.Sprintf("b. %d × kill -9 under load", kills))
	l := b.startLoad(120*time.Millisecond, nil)
	var slowest time.Duration
	w.breaks()
	seed := uint64(time.Now().UnixNano())
	t.Logf("the seed of the kills is %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range kills {
		throughout(t, 300*time.Millisecond+time.Duration(random.IntN(2200))*time.Millisecond, "between kills", b.server.alive)
		b.kill()
		slowest = max(slowest, b.start())
	}
	w.mends()
	throughout(t, 2*time.Second, "after the last kill", b.server.alive)
	l.end()
	drained := b.drain(5 * time.Minute) // a job that lost several workers waits
	recovery := w.untilHealthy(10 * time.Second)
	lost := b.audit(l)
	if text := b.overlaps(); text != "" {
		t.Errorf("attempts at one job were alive at the same time:\n%s", text)
	}
	t.Logf("%v; drained %v after the last", l, drained)
	w.end(recovery, lost, fmt.Sprintf("%v; slowest restart to first answer %s", l, seconds(slowest)))
}
