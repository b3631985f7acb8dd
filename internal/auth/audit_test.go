package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// A script that is refused, or that does the same over and over, gets some rows and then a count; nobody else is pushed out.
func TestAuditCountsWhatIsRepeated(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		servers := []*Service{open(t, d, Options{}), open(t, d, Options{})}
		const times = 3000
		for _, c := range []struct {
			entry Entry
			rows  int // of each server, at most
		}{
			{Entry{Actor: "bot", Kind: KindToken, Action: "queue.pause", Target: "nowhere", Outcome: "failed", Detail: "there is no such queue"}, 22},
			{Entry{Actor: "bot", Kind: KindToken, Action: "job.enqueue", Outcome: "ok"}, 1002},
			{Entry{Actor: "eve", Kind: KindSession, Action: "access.denied", Outcome: "refused"}, 22},
		} {
			began := time.Now().Add(-time.Second)
			for i := range times {
				e := c.entry
				e.Target = fmt.Sprint(e.Target, " ", i)
				for _, s := range servers {
					if err := s.Record(t.Context(), e); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, s := range servers {
				for range 2 {
					if err := s.storeSums(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			list, err := servers[0].ListAudit(t.Context(), 0, 10*times, "")
			if err != nil {
				t.Fatal(err)
			}
			var rows int
			var count int64
			for _, e := range list {
				if e.Action != c.entry.Action {
					continue
				}
				rows++
				count += e.Count
				if e.At.Before(began) || e.LastAt.Before(e.At) || e.LastAt.After(time.Now()) || e.Class != c.entry.class() {
					t.Errorf("%+v", e)
				}
			}
			if rows > len(servers)*c.rows || count != int64(len(servers)*times) {
				t.Errorf("%s: %d rows for %d times, want at most %d for %d", c.entry.Action, rows, count, len(servers)*c.rows, len(servers)*times)
			}
			if last := list[0]; last.Count < 2 || last.Target != fmt.Sprint(c.entry.Target, " ", times-1) {
				t.Errorf("%s: the sum does not name the last time: %+v", c.entry.Action, last)
			}
		}
	})
}

// The sums go on in the same row, are stored when the service ends, and are bounded however many actors there are.
func TestAuditSumsAreBounded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		fail := func(address string) {
			s.failedLogin(t.Context(), "login", "ada", address, ErrBadCredentials)
		}
		for range 500 {
			fail("192.0.2.1:1")
		}
		if err := s.storeSums(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 500 {
			fail("192.0.2.1:1")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		sums := func() (rows int, count int64) {
			list, err := s.ListAudit(t.Context(), 0, 5000, ClassRefused)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				count += e.Count
			}
			return len(list), count
		}
		if rows, count := sums(); rows != 21 || count != 1000 {
			t.Errorf("%d rows for %d failures, want 21 for 1000", rows, count)
		}
		s.down.Store(true) // then nothing is written at once
		for i := range 3 * tallyKeys {
			fail(fmt.Sprintf("192.%d.%d.%d:1", i/65536, i/256%256, i%256))
		}
		if n := len(s.tally.keys); n > tallyKeys+1 {
			t.Errorf("%d keys in memory, want at most %d", n, tallyKeys+1)
		}
		if err := s.storeSums(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, count := sums(); count != 1000+3*tallyKeys {
			t.Errorf("%d failures counted, want %d", count, 1000+3*tallyKeys)
		}
	})
}

// However many acts there are, changes of accounts stay for as long as is promised; and the purge keeps up with any inflow.
func TestAuditRetention(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{AuditRows: 100})
		addUser(t, s, "ada", RoleAdmin)
		insert := `insert into audit (at, actor, kind, action, target, outcome, detail, remote) select $1, 'x', 'token', 'job.retry', '', 'ok', '', '' from `
		rows := `(with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) select i from n) many`
		for _, at := range []time.Time{time.Now(), time.Now().Add(-91 * 24 * time.Hour)} { // as the version before writes them
			if _, err := d.Write.ExecContext(t.Context(), insert+rows, at.UnixMilli()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.upkeep(t.Context()); err != nil {
			t.Fatal(err)
		}
		acts, err := s.ListAudit(t.Context(), 0, 10_000, ClassAct)
		if err != nil || len(acts) > 100 {
			t.Errorf("%d acts are left, %v; want at most 100", len(acts), err)
		}
		for _, e := range acts {
			if time.Since(e.At) > 90*24*time.Hour {
				t.Fatal("an entry of 91 days is still there")
			}
		}
		accounts, err := s.ListAudit(t.Context(), 0, 10, ClassAccount)
		if err != nil || len(accounts) != 1 || accounts[0].Action != "user.create" {
			t.Errorf("changes of accounts: %+v, %v", accounts, err)
		}
	})
}

func TestAuditOfRefusedChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		addUser(t, s, "ada", RoleAdmin)
		ctx := WithActor(t.Context(), Actor{Name: "ada", Kind: KindSession, Remote: "192.0.2.7:9", User: "ada"})
		token, _ := addToken(t, s, "ci", RoleViewer, 0)
		_, p := login(t, s, "ada")
		refused := map[string]error{
			"user.create ada":       s.CreateUser(ctx, "ada", password, RoleViewer),
			"user.create bob":       s.CreateUser(ctx, "bob", "short", RoleViewer),
			"user.password nobody":  s.SetPassword(ctx, "nobody", password),
			"user.role ada":         s.SetRole(ctx, "ada", RoleViewer),
			"user.delete ada":       s.DeleteUser(ctx, "ada"),
			"user.password ada":     s.ChangePassword(ctx, p, "wrong password", "another password", "192.0.2.7:9"),
			"token.revoke aaaaaaaa": s.RevokeToken(ctx, "aaaaaaaa"),
			"token.create ci":       func() error { _, _, err := s.CreateToken(ctx, TokenParams{Name: "ci", Role: RoleViewer}); return err }(),
		}
		list, err := s.ListAudit(t.Context(), 0, 100, ClassRefused)
		if err != nil {
			t.Fatal(err)
		}
		for want, err := range refused {
			found := false
			for _, e := range list {
				found = found || strings.HasPrefix(e.Action+" "+e.Target, want) && e.Actor == "ada" && e.Outcome == "refused" && e.Detail != "" && e.Remote != ""
			}
			if err == nil || !found {
				t.Errorf("%s: %v; in the audit log: %v", want, err, found)
			}
		}
		if err := s.RevokeToken(ctx, token.ID); err != nil {
			t.Fatal(err)
		}
		list, err = s.ListAudit(t.Context(), 0, 1, ClassAccount)
		if err != nil || list[0].Target != "ci ("+token.ID+")" {
			t.Errorf("what was revoked is not named: %+v, %v", list, err)
		}
	})
}

// lines is a log to read from.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return strings.Split(strings.TrimSpace(l.text.String()), "\n")
}

// The form is what SECURITY.md gives to fail2ban.
func TestFailedSignInsAreLogged(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		log := &lines{}
		s := open(t, d, Options{Log: slog.New(slog.NewTextHandler(log, nil))})
		addUser(t, s, "ada", RoleViewer)
		for _, c := range []struct{ name, remote, want string }{
			{"Ada", "192.0.2.9:1234", `level=WARN msg="sign-in failed" name=ada address=192.0.2.9 reason="wrong name or password" more=0`},
			{"nobody", "[2001:db8::1]:1234", `level=WARN msg="sign-in failed" name=nobody address=2001:db8::1 reason="wrong name or password" more=0`},
			{"hunter2 secret\nlevel=INFO", "192.0.2.9:1", `level=WARN msg="sign-in failed" name=? address=192.0.2.9 reason="wrong name or password" more=0`},
		} {
			log.take()
			if _, _, err := s.Login(t.Context(), c.name, "the wrong one", c.remote); !errors.Is(err, ErrBadCredentials) {
				t.Fatal(err)
			}
			got := log.take()
			if _, line, _ := strings.Cut(got[0], " "); len(got) != 1 || line != c.want {
				t.Errorf("%q, want one line %q", got, c.want)
			}
		}
		var limited *RateLimitedError
		var err error
		for !errors.As(err, &limited) {
			_, _, err = s.Login(t.Context(), "ada", "the wrong one", "192.0.2.9:1234")
		}
		if got := log.take(); !strings.Contains(got[len(got)-1], `address=192.0.2.9 reason="too many attempts`) {
			t.Errorf("a throttled sign-in: %q", got)
		}
		for range 10 * failuresAtOnce {
			_, _, _ = s.Login(t.Context(), "ada", "the wrong one", "192.0.2.9:1234")
		}
		if n := len(log.take()); n > 2*failuresAtOnce {
			t.Errorf("%d lines for %d throttled sign-ins", n, 10*failuresAtOnce)
		}
		list, err := s.ListAudit(t.Context(), 0, 1, ClassRefused)
		if err != nil || list[0].Action != "login.throttled" {
			t.Errorf("the audit log ends with %+v, %v; want a throttled sign-in", list, err)
		}
	})
}

func TestAuditOfCommands(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, Options{})
		ctx := WithActor(t.Context(), Actor{Name: "anna", Kind: KindLocal, Remote: "cli on host"})
		const times = 3 * commandsAnHour
		for i := range times {
			if err := RecordCommand(ctx, d, Entry{Action: "job.enqueue", Target: fmt.Sprintf("job %d of hash", i)}); err != nil {
				t.Fatal(err)
			}
		}
		list, err := s.ListAudit(t.Context(), 0, times, ClassAct)
		if err != nil {
			t.Fatal(err)
		}
		var count int64
		for _, e := range list {
			count += e.Count
		}
		last := list[0]
		if len(list) != commandsAnHour+1 || count != times || last.Actor != "anna" || last.Target != fmt.Sprintf("job %d of hash", times-1) {
			t.Errorf("%d rows for %d commands, want %d for %d; the last is %+v", len(list), count, commandsAnHour+1, times, last)
		}
	})
}

// Whoever loses the connection during a commit cannot know whether it was done: what is then stored again counts once.
func TestAuditSumsCountOnceThoughAnswersAreLost(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		s := open(t, d.DB, Options{})
		e := Entry{Actor: "bot", Kind: KindToken, Action: "queue.pause", Target: "nowhere", Outcome: "failed", At: time.Now()}
		for _, lost := range []int{1, 2} { // of the first write of the sum, and of the next ones
			for range 5 {
				s.tally.add(e)
			}
			d.LoseCommits("audit", lost, 0)
			for first := true; first || d.ToLose() > 0; first = false {
				if err := s.storeSums(t.Context()); (err == nil) == (d.Kind == db.Postgres) {
					t.Fatalf("the answer to a commit: %v", err)
				}
			}
			s.tally.add(e)
			for range 2 {
				if err := s.storeSums(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		list, err := s.ListAudit(t.Context(), 0, 10, "")
		if err != nil || len(list) != 1 || list[0].Count != 12 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}
