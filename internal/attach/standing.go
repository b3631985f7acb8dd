package attach

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/paced"
)

// Standing is how the attached database stands to the present: by its clock, and as a replica by what it has of its primary.
type Standing struct {
	Ahead   time.Duration // of the database's clock before ours
	Replica bool
	DataAt  time.Time // by our clock: what was done before is in what is read; zero when that is no replica
	Known   bool      // DataAt is certain; else the data may be older still
	Paused  bool      // the replay of what the primary did
	Reason  string    // why a replica may be behind, with what to do; empty while it follows
}

// Behind is how old the data is.
func (s Standing) Behind(now time.Time) time.Duration {
	if s.DataAt.IsZero() {
		return 0
	}
	return max(now.Sub(s.DataAt), 0)
}

// standing finds out how the database stands, at most as often as sections are collected.
type standing struct {
	paced.Answer[Standing]

	mu    sync.Mutex
	marks []position // of the primary, oldest first
}

// position is how far the primary had written its log at a time by our clock.
type position struct {
	at  time.Time
	lsn uint64
}

const (
	// mostMarks bounds the positions that are remembered while a replica is behind: then every other one is dropped.
	mostMarks = 512
	// primaryTimeout bounds the question to the primary.
	primaryTimeout = time.Second
)

// Standing returns the state of the attached database, as found last or now.
func (s *Service) Standing(ctx context.Context) (Standing, error) {
	found, _, err := s.standing.Get(ctx, s.refresher, s.fresh(), 1, s.readStanding)
	return found, err
}

// DataAt returns the time by our clock of which the data is that is read now; zero: of the present.
func (s *Service) DataAt(ctx context.Context) time.Time {
	found, _ := s.Standing(ctx) // while the database does not answer, the sections say so themselves
	return found.DataAt
}

// present is the time of the data that is read now, by the database's clock.
func (s *Service) present(ctx context.Context) (time.Time, error) {
	found, err := s.Standing(ctx)
	at := s.now()
	if !found.DataAt.IsZero() {
		at = found.DataAt
	}
	return at.Add(found.Ahead), err
}

func (s *Service) readStanding(ctx context.Context) (Standing, error) {
	if s.foreign.Kind != db.Postgres {
		return Standing{}, nil
	}
	primary, primaryErr := s.readPrimary(ctx) // before the replica: what it has afterwards it had then
	var found Standing
	var paused, receives sql.NullBool
	var replayed, received sql.NullString
	var last, clock engine.Time
	began := time.Now()
	err := s.foreign.Read.QueryRowContext(ctx, `select r, clock_timestamp(), case when r then pg_is_wal_replay_paused() end,
		case when r then pg_last_wal_replay_lsn()::text end, case when r then pg_last_wal_receive_lsn()::text end,
		case when r then coalesce(pg_last_xact_replay_timestamp(), (select checkpoint_time from pg_control_checkpoint())) end, case when r then exists (select 1 from pg_stat_wal_receiver) end
		from (select pg_is_in_recovery() as r) standing`).Scan(&found.Replica, &clock, &paused, &replayed, &received, &last, &receives)
	if err != nil {
		return found, engine.WrapDB("ask how the attached database stands", err)
	}
	ended := time.Now()
	found.Ahead = engine.SkewOf(clock.Time, began, ended)
	if !found.Replica {
		return found, nil
	}
	found.Paused = paused.Bool
	have, _ := lsnOf(replayed.String)
	replayedAt := time.Time{}
	if last.Known() { // by the primary's clock, which is taken to be the replica's
		replayedAt = last.Add(-found.Ahead)
	}
	caughtUp := receives.Bool && received.Valid && received.String == replayed.String && !found.Paused
	s.standing.judge(&found, primary, primaryErr, have, replayedAt, caughtUp, began)
	switch {
	case found.Paused:
		found.Reason = "its replay is paused: select pg_wal_replay_resume() there goes on with it"
	case !receives.Bool:
		found.Reason = "it receives nothing from its primary: see its log"
	case primaryErr != nil:
		found.Reason = fmt.Sprintf("its primary does not answer, so that nobody knows how far behind it is (%v)", primaryErr)
	default:
		found.Reason = "it replays what its primary does later than that does it"
	}
	return found, nil
}

// judge finds the time of the data. Surest is the primary's own position: when the replica has replayed as far, it has all that was
// done before. Without a word of the primary's, a replica that has replayed all that it received, and still receives, is up to date.
func (s *standing) judge(found *Standing, primary position, primaryErr error, have uint64, replayedAt time.Time, caughtUp bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if primaryErr == nil && primary.lsn > 0 {
		s.marks = append(s.marks, primary)
	}
	reached := -1
	for i, mark := range s.marks {
		if mark.lsn <= have {
			reached = i
		}
	}
	switch {
	case reached >= 0:
		found.DataAt, found.Known = s.marks[reached].at, true
		s.marks = s.marks[reached:]
	case len(s.marks) == 0 && caughtUp:
		found.DataAt, found.Known = now, true
	case !replayedAt.IsZero():
		found.DataAt = replayedAt // the last commit that it has: it may be up to date, if the primary rests
	case len(s.marks) > 0:
		found.DataAt = s.marks[0].at
	default:
		found.DataAt = now // nothing says otherwise
	}
	if len(s.marks) > mostMarks {
		thinned := slices.Clone(s.marks[:1])
		for i := 2; i < len(s.marks); i += 2 {
			thinned = append(thinned, s.marks[i])
		}
		s.marks = thinned
	}
}

// readPrimary asks the primary how far it has written its log; nothing when none is named.
func (s *Service) readPrimary(ctx context.Context) (position, error) {
	if s.primary == nil {
		return position{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, primaryTimeout)
	defer cancel()
	p := position{at: time.Now()}
	var text string
	if err := s.primary.Read.QueryRowContext(ctx, `select pg_current_wal_lsn()::text`).Scan(&text); err != nil {
		return p, db.Wrap(err)
	}
	var err error
	p.lsn, err = lsnOf(text)
	return p, err
}

// lsnOf reads a position of Postgres's log, such as 16/B374D848.
func lsnOf(text string) (uint64, error) {
	high, low, _ := strings.Cut(text, "/")
	h, err := strconv.ParseUint(high, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("read the log's position %q: %w", text, err)
	}
	l, err := strconv.ParseUint(low, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("read the log's position %q: %w", text, err)
	}
	return h<<32 | l, nil
}
