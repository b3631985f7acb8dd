package auth

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	refreshDeadline = time.Second
	upkeepEvery     = time.Minute
)

// knownSet is an immutable set of live credentials.
type knownSet struct {
	change     int64 // auth_change.n when it was loaded
	principals map[digest]*Principal
}

// Run keeps the known credentials like the database's, ends the expired ones, and does the upkeep of the tables. It
// returns nil when ctx ends, after storing when credentials were last used and what the audit log counted.
func (s *Service) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { s.keepFresh(ctx) })
	all.Go(func() { s.keepUp(ctx) }) // may have to wait for a lock, which must not make changes late
	all.Go(func() { s.keepTally(ctx) })
	all.Wait()
	if !s.down.Load() {
		_ = s.remember() // with the latest times of use; that the file is older is no fault
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshDeadline)
	defer cancel()
	if err := s.storeSums(last); err != nil {
		s.log.Warn("sums of the audit log not stored", "error", err)
	}
	if err := s.storeLast(last); err != nil {
		s.log.Warn("times of last use not stored", "error", err)
	}
	return nil
}

// every does something at a pace until ctx ends. It reports when that fails, and when it no longer does.
func every(ctx context.Context, pace time.Duration, do func() error, report func(error)) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	healthy := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err := do()
			if ctx.Err() == nil && (err == nil) != healthy {
				healthy = err == nil
				report(err)
			}
		}
	}
}

// keepFresh looks for changes until ctx ends.
func (s *Service) keepFresh(ctx context.Context) {
	every(ctx, s.opts.RefreshEvery, func() error {
		s.expire(time.Now())
		err := s.refreshIfChanged(ctx)
		s.down.Store(err != nil)
		return err
	}, s.logHealth)
}

func (s *Service) logHealth(err error) {
	if err != nil {
		s.log.Warn("accounts are not refreshed; known credentials stay valid", "error", err)
		return
	}
	s.log.Info("accounts are refreshed again")
}

func (s *Service) refreshIfChanged(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshDeadline)
	defer cancel()
	n, err := s.changeCount(ctx)
	if err != nil {
		return err
	}
	s.rejected.clear()
	if n == s.known.Load().change {
		return nil
	}
	return s.refresh(ctx)
}

// selectChange is all that an idle service asks for, once a second, however many viewers it has.
const selectChange = `select n from auth_change where id = 1`

func (s *Service) changeCount(ctx context.Context) (n int64, err error) {
	if err := s.db.Read.QueryRowContext(ctx, selectChange).Scan(&n); err != nil {
		return 0, unavailable("read the change counter", err)
	}
	return n, nil
}

// refresh reads all live credentials, publishes them, and writes them to Options.File.
func (s *Service) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshDeadline)
	defer cancel()
	if err := s.load(ctx); err != nil {
		return err
	}
	if err := s.remember(); err != nil {
		s.log.Warn("a start without the database will let nobody in", "error", err)
	}
	return nil
}

// load reads all live credentials and publishes them.
//
// Whoever reads rows in order to publish them holds s.loading from before the read until after publishing. Otherwise an
// older read could be published after a newer one, and a revoked credential would live on until the next change.
func (s *Service) load(ctx context.Context) error {
	if err := s.acquireLoading(ctx); err != nil {
		return err
	}
	defer s.releaseLoading()
	// The counter is read first: a change between the two reads is then seen again at the next comparison. It cannot hide
	// one that commits late, because changes are counted one after the other and appear together with their count.
	change, err := s.changeCount(ctx)
	if err != nil {
		return err
	}
	principals, err := s.loadLive(ctx, time.Now())
	if err != nil {
		return err
	}
	fleet, err := s.loadFleet(ctx)
	if err != nil {
		return err
	}
	s.setFleet(fleet)
	s.down.Store(false) // before anyone can see that they are loaded
	s.replace(func(*knownSet) *knownSet { return &knownSet{change: change, principals: principals} })
	return nil
}

func (s *Service) loadFleet(ctx context.Context) (id string, err error) {
	if err := s.db.Read.QueryRowContext(ctx, `select id from fleet_identity where one = 1`).Scan(&id); err != nil {
		return "", unavailable("read which fleet this is", err)
	}
	return id, nil
}

func (s *Service) acquireLoading(ctx context.Context) error {
	select {
	case s.loading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return unavailable("wait for another look-up", context.Cause(ctx))
	}
}

func (s *Service) releaseLoading() { <-s.loading }

// replace publishes what next makes of the present set, keeps the principals that are the same in both, and closes
// those that are not in the new one any more.
func (s *Service) replace(next func(*knownSet) *knownSet) {
	s.publish.Lock()
	defer s.publish.Unlock()
	old := s.known.Load()
	set := next(old)
	var ended []*Principal
	for key, before := range old.principals {
		after, ok := set.principals[key]
		switch {
		case after == before:
		case ok && before.same(after):
			before.seen.Store(max(before.seen.Load(), after.seen.Load()))
			before.stored.Store(after.stored.Load())
			set.principals[key] = before
		default:
			ended = append(ended, before)
		}
	}
	s.known.Store(set)
	for _, p := range ended {
		p.end()
	}
}

// drop ends the given credentials in this process.
func (s *Service) drop(keys ...digest) {
	if len(keys) == 0 {
		return
	}
	s.replace(func(old *knownSet) *knownSet {
		set := old.clone()
		for _, key := range keys {
			delete(set.principals, key)
		}
		return set
	})
}

func (k *knownSet) clone() *knownSet {
	principals := make(map[digest]*Principal, len(k.principals)+1)
	for key, p := range k.principals {
		principals[key] = p
	}
	return &knownSet{change: k.change, principals: principals}
}

// expire drops credentials whose time is over. One that looks idle here but is in use in another process comes back by
// the next look-up.
func (s *Service) expire(now time.Time) {
	var over []digest
	for key, p := range s.known.Load().principals {
		if !p.valid(now) {
			over = append(over, key)
		}
	}
	s.drop(over...)
}

// liveCredentials has one row a credential, with the user whose rights it has, if any. $1 is now, $2 the time before which an
// unused session is over, both in unix milliseconds.
const liveCredentials = `
select * from (
    select s.hash, s.id, 'session' as kind, u.name, u.role, u.name as user_name, u.role as user_role, s.expires_at, s.seen_at
    from auth_session s join auth_user u on u.name = s.user_name
    where s.expires_at > $1 and s.seen_at > $2
    union all
    select t.hash, t.id, 'token' as kind, t.name, t.role, u.name as user_name, u.role as user_role, t.expires_at, t.seen_at
    from auth_token t left join auth_user u on u.name = t.owner
    where (t.expires_at is null or t.expires_at > $1) and (t.owner is null or u.name is not null)
) live`

func (s *Service) loadLive(ctx context.Context, now time.Time) (map[digest]*Principal, error) {
	rows, err := s.db.Read.QueryContext(ctx, liveCredentials, now.UnixMilli(), now.Add(-s.opts.SessionIdle).UnixMilli())
	if err != nil {
		return nil, unavailable("load credentials", err)
	}
	defer rows.Close()
	principals := make(map[digest]*Principal)
	for rows.Next() {
		key, p, err := s.scanPrincipal(rows)
		if err != nil {
			return nil, unavailable("load credentials", err)
		}
		principals[key] = p
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable("load credentials", err)
	}
	return principals, nil
}

// admit looks for one credential in the database and publishes it when it is live.
func (s *Service) admit(ctx context.Context, key digest) (*Principal, error) {
	ctx, cancel := context.WithTimeout(ctx, refreshDeadline)
	defer cancel()
	if err := s.acquireLoading(ctx); err != nil {
		return nil, err
	}
	defer s.releaseLoading()
	now := time.Now()
	row := s.db.Read.QueryRowContext(ctx, liveCredentials+` where hash = $3`,
		now.UnixMilli(), now.Add(-s.opts.SessionIdle).UnixMilli(), key.String())
	_, found, err := s.scanPrincipal(row)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNoCredential
	}
	if err != nil {
		return nil, unavailable("look up a credential", err)
	}
	s.replace(func(old *knownSet) *knownSet {
		set := old.clone()
		set.principals[key] = found
		return set
	})
	if p, ok := s.known.Load().principals[key]; ok {
		return p, nil
	}
	return nil, ErrNoCredential // ended at this very moment
}

func (s *Service) scanPrincipal(row interface{ Scan(...any) error }) (digest, *Principal, error) {
	var (
		hash          string
		key           digest
		expires, seen sql.NullInt64
		user, limit   sql.NullString
		p             = new(Principal)
	)
	p.life, p.end = context.WithCancel(context.Background())
	if err := row.Scan(&hash, &p.ID, &p.Kind, &p.Name, &p.Role, &user, &limit, &expires, &seen); err != nil {
		return key, nil, err
	}
	if p.User = user.String; user.Valid {
		p.Role = p.Role.within(Role(limit.String))
	}
	if n, err := hex.Decode(key[:], []byte(hash)); err != nil || n != len(key) {
		return key, nil, fmt.Errorf("%s %q has a damaged hash", p.Kind, p.ID)
	}
	if expires.Valid {
		p.ExpiresAt = time.UnixMilli(expires.Int64).UTC()
	}
	if p.Kind == KindSession {
		p.idle = s.opts.SessionIdle
	}
	p.seen.Store(seen.Int64)
	p.stored.Store(seen.Int64)
	return key, p, nil
}
