package auth

import (
	"context"
	"crypto/rand"
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

// class is which share of the log an entry belongs to.
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
	id     string // of the row: it is written as a whole, so writing it twice is writing it once
	since  time.Time
	last   Entry
	count  int64
	stored int64 // of these, for certain
}

func newTally() *tally { return &tally{keys: make(map[tallyKey]*tallied)} }

// own reports whether the entry gets a row of its own. If not, it is to be added.
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
	if k.sum.stored == k.sum.count && e.At.Sub(k.sum.since) >= sumLength {
		k.sum = sum{id: rand.Text(), since: e.At}
	}
	k.sum.last = e
	k.sum.count++
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
		if k.sum.stored == k.sum.count && now.Sub(k.at) >= sumLength {
			delete(t.keys, key)
		}
	}
}

// take returns the sums that have something to store, and the function that notes that they are.
func (t *tally) take() (sums map[*tallied]sum, stored func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sums = map[*tallied]sum{}
	for _, k := range t.keys {
		if k.sum.stored < k.sum.count {
			sums[k] = k.sum
		}
	}
	return sums, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for k, sum := range sums {
			k.sum.stored = sum.count
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
			_, err = tx.ExecContext(ctx, `update audit set count = count + 1, last_at = $2, target = $3, detail = $4, remote = $5 where id = $1`,
				last, e.At.UnixMilli(), s.clean(e.Target), s.clean(e.Detail), s.clean(e.Remote))
			return err
		}
		return s.insertEntry(ctx, tx, e)
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
	err := s.inTx(ctx, "store sums of the audit log", func(tx *db.Tx) error {
		for _, sum := range sums {
			if err := s.storeSum(ctx, tx, sum); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		stored()
	}
	return err
}

func (s *Service) storeSum(ctx context.Context, tx *db.Tx, sum sum) error {
	e := sum.last
	_, err := tx.ExecContext(ctx, `insert into audit (at, last_at, count, class, actor, kind, action, target, outcome, detail, remote, sum_id)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (sum_id) where sum_id is not null do update set
			count = excluded.count, last_at = excluded.last_at, target = excluded.target, detail = excluded.detail, remote = excluded.remote`,
		sum.since.UnixMilli(), e.At.UnixMilli(), sum.count, e.class(), s.clean(e.Actor), e.Kind, s.clean(e.Action), s.clean(e.Target), e.Outcome,
		s.clean(e.Detail), s.clean(e.Remote), sum.id)
	return err
}

// keepTally stores the sums until ctx ends.
func (s *Service) keepTally(ctx context.Context) {
	every(ctx, tallyEvery, func() error {
		ctx, cancel := context.WithTimeout(ctx, upkeepDeadline)
		defer cancel()
		return s.storeSums(ctx)
	}, func(err error) {
		if err != nil {
			s.log.Warn("sums of the audit log are not stored; retrying every 5 s", "error", err)
		}
	})
}
