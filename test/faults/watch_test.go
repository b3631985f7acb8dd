//go:build linux

package faults

import (
	"fmt"
	"syscall"
	"time"
)

// calm is how long viewers look at the healthy server before a fault and after it.
var calm = func() time.Duration { return pick(3*time.Second, time.Second) }

// watch accompanies one fault from before to after with a viewer of each kind.
type watch struct {
	bed        *bed
	fault      string
	viewer     *viewer
	follower   *follower
	goroutines int // of the healthy server, with these viewers
	files      int
	brokeAt    time.Time
	mendedAt   time.Time
}

// watch waits until the server is healthy and looks at it for a while.
func (b *bed) watch(fault string) *watch {
	b.t.Helper()
	w := &watch{bed: b, fault: fault}
	w.untilHealthy(20 * time.Second)
	w.viewer, w.follower = b.newViewer(), b.newFollower()
	b.t.Cleanup(w.viewer.close)
	b.t.Cleanup(w.follower.close)
	throughout(b.t, calm(), "before the fault", b.server.alive)
	watched := time.Now()
	eventually(b.t, 20*time.Second, "the goroutines are counted", func() (err error) {
		w.goroutines, err = b.goroutines(watched)
		return err
	})
	w.files = openFiles(b.server.pid())
	return w
}

// breaks marks the moment of the fault.
func (w *watch) breaks() {
	w.brokeAt = time.Now()
	w.viewer.enter(during)
}

// mends marks the moment at which the cause of the fault is gone.
func (w *watch) mends() {
	w.mendedAt = time.Now()
	w.viewer.enter(after)
}

// untilHealthy waits for a document without any trouble that was published after now, and gives the time it took.
func (w *watch) untilHealthy(timeout time.Duration) time.Duration {
	w.bed.t.Helper()
	began := time.Now()
	return eventually(w.bed.t, timeout, w.fault+": the server is healthy", func() error {
		d, err := w.bed.document()
		if err != nil {
			return err
		}
		if d.Timestamp.Before(began.Truncate(time.Millisecond)) {
			return fmt.Errorf("the document is still the one of %v", d.Timestamp)
		}
		return d.Healthy(0)
	})
}

// end checks what must hold after every fault and adds its row to the report.
func (w *watch) end(recovery time.Duration, lost int, note string) {
	t := w.bed.t
	t.Helper()
	throughout(t, calm(), "after the fault", w.bed.server.alive)
	w.back()
	eventually(t, 20*time.Second, w.fault+": the stream agrees with the document", w.follower.agrees)
	w.viewer.close()
	w.follower.close()
	for _, text := range w.viewer.complaints() {
		t.Errorf("%s: a viewer saw: %s", w.fault, text)
	}
	for _, text := range w.follower.complaints() {
		t.Errorf("%s: a viewer of the stream saw: %s", w.fault, text)
	}
	seen := [phases]samples{w.viewer.seen(before), w.viewer.seen(during), w.viewer.seen(after)}
	results.add(row{
		fault: w.fault, viewers: seen[during].summary(), oldest: max(seen[during].oldest(), seen[after].oldest()),
		latencies: seen[before].latencies() + " → " + seen[during].latencies() + " → " + seen[after].latencies(),
		recovery:  seconds(recovery), lost: fmt.Sprint(lost), note: note,
	})
}

// back waits until goroutines and open files are as few as before the fault.
func (w *watch) back() {
	const moreGoroutines, moreFiles = 25, 15 // connections of the pools, a job at work
	t := w.bed.t
	t.Helper()
	isBack := false
	defer func() {
		if !isBack { // where they all stand goes to standard error, which is shown at the end
			_ = w.bed.server.cmd.Process.Signal(syscall.SIGQUIT)
			<-w.bed.server.exited
			<-w.bed.server.stderr.ended
		}
	}()
	eventually(t, 40*time.Second, w.fault+": goroutines and files are back", func() error {
		if now, err := w.bed.goroutines(w.mendedAt); err != nil || now > w.goroutines+moreGoroutines {
			return fmt.Errorf("%d goroutines, %d before: %s", now, w.goroutines, fmt.Sprint(err))
		}
		if now := openFiles(w.bed.server.pid()); now > w.files+moreFiles {
			return fmt.Errorf("%d open files, %d before", now, w.files)
		}
		return nil
	})
	isBack = true
}

// goroutines is what the document says of the server, counted after a moment.
func (b *bed) goroutines(after time.Time) (int, error) {
	d, err := b.document()
	if err != nil {
		return 0, err
	}
	if counted := d.Meta.Sections["system"].AsOf; counted == nil || counted.Before(after) {
		return 0, fmt.Errorf("counted last at %v", counted)
	}
	return d.Dashboard.System.Process.Goroutines, nil
}
