package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// liveViewers measures part c: many who hold the stream of the real binary, while jobs come and go.
func (b *bed) liveViewers(ctx context.Context, s *section) error {
	ours, err := b.startAgentOS(ctx)
	if err != nil {
		return err
	}
	defer ours.close()
	f, err := b.jobs.StartFlow(ctx, b.plan.flowRate)
	if err != nil {
		return err
	}
	err = b.audiences(ctx, s, ours)
	_, flowErr := f.Close()
	return errors.Join(err, flowErr)
}

func (b *bed) audiences(ctx context.Context, s *section, ours *contestant) error {
	t := newTable("", "Viewers", "Publishes a minute", "CPU a publish", "Last one has it after, median", "worst", "Memory a viewer",
		"Bytes a viewer and minute", "polling each 5 s instead")
	s.tables = []*table{t}
	if err := pause(ctx, 2*interval); err != nil { // the flow shows on all sections
		return err
	}
	alone, err := b.cpuDuring(ctx, ours)
	if err != nil {
		return err
	}
	base, err := b.memoryAtRest(ctx, ours)
	if err != nil {
		return err
	}
	polled, err := b.polledBytes(ctx, ours)
	if err != nil {
		return err
	}
	for _, viewers := range b.plan.viewers {
		if limit := openFiles(); uint64(viewers)+200 > limit {
			s.note("Not measured: %s viewers, because a process may open only %d files here.", count(viewers), limit)
			continue
		}
		if err := b.audience(ctx, t, ours, viewers, alone, base, polled); err != nil {
			return fmt.Errorf("%s viewers: %w", count(viewers), err)
		}
	}
	return nil
}

// audience adds the row of so many viewers. alone is the server's CPU per second without any.
func (b *bed) audience(ctx context.Context, t *table, ours *contestant, viewers int, alone float64, base int64, polled float64) (err error) {
	progress("%s viewers of the stream", count(viewers))
	a := newAudience(ours)
	defer func() { err = errors.Join(err, a.leave()) }()
	if err := a.join(ctx, viewers); err != nil {
		return err
	}
	if err := pause(ctx, interval); err != nil { // what connecting cost is over
		return err
	}
	a.forget()
	busy, err := b.cpuDuring(ctx, ours)
	if err != nil {
		return err
	}
	memory, bytes := memoryOf(ours.pid())-base, float64(a.bytes.Load())
	lags, fewest := a.lags()
	if len(lags) == 0 {
		return errors.New("nothing was published while it was measured")
	}
	minutes := b.plan.window.Minutes()
	publishes := float64(len(lags)) / minutes
	spent := (busy - alone) * 60 / publishes
	row := []string{
		count(viewers), whole(publishes), took(time.Duration(max(spent, 0) * float64(time.Second))), took(median(lags)), took(slices.Max(lags)),
		perViewer(memory, viewers), size(bytes / float64(viewers) / minutes), size(polled),
	}
	if fewest < viewers {
		row[4] += fmt.Sprintf(" (%d of them)", fewest)
	}
	t.add(row...)
	return nil
}

// perViewer is the share of one viewer in what the server has grown by; nothing when it has shrunk meanwhile.
func perViewer(grown int64, viewers int) string {
	if grown <= 0 {
		return notMeasured
	}
	return size(float64(grown) / float64(viewers))
}

// memoryAtRest waits, for at most twice the window of the plan, until a server has given back what starting took.
func (b *bed) memoryAtRest(ctx context.Context, c *contestant) (int64, error) {
	now := memoryOf(c.pid())
	for deadline := time.Now().Add(2 * b.plan.window); time.Now().Before(deadline); {
		before := now
		if err := pause(ctx, 2*interval); err != nil {
			return 0, err
		}
		if now = memoryOf(c.pid()); now > before-1<<20 {
			break
		}
	}
	return now, nil
}

// cpuDuring is the server's CPU time per second for as long as the plan says.
func (b *bed) cpuDuring(ctx context.Context, c *contestant) (float64, error) {
	before, err := cpuOf(c.pid())
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := pause(ctx, b.plan.window); err != nil {
		return 0, err
	}
	after, err := cpuOf(c.pid())
	return (after - before).Seconds() / time.Since(began).Seconds(), err
}

// polledBytes is what a viewer gets in a minute who asks for the compressed document each five seconds: the answers as they are
// on the wire.
func (b *bed) polledBytes(ctx context.Context, c *contestant) (float64, error) {
	packed, err := c.fetch(ctx, "/api/admin/ssot", "gzip")
	if err != nil {
		return 0, err
	}
	head, err := headSize(ctx, c)
	return float64(len(packed)+head) * float64(time.Minute/pollEvery), err
}

// headSize is about the length of an answer's head.
func headSize(ctx context.Context, c *contestant) (int, error) {
	request, err := c.api().Request(ctx, "GET", "/api/admin/ssot", nil)
	if err != nil {
		return 0, err
	}
	response, err := c.api().Client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var head strings.Builder
	err = response.Header.Write(&head)
	return head.Len() + len("HTTP/1.1 200 OK\r\n\r\n"), err
}

// openFiles is how many files a process may have open. Go programs raise their own limit to it.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 1024
	}
	return limit.Max
}
