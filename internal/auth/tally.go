package auth

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/db"
)

// Classes of audit entries. Each has its share of the log, so that many of one do not push out those of another.
const (
	ClassAccount = "account" // who may do what was changed, and who signed in
	ClassRefused = "refused" // sign-ins and changes that were refused
	ClassAct     = "act"     // what was done with jobs, queues and agents
)

const (
	tallyEvery = 5 * time.Second // how often sums are stored
	tallyKeys  = 1000            // of actors and actions counted apart; those beyond share a sum
	sumLength  = time.Hour       // a sum that began so long ago is followed by another
	// othersName stands for actors beyond tallyKeys.
	othersName = "(others)"
)

// class tells which share of the log an entry belongs to.
func (e Entry) class() string {
	switch kind, _, _ := strings.Cut(e.Action, "."); {
	case kind != "login" && kind != "logout" && kind != "user" && kind != "token" && kind != "access":
		return ClassAct
	case e.Outcome != "ok":
		return ClassRefused
	}
	return ClassAccount
}

// allowance is how many entries of one actor and action get rows of their own: so many at once, then one each.
// Zero: all of them.
func (e Entry) allowance() (burst float64, every time.Duration) {
	switch {
	case e.Outcome != "ok":
		return 20, time.Minute
	case e.class() == ClassAct:
		return 1000, 5 * time.Minute
	case strings.HasPrefix(e.Action, "log"):
		return 100, time.Minute
	}
	return 0, 0 // changes of users and tokens: only admins make them, and each counts
}

// tally bounds the audit log: who does the same thing over and over gets rows for the first times, and then one row an hour
// that counts. Counts are in memory until they are stored, so that a flood of requests is no flood of statements.
type tally struct {
	mu   sync.Mutex
	keys map[tallyKey]*tallied
}

// tallyKey is whose entries are summed. A sign-in that fails counts by its address: names are free to invent.
type tallyKey struct{ who, action, outcome string }

type tallied struct {
	used float64 // of the allowance
	at   time.Time
	sum  sum
}

// sum is an audit row that counts.
type sum struct {
	row   int64 // its id; 0: not stored yet
	since time.Time
	last  Entry
	fresh int64 // entries that are not stored yet
}

func newTally() *tally { return &tally{keys: make(map[tallyKey]*tallied)} }

// own tells whether the entry gets a row of its own. If not, it is to be added.
func (t *tally) own(e Entry) bool {
	burst, every := e.allowance()
	if burst == 0 {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k, _ := t.of(e)
	k.used = max(0, k.used-float64(e.At.Sub(k.at))/float64(every))
	k.at = e.At
	if k.used+1 > burst {
		return false
	}
	k.used++
	return true
}

// add counts an entry.
func (t *tally) add(e Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, shared := t.of(e)
	if shared {
		e.Actor, e.Kind = othersName, ""
	}
	if k.sum.fresh == 0 && e.At.Sub(k.sum.since) >= sumLength {
		k.sum = sum{since: e.At}
	}
	k.sum.last = e
	k.sum.fresh++
}

// of finds the key of an entry, or makes it. When there are too many, it is one that others share.
func (t *tally) of(e Entry) (k *tallied, shared bool) {
	key := tallyKey{e.Kind + " " + e.Actor, e.Action, e.Outcome}
	if strings.HasPrefix(e.Action, "login") && e.Outcome != "ok" {
		key.who = addressKey(e.Remote)
	}
	if k, ok := t.keys[key]; ok {
		return k, false
	}
	if len(t.keys) >= tallyKeys {
		t.forget(e.At)
	}
	if len(t.keys) >= tallyKeys {
		key.who, shared = "", true
		if k, ok := t.keys[key]; ok {
			return k, true
		}
	}
	k = &tallied{at: e.At}
	t.keys[key] = k
	return k, shared
}

// forget drops the keys that have nothing to store and were not used for a while.
func (t *tally) forget(now time.Time) {
	for key, k := range t.keys {
		if k.sum.fresh == 0 && now.Sub(k.at) >= sumLength {
			delete(t.keys, key)
		}
	}
}

// take returns the sums that have something to store, and the function that notes what became of it.
func (t *tally) take() (sums map[*tallied]sum, stored func(rows map[*tallied]int64)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sums = map[*tallied]sum{}
	for _, k := range t.keys {
		if k.sum.fresh > 0 {
			sums[k] = k.sum
		}
	}
	return sums, func(rows map[*tallied]int64) {
		t.mu.Lock()
		defer t.mu.Unlock()
		for k, row := range rows {
			k.sum.row = row
			k.sum.fresh -= sums[k].fresh
		}
	}
}

// commandsAnHour get rows of their own, of one of the system's users and one action.
const commandsAnHour = 20

// RecordCommand is Record for a command that is a process of its own and may be one of many: it counts in the table.
func RecordCommand(ctx context.Context, d *db.DB, entry Entry) error {
	s := &Service{db: d}
	e := entry.by(ActorFrom(ctx))
	return s.inTx(ctx, "record "+e.Action, func(tx *db.Tx) error {
		var (
			rows int
			last int64
		)
		err := tx.QueryRowContext(ctx, `select count(*), coalesce(max(id), 0) from audit
			where at > $1 and actor = $2 and kind = $3 and action = $4 and outcome = $5`,
			e.At.Add(-sumLength).UnixMilli(), s.clean(e.Actor), e.Kind, s.clean(e.Action), e.Outcome).Scan(&rows, &last)
		if err != nil {
			return err
		}
		if rows > commandsAnHour {
			_, err = s.storeSum(ctx, tx, sum{row: last, since: e.At, last: e, fresh: 1})
			return err
		}
		_, err = s.insertEntry(ctx, tx, e)
		return err
	})
}

// storeSums writes what was counted. It does nothing when nothing was.
func (s *Service) storeSums(ctx context.Context) error {
	s.storing.Lock()
	defer s.storing.Unlock()
	sums, stored := s.tally.take()
	if len(sums) == 0 {
		return nil
	}
	rows := map[*tallied]int64{}
	err := s.inTx(ctx, "store sums of the audit log", func(tx *db.Tx) error {
		clear(rows)
		for k, sum := range sums {
			row, err := s.storeSum(ctx, tx, sum)
			if err != nil {
				return err
			}
			rows[k] = row
		}
		return nil
	})
	if err == nil {
		stored(rows)
	}
	return err
}

func (s *Service) storeSum(ctx context.Context, tx *db.Tx, sum sum) (row int64, err error) {
	e := sum.last
	if sum.row != 0 {
		done, err := tx.ExecContext(ctx, `update audit set count = count + $2, last_at = $3, target = $4, detail = $5, remote = $6 where id = $1`,
			sum.row, sum.fresh, e.At.UnixMilli(), s.clean(e.Target), s.clean(e.Detail), s.clean(e.Remote))
		if err != nil {
			return 0, err
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return sum.row, err
		}
	}
	e.Count, e.LastAt = sum.fresh, e.At
	e.At = sum.since
	return s.insertEntry(ctx, tx, e)
}

// keepTally stores the sums until ctx ends.
func (s *Service) keepTally(ctx context.Context) {
	every(ctx, tallyEvery, func() error {
		ctx, cancel := context.WithTimeout(ctx, upkeepDeadline)
		defer cancel()
		return s.storeSums(ctx)
	}, func(err error) {
		if err != nil {
			s.log.Warn("sums of the audit log are not stored; trying again every 5 s", "err", err)
		}
	})
}
