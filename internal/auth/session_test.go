package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/test/processor"
)

// Whether a name exists must not show in the time that a refusal takes. That is nearly all the processor's, which is compared rather than
// what passes: other processes lengthen that for one name and not for the other.
func TestLoginRevealsNothingAboutUsers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{HashMemoryKiB: 8 << 10})
		addUser(t, s, "ada", RoleViewer)
		best := map[string]time.Duration{"ada": time.Hour, "nobody": time.Hour}
		for i := range 9 { // in turns, so that what else the machine does meets both
			for name := range best {
				before := processor.Used()
				_, _, err := s.Login(t.Context(), name, "wrong password", fmt.Sprintf("192.0.2.%d:1", i))
				if !errors.Is(err, ErrBadCredentials) || err.Error() != ErrBadCredentials.Error() {
					t.Fatalf("login of %q: %v", name, err)
				}
				best[name] = min(best[name], processor.Used()-before)
			}
		}
		if known, unknown := best["ada"], best["nobody"]; unknown < known/2 || known < unknown/2 {
			t.Errorf("known user %s, unknown user %s: the difference gives them away", known, unknown)
		}
	})
}

func TestLoginIsLimitedByName(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleViewer)
		var limited *RateLimitedError
		for i := range 50 {
			_, _, err := s.Login(t.Context(), "ada", "wrong password", fmt.Sprintf("192.0.2.%d:1", i))
			if errors.As(err, &limited) {
				break
			}
		}
		if limited == nil || limited.RetryAfter < time.Second {
			t.Fatalf("50 addresses may guess at one name: %v", limited)
		}
		if _, _, err := s.Login(t.Context(), "ada", password, "198.51.100.1:1"); !errors.As(err, &limited) {
			t.Errorf("even the right password must wait, or the limit is an oracle: %v", err)
		}
	})
}

func TestLoginIsLimitedByAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleViewer)
		var limited *RateLimitedError
		for i := range 50 {
			_, _, err := s.Login(t.Context(), fmt.Sprint("user", i), "wrong password", fmt.Sprintf("[2001:db8::%x]:1", i))
			if errors.As(err, &limited) {
				break
			}
		}
		if limited == nil {
			t.Fatal("one network may guess at 50 names")
		}
		login(t, s, "ada") // from another address
	})
}

func TestLoginSucceedsOftenWithoutBeingLimited(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleViewer)
		for range 60 {
			login(t, s, " Ada ")
		}
		if users, err := s.ListUsers(t.Context()); err != nil || users[0].Sessions != sessionsPerUser {
			t.Errorf("%+v, %v; want %d sessions", users, err, sessionsPerUser)
		}
	})
}

// Hashing takes a while, in which another process may have taken away what the password is checked against.
func TestLoginThatWasOvertakenIsRefused(t *testing.T) {
	for name, overtake := range map[string]func(s *Service) error{
		"by a new password": func(s *Service) error { return s.SetPassword(t.Context(), "ada", "another password") },
		"by the user's end": func(s *Service) error { return s.DeleteUser(t.Context(), "ada") },
	} {
		eachOf(t, name, func(t *testing.T, d *db.DB) {
			s := open(t, d, Options{})
			addUser(t, s, "root", RoleAdmin)
			addUser(t, s, "ada", RoleViewer)
			hash, err := s.checkLogin(t.Context(), "ada", password)
			if err != nil {
				t.Fatal(err)
			}
			if err := overtake(s); err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.beginSession(t.Context(), "ada", hash, "192.0.2.1:1"); !errors.Is(err, ErrBadCredentials) {
				t.Errorf("%v, want ErrBadCredentials", err)
			}
		})
	}
}

func TestLoginTakesAnyBytes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleViewer)
		for _, name := range []string{"a\x00da", "ada\xff", "\x00", ""} {
			if _, _, err := s.Login(t.Context(), name, "pass\x00word\xff", "192.0.2.1:1"); !errors.Is(err, ErrBadCredentials) {
				t.Errorf("%q: %v, want ErrBadCredentials", name, err)
			}
		}
		if err := s.Record(t.Context(), Entry{Action: "test", Target: "a\x00b\xff", Detail: strings.Repeat("é", 150)}); err != nil {
			t.Errorf("an action on something odd: %v", err)
		}
	})
}

func TestPasswordHashesAreBounded(t *testing.T) {
	h := newHasher(64)
	for range hashesAtOnce {
		if err := h.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.matches(ctx, password, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("a third hash at once: %v", err)
	}
	h.release()
	if ok, err := h.matches(t.Context(), password, ""); ok || err != nil {
		t.Errorf("decoy: %v, %v", ok, err)
	}
}

func TestActionsAreAudited(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleAdmin)
		ctx := WithActor(t.Context(), Actor{Name: "ada", Kind: KindSession, Remote: "192.0.2.7:9"})
		if _, _, err := s.Login(ctx, "ada", "wrong password", "192.0.2.7:9"); !errors.Is(err, ErrBadCredentials) {
			t.Fatal(err)
		}
		if _, _, err := s.Login(ctx, "My Secret Password!", "ada", "192.0.2.7:9"); !errors.Is(err, ErrBadCredentials) {
			t.Fatal(err)
		}
		session, _ := login(t, s, "ada")
		token, _, err := s.CreateToken(ctx, TokenParams{Name: "ci", Role: RoleViewer})
		if err != nil || token.CreatedBy != "ada" {
			t.Fatalf("%+v, %v", token, err)
		}
		if err := s.RevokeToken(ctx, token.ID); err != nil {
			t.Fatal(err)
		}
		if err := s.Logout(ctx, session); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"ada logout ada ok", "ada token.revoke ci (" + token.ID + ") ok", "ada token.create ci ok", "ada login ada ok",
			"? login ? failed", "ada login ada failed", "local user.create ada ok",
		}
		if got := auditActions(t, s); !slices.Equal(got, want) {
			t.Errorf("audit log:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		entries, err := s.ListAudit(t.Context(), 0, 1, "")
		if err != nil || entries[0].Remote != "192.0.2.7:9" {
			t.Errorf("%+v, %v", entries, err)
		}
		older, err := s.ListAudit(t.Context(), entries[0].ID, 1, "")
		if err != nil || older[0].ID >= entries[0].ID {
			t.Errorf("%+v, %v", older, err)
		}
	})
}

func dumpTable(t testing.TB, q *sql.DB, table string) string {
	t.Helper()
	rows, err := q.Query(`select * from ` + table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var dump strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			fmt.Fprintln(&dump, *v.(*any))
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return dump.String()
}

// Browsers keep cookies by host, whatever the port.
func TestSessionCookieIsTheFleets(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		server, beside := open(t, d, Options{}), open(t, d, Options{})
		other := open(t, dbtest.AnotherFleet(t, dbtest.New(t)), Options{})
		for _, secure := range []bool{false, true} {
			name := server.SessionCookie("x", secure).Name
			if again := beside.SessionCookie("x", secure).Name; again != name {
				t.Errorf("two servers of one fleet: %q and %q", name, again)
			}
			if theirs := other.SessionCookie("x", secure).Name; theirs == name {
				t.Errorf("another fleet has %q too", name)
			}
		}
		addUser(t, server, "ada", RoleViewer)
		addUser(t, other, "ada", RoleViewer)
		here, _ := login(t, server, "ada")
		there, _ := login(t, other, "ada")
		r := withCookie(server.SessionCookie(here, false))
		r.AddCookie(other.SessionCookie(there, false))
		for _, s := range []*Service{server, beside, other} {
			if p, err := s.Authenticate(r); err != nil || p.Name != "ada" {
				t.Errorf("with the cookies of both: %+v, %v", p, err)
			}
		}
	})
}

// Sign-ins that come together take the memory of two hashes, not of all of them: what one used is given back before the next begins.
func TestSignInsTogetherAreBoundedInMemory(t *testing.T) {
	const each = 32 << 10 // KiB
	h := newHasher(each)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all sync.WaitGroup
	done := make(chan struct{})
	for range 12 {
		all.Go(func() {
			_, err := h.matches(t.Context(), password, "")
			var busy *RateLimitedError
			if err != nil && !errors.As(err, &busy) {
				t.Error(err)
			}
		})
	}
	go func() { all.Wait(); close(done) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var peak uint64
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-tick.C:
		}
		runtime.ReadMemStats(&now)
		peak = max(peak, now.HeapInuse)
	}
	used := (int64(peak) - int64(before.HeapInuse)) >> 10
	if most := int64(hashesAtOnce*each + 16<<10); used > most {
		t.Errorf("12 sign-ins took %d KiB together, want at most %d", used, most)
	}
}
