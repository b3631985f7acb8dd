//go:build linux

package faults

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// misdeed is an agent that does what no agent should, and what must be reported of its one attempt.
type misdeed struct {
	name     string
	script   string
	timeout  string // default 20s
	state    string // of the job at the end
	outcome  string // of the run
	code     int    // exit code; -1 for none
	signal   string
	says     string // part of the run's error
	clipped  bool   // the result was longer than what is kept
	atLeast  time.Duration
	withinMS int64 // how long the attempt may take
}

const ended = -1 // no exit code: a signal ended it

var misdeeds = []misdeed{
	{name: "stdout-flood", script: `exec yes`, timeout: "2s", state: "discarded", outcome: "timeout", code: ended, clipped: true, withinMS: 9000},
	{name: "stdout-large", script: `yes | head -c 60000000`, state: "completed", outcome: "ok", clipped: true, withinMS: 15000},
	{name: "stderr-flood", script: `exec yes a line without end >&2`, timeout: "2s", state: "discarded", outcome: "timeout", code: ended, withinMS: 12000},
	{name: "endless-line", script: `tr '\0' x </dev/zero >&2`, timeout: "2s", state: "discarded", outcome: "timeout", code: ended, withinMS: 12000},
	{name: "binary-noise", script: `head -c 300000 /dev/urandom >&2; head -c 3000 /dev/urandom; exit 4`, state: "discarded", outcome: "failed", code: 4, withinMS: 9000},
	{name: "false-orders", script: `printf '{"progress":1e999}\n{"level":7}\n{"enqueue":[]}\n{"usage":{"cost_usd":"x"}}\n{"msg":\n' >&2; exit 5`, state: "discarded", outcome: "failed", code: 5, withinMS: 5000},
	{name: "unknown-enqueue", script: `echo '{"enqueue":{"agent":"nobody","args":{}}}' >&2`, state: "discarded", outcome: "failed", code: 0, says: "nobody", withinMS: 5000},
	{name: "sigkill", script: `kill -KILL $$`, state: "discarded", outcome: "failed", code: ended, signal: "SIGKILL", withinMS: 5000},
	{name: "sigsegv", script: `kill -SEGV $$`, state: "discarded", outcome: "failed", code: ended, signal: "SIGSEGV", withinMS: 5000},
	{name: "exit-255", script: `echo "the reason" >&2; exit 255`, state: "discarded", outcome: "failed", code: 255, says: "the reason", withinMS: 5000},
	{name: "ignores-term", script: `trap '' TERM; while :; do sleep 1; done`, timeout: "1s", state: "discarded", outcome: "timeout", code: ended, atLeast: time.Second, withinMS: 9000},
	{name: "stops-itself", script: `kill -STOP $$`, timeout: "1s", state: "discarded", outcome: "timeout", code: ended, withinMS: 9000},
	{name: "fork-storm", script: `i=0; while [ $i -lt 300 ]; do sleep $MARK & i=$((i+1)); done; wait`, timeout: "3s", state: "discarded", outcome: "timeout", code: ended, withinMS: 12000},
	{name: "leaves-many", script: `i=0; while [ $i -lt 100 ]; do setsid sleep $MARK & i=$((i+1)); done; echo left`, state: "completed", outcome: "ok", withinMS: 12000},
	{name: "holds-stdout", script: `setsid sleep $MARK & echo held`, state: "completed", outcome: "ok", withinMS: 6000},
	{name: "closes-all", script: `exec <&- >&- 2>&-; sleep 0.5; exit 0`, state: "completed", outcome: "ok", withinMS: 6000},
	{name: "kills-its-parent", script: `kill -KILL $PPID; sleep $MARK`, state: "discarded", outcome: "failed", code: ended, withinMS: 12000},
}

func TestMisbehavingAgents(t *testing.T) {
	inTurn(t, moments)
	fleet := loadFleet()
	for _, m := range misdeeds {
		timeout := m.timeout
		if timeout == "" {
			timeout = "20s"
		}
		fleet[m.name] = shell(m.script, "timeout", timeout, "max_attempts", 1)
	}
	script := "vanishing.sh"
	fleet["vanished"] = map[string]any{"command": []string{"./" + script}, "max_attempts": 1}
	b := newBed(t, fleet, func(b *bed) { b.must(os.WriteFile(b.dir+"/"+script, []byte("#!/bin/sh\n"), 0o755)) })
	b.start()
	w := b.watch("i. misbehaving agents")
	b.must(os.Remove(b.dir + "/" + script))
	_, peakBefore := memory(t, b.server.pid())

	w.breaks()
	l := b.startLoad(500*time.Millisecond, nil)
	jobs := map[string]int64{}
	for _, m := range misdeeds {
		jobs[m.name] = b.mustEnqueue(m.name, map[string]string{"padding": strings.Repeat("x", 200_000)})
	}
	vanished := b.mustEnqueue("vanished", nil)
	for _, m := range misdeeds {
		m.check(t, b.untilState(jobs[m.name], m.state, time.Minute))
	}
	if j := b.untilState(vanished, "available", 20*time.Second); j.Attempt > 1 { // it waits for a worker that has the program
		t.Errorf("vanished: %+v", j)
	}
	w.mends()
	b.must(os.WriteFile(b.dir+"/"+script, []byte("#!/bin/sh\n"), 0o755))
	b.untilState(vanished, "completed", 20*time.Second)
	recovery := w.untilHealthy(10 * time.Second)
	l.end()
	eventually(t, time.Minute, "the load's jobs end", func() error {
		return b.none("jobs that have not ended", `select id from river_job where state not in ('completed', 'discarded')`)
	})
	eventually(t, pick(5*time.Second, 20*time.Second), "nothing of any attempt is left", func() error {
		for _, left := range marked(b.mark) {
			if left.pid != b.server.pid() {
				return fmt.Errorf("still there: %v", left)
			}
		}
		return nil
	})
	_, peak := memory(t, b.server.pid())
	if peak > 400 {
		t.Errorf("the server used %d MiB", peak)
	}
	w.end(recovery, 0, fmt.Sprintf("%d kinds; memory peak %d → %d MiB; %v", len(misdeeds)+1, peakBefore, peak, l))
}

func (m misdeed) check(t *testing.T, j *job) {
	t.Helper()
	if len(j.Runs) != 1 {
		t.Errorf("%s: %d runs", m.name, len(j.Runs))
		return
	}
	r := j.Runs[0]
	wrong := func(what string, got, want any) { t.Errorf("%s: %s is %v, want %v", m.name, what, got, want) }
	if r.Outcome != m.outcome {
		wrong("outcome", r.Outcome, m.outcome)
	}
	code := ended
	if r.ExitCode != nil {
		code = *r.ExitCode
	}
	if code != m.code {
		wrong("exit code", code, m.code)
	}
	if m.signal != "" && (r.Signal == nil || *r.Signal != m.signal) {
		wrong("signal", r.Signal, m.signal)
	}
	if m.outcome != "ok" && (r.Error == nil || !strings.Contains(*r.Error, m.says)) {
		wrong("error", r.Error, "one with "+m.says)
	}
	if r.ResultTruncated != m.clipped {
		wrong("truncated", r.ResultTruncated, m.clipped)
	}
	if r.Result != nil && len(*r.Result) > 800<<10 { // 256 KiB of bytes, each at most a three byte replacement character
		wrong("length of the result", len(*r.Result), "at most 256 KiB")
	}
	if r.RunMS == nil || *r.RunMS > m.withinMS || *r.RunMS < m.atLeast.Milliseconds() {
		wrong("run time in ms", r.RunMS, fmt.Sprintf("%d to %d", m.atLeast.Milliseconds(), m.withinMS))
	}
}
