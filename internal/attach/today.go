package attach

import (
	"context"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/paced"
)

const (
	// createdChunk bounds how many jobs are counted at once: the first look at a busy day takes several.
	createdChunk = 100_000
	// createdVisibleAfter is how long after a job's id was given its insertion may become visible.
	createdVisibleAfter = time.Minute
)

// created counts the jobs that were inserted today.
type created struct {
	mu        sync.Mutex
	start     time.Time // local midnight
	countedTo int64     // ids up to it are in counted
	counted   int64
	marks     []mark // highest ids seen recently, oldest first
	latest    paced.Answer[createdNow]
}

type mark struct {
	at time.Time
	id int64
}

type createdNow struct {
	total int64
	part  bool // more are still to be counted
}

// Today counts since the local midnight: what was inserted by ids, and what ended from the sums.
func (s *Service) Today(ctx context.Context) (engine.Today, error) {
	now := time.Now()
	start := agent.StartOfDay(now)
	t := engine.Today{DayStart: start, Zone: agent.ZoneName()}
	share := shareBehind
	if last := s.created.latest.Last(); last.total > 0 && !last.part {
		share = shareCreated
	}
	found, _, err := s.created.latest.Get(ctx, s.refresher, s.fresh(), share, func(ctx context.Context) (createdNow, error) { return s.countCreated(ctx, start, now) })
	if err != nil {
		return t, err
	}
	t.Total, t.Partial = &found.total, found.part
	sums, err := s.Between(ctx, start, now)
	if err != nil {
		return t, engine.WrapDB("sum up today's jobs", err)
	}
	t.Completed, t.Failed, t.Cancelled = &sums.OK, &sums.Failed, sums.Cancelled
	if p := s.Progress(); !p.Done && (p.KnownFrom.IsZero() || p.KnownFrom.After(start)) {
		t.Partial = true
	}
	if s.noEnded() {
		return t, nil // without the index nobody knows what gave up
	}
	return t, s.CountGaveUp(ctx, now, &t)
}

// countCreated counts what is new since the last time. Ids are given before their jobs become visible, so that those of the
// last minute are counted again each time.
func (s *Service) countCreated(ctx context.Context, start, now time.Time) (createdNow, error) {
	c := &s.created
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.start.Equal(start) {
		first, err := s.FirstSince(ctx, start)
		if err != nil {
			return createdNow{}, engine.WrapDB("find the first job of today", err)
		}
		c.start, c.countedTo, c.counted, c.marks = start, first-1, 0, nil
	}
	n, highest, err := s.countFrom(ctx, c.countedTo)
	if err != nil {
		return createdNow{}, err
	}
	if n >= createdChunk { // behind: what was counted is far below the newest
		c.counted += n
		c.countedTo = highest
		return createdNow{c.counted, true}, nil
	}
	total := c.counted + n
	c.marks = append(c.marks, mark{now, highest})
	for len(c.marks) > 0 && now.Sub(c.marks[0].at) > createdVisibleAfter {
		upTo := c.marks[0].id
		c.marks = c.marks[1:]
		if upTo <= c.countedTo {
			continue
		}
		var more int64
		err := s.foreign.Read.QueryRowContext(ctx, `select count(*) from river_job where id > $1 and id <= $2`, c.countedTo, upTo).Scan(&more)
		if err != nil {
			return createdNow{}, engine.WrapDB("count today's jobs", err)
		}
		c.counted += more
		c.countedTo = upTo
	}
	return createdNow{total, false}, nil
}

// countFrom counts the jobs above an id, at most createdChunk of them, and gives the last id it came to.
func (s *Service) countFrom(ctx context.Context, id int64) (n, highest int64, err error) {
	err = s.foreign.Read.QueryRowContext(ctx, `select count(*), coalesce(max(id), $1) from (
		select id from river_job where id > $1 order by id limit $2) picked`, id, createdChunk).Scan(&n, &highest)
	return n, highest, engine.WrapDB("count today's jobs", err)
}
