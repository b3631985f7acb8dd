package auth

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

const replicas = 3

// eachCluster runs a test with several services, each with its own connections to one database, as processes have them.
func eachCluster(t *testing.T, opts Options, test func(t *testing.T, d *db.DB, services []*Service)) {
	t.Helper()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		var services []*Service
		for range replicas {
			services = append(services, running(t, dbtest.OpenURL(t, url), opts))
		}
		test(t, services[0].db, services)
	})
}

// together calls fn for each of n at the same time and returns the errors.
func together(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	group.Wait()
	return errs
}

func TestReplicasThatStartTogetherMakeOneAdmin(t *testing.T) {
	eachCluster(t, Options{}, func(t *testing.T, d *db.DB, services []*Service) {
		for round := range 10 {
			passwords := make([]string, replicas)
			for i, err := range together(replicas, func(i int) (err error) {
				passwords[i], err = services[i].EnsureAdmin(t.Context(), "")
				return err
			}) {
				if err != nil {
					t.Fatalf("replica %d: %v", i, err)
				}
			}
			passwords = slices.DeleteFunc(passwords, func(p string) bool { return p == "" })
			if len(passwords) != 1 {
				t.Fatalf("round %d: %d replicas say that they made the admin", round, len(passwords))
			}
			for i, s := range services {
				if _, p, err := s.Login(t.Context(), "admin", passwords[0], fmt.Sprintf("192.0.2.%d:1", i)); err != nil || p.Role != RoleAdmin {
					t.Fatalf("the printed password does not work on replica %d: %v", i, err)
				}
			}
			made := 0
			for _, action := range auditActions(t, services[0]) {
				if action == "local user.create admin ok" {
					made++
				}
			}
			if made != round+1 {
				t.Fatalf("the audit log has %d first admins after %d", made, round+1)
			}
			if _, err := d.Write.ExecContext(t.Context(), `delete from auth_user`); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// When the connection breaks at the commit, nobody knows whether there is an admin now, but only this process its password.
func TestFirstAdminOfALostCommitKeepsItsPassword(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		for name, committed := range map[string]bool{"lost": false, "kept": true} {
			if _, err := d.Write.ExecContext(t.Context(), `delete from auth_user`); err != nil {
				t.Fatal(err)
			}
			first, err := s.newFirstAdmin(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			if committed {
				if err := s.insertFirstAdmin(t.Context(), first); err != nil {
					t.Fatal(err)
				}
			}
			s.first = first
			again, err := s.EnsureAdmin(t.Context(), "")
			if err != nil || again != first.generated {
				t.Fatalf("%s: %q, %v; want %q", name, again, err, first.generated)
			}
			if _, _, err := s.Login(t.Context(), "admin", again, "192.0.2.1:1"); err != nil {
				t.Errorf("%s: login: %v", name, err)
			}
		}
	})
}

func TestLastAdminSurvivesDeletesOnAllReplicas(t *testing.T) {
	eachCluster(t, Options{}, func(t *testing.T, _ *db.DB, services []*Service) {
		names := []string{"ada", "bob", "eve"}
		for round := range 10 {
			for _, name := range names {
				if err := services[0].CreateUser(t.Context(), name, password, RoleAdmin); err != nil && !errors.Is(err, ErrConflict) {
					t.Fatal(err)
				}
				if err := services[0].SetRole(t.Context(), name, RoleAdmin); err != nil {
					t.Fatal(err)
				}
			}
			refused := 0
			for i, err := range together(replicas, func(i int) error {
				if (round+i)%2 == 0 {
					return services[i].SetRole(t.Context(), names[i], RoleViewer)
				}
				return services[i].DeleteUser(t.Context(), names[i])
			}) {
				switch {
				case errors.Is(err, ErrConflict):
					refused++
				case err != nil:
					t.Fatalf("round %d, %s: %v", round, names[i], err)
				}
			}
			users, err := services[0].ListUsers(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			admins := slices.DeleteFunc(users, func(u User) bool { return u.Role != RoleAdmin })
			if refused != 1 || len(admins) != 1 {
				t.Fatalf("round %d: %d refused, admins left: %+v", round, refused, admins)
			}
		}
	})
}

// A transaction that has counted its change but not ended yet is the case that a counter alone would miss.
func TestChangeThatCommitsLateIsNotMissed(t *testing.T) {
	eachCluster(t, Options{RefreshEvery: 10 * time.Millisecond}, func(t *testing.T, d *db.DB, services []*Service) {
		token, secret := addToken(t, services[0], "ci", RoleViewer, 0)
		p, err := services[2].Authenticate(bearer(secret))
		if err != nil {
			t.Fatal(err)
		}
		tx, err := d.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(t.Context(), countChange, time.Now().UnixMilli()); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), `delete from auth_token where id = $1`, token.ID); err != nil {
			t.Fatal(err)
		}
		other := make(chan string, 1)
		go func() {
			_, secret, err := services[1].CreateToken(t.Context(), TokenParams{Name: "other", Role: RoleViewer})
			if err != nil {
				t.Error(err)
			}
			other <- secret
		}()
		// The others look many times before the change is there to be seen.
		for range 5 {
			if err := services[2].refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if !alive(p) {
			t.Error("a change that is not committed has taken effect")
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		endsWithin(t, p, 2*time.Second)
		key := hashSecret(<-other)
		eventually(t, 20*time.Second, "the change behind it has arrived", func() bool {
			_, ok := services[2].known.Load().principals[key]
			return ok
		})
	})
}

func TestReplicasAgreeAfterManyChangesAtOnce(t *testing.T) {
	eachCluster(t, Options{RefreshEvery: 5 * time.Millisecond}, func(t *testing.T, _ *db.DB, services []*Service) {
		addUser(t, services[0], "ada", RoleAdmin)
		for i, err := range together(replicas, func(i int) error {
			s := services[i]
			for n := range 15 {
				token, _, err := s.CreateToken(t.Context(), TokenParams{Name: fmt.Sprintf("t%d-%d", i, n), Role: RoleViewer})
				if err == nil && n%2 == 0 {
					err = s.RevokeToken(t.Context(), token.ID)
				}
				if err == nil && n%5 == 0 {
					_, _, err = s.Login(t.Context(), "ada", password, fmt.Sprintf("192.0.2.%d:1", i))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}) {
			if err != nil {
				t.Fatalf("replica %d: %v", i, err)
			}
		}
		want := replicas * (7 + 3)
		for i, s := range services {
			eventually(t, 20*time.Second, fmt.Sprintf("replica %d knows what there is", i), func() bool {
				live, err := s.loadLive(t.Context(), time.Now())
				if err != nil || len(live) != want {
					t.Fatalf("%d live credentials, want %d: %v", len(live), want, err)
				}
				known := s.known.Load().principals
				for key := range live {
					if known[key] == nil {
						return false
					}
				}
				return len(known) == len(live)
			})
		}
	})
}

// What is ended through one replica ends on the others within 2 s: principals, and with them open streams.
func TestEndsOnEveryReplicaWithinTwoSeconds(t *testing.T) {
	const rounds = 12
	eachCluster(t, Options{}, func(t *testing.T, _ *db.DB, services []*Service) {
		here, there := services[0], services[1:]
		addUser(t, here, "root", RoleAdmin)
		type ending struct {
			request *http.Request
			end     func() error
		}
		var endings []ending
		for i := range rounds {
			name := fmt.Sprint("user", i)
			addUser(t, here, name, RoleOperator)
			session, _ := login(t, here, name)
			cookie := here.SessionCookie(session, false)
			token, secret := addToken(t, here, fmt.Sprint("token", i), RoleViewer, 0)
			endings = append(endings, ending{bearer(secret), func() error { return here.RevokeToken(t.Context(), token.ID) }})
			endings = append(endings, ending{withCookie(cookie), [...]func() error{
				func() error { return here.Logout(t.Context(), session) },
				func() error { return here.SetRole(t.Context(), name, RoleViewer) },
				func() error { return here.SetPassword(t.Context(), name, "another password") },
				func() error { return here.DeleteUser(t.Context(), name) },
			}[i%4]})
		}
		took := make(chan time.Duration, len(endings)*len(there))
		pace := time.NewTicker(89 * time.Millisecond) // falls on all moments between two looks
		defer pace.Stop()
		for _, e := range endings {
			<-pace.C
			var ps []*Principal
			for _, s := range there {
				p, err := s.Authenticate(e.request)
				if err != nil {
					t.Fatal(err)
				}
				ps = append(ps, p)
			}
			start := time.Now()
			if err := e.end(); err != nil {
				t.Fatal(err)
			}
			for _, p := range ps {
				p.OnEnd(func() { took <- time.Since(start) })
			}
		}
		var all []time.Duration
		for range cap(took) {
			select {
			case d := <-took:
				all = append(all, d)
			case <-time.After(20 * time.Second):
				t.Fatalf("%d of %d principals live on", cap(took)-len(all), cap(took))
			}
		}
		slices.Sort(all)
		t.Logf("%d principals ended on other replicas after p50 %s, p95 %s, most %s", len(all), all[len(all)/2], all[len(all)*95/100], all[len(all)-1])
		if all[len(all)-1] > 2*time.Second {
			t.Errorf("the last one after %s", all[len(all)-1])
		}
	})
}

// After a failover to a standby that missed the last change, or from a backup, the counter goes back.
func TestCounterThatWentBackIsNoOldNumberAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addToken(t, s, "lost", RoleViewer, 0)
		before, err := s.changeCount(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write.ExecContext(t.Context(), `update auth_change set n = n - 1`); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Second, "the time has moved", func() bool { return time.Now().UnixMilli() > before })
		addToken(t, s, "next", RoleViewer, 0)
		if after, err := s.changeCount(t.Context()); err != nil || after <= before {
			t.Errorf("count %d before, %d after, %v: the change would be missed", before, after, err)
		}
	})
}

func TestIdleServiceAsksForOneNumber(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := running(t, d, Options{RefreshEvery: 5 * time.Millisecond})
		_, secret := addToken(t, s, "wall", RoleViewer, 0)
		p, err := s.Authenticate(bearer(secret))
		if err != nil {
			t.Fatal(err)
		}
		for range 100 { // viewers
			defer p.Hold(1000)()
		}
		asked := make(chan string, 30)
		var looks atomic.Int32
		d.Trace(func(query string, _ []driver.NamedValue) {
			if query == selectChange {
				looks.Add(1)
			}
			if strings.HasPrefix(query, "set ") || looks.Load() < 2 {
				return // part of making a connection, or of loading the new token
			}
			select {
			case asked <- query:
			default:
			}
		})
		defer d.Trace(nil)
		for len(asked) < cap(asked) {
			if _, err := s.Authenticate(bearer(secret)); err != nil {
				t.Fatal(err)
			}
		}
		for range cap(asked) {
			if query := <-asked; query != selectChange {
				t.Errorf("an idle service asks %s", query)
			}
		}
	})
}

func TestUpkeepIsTheSameForAnyNumberOfViewers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleAdmin)
		statements := func() uint64 {
			before := d.Statements()
			if err := s.upkeep(t.Context()); err != nil {
				t.Fatal(err)
			}
			return d.Statements() - before
		}
		none := statements()
		for i := range 100 {
			_, secret := addToken(t, s, fmt.Sprint("viewer", i), RoleViewer, 0)
			if _, err := s.Authenticate(bearer(secret)); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				if one := statements(); one != none {
					t.Errorf("%d statements for one viewer, %d for none", one, none)
				}
			}
		}
		for range 20 {
			_, p := login(t, s, "ada")
			p.stored.Store(0)
		}
		if many := statements(); many != none {
			t.Errorf("%d statements for 120 viewers, %d for none", many, none)
		}
		t.Logf("%d statements", none)
		tokens, err := s.ListTokens(t.Context())
		if err != nil || len(tokens) != 100 {
			t.Fatalf("%d tokens, %v", len(tokens), err)
		}
		for _, token := range tokens {
			if token.SeenAt == nil || time.Since(*token.SeenAt) > time.Minute {
				t.Errorf("last use of %s not stored: %v", token.Name, token.SeenAt)
			}
		}
		if left := s.uses(time.Now()); len(left) != 0 {
			t.Errorf("%d uses are to be stored again", len(left))
		}
	})
}

func TestUpkeepOfReplicasDoesNotCollide(t *testing.T) {
	eachCluster(t, Options{}, func(t *testing.T, _ *db.DB, services []*Service) {
		for i := range 50 {
			addToken(t, services[0], fmt.Sprint("token", i), RoleViewer, 0)
		}
		for round := range 10 {
			for _, s := range services {
				if err := s.refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				for _, p := range s.known.Load().principals {
					p.stored.Store(0)
					p.seen.Store(time.Now().UnixMilli() + int64(round))
				}
			}
			for i, err := range together(replicas, func(i int) error { return services[i].upkeep(t.Context()) }) {
				if err != nil {
					t.Errorf("round %d, replica %d: %v", round, i, err)
				}
			}
		}
	})
}
