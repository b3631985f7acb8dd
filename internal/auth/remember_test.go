package auth

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestStartWithoutDatabaseLetsInWhomItKnew(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		opts := Options{RefreshEvery: 10 * time.Millisecond, File: filepath.Join(t.TempDir(), "data", "credentials.json")}
		maker := open(t, d.DB, Options{})
		addUser(t, maker, "ada", RoleOperator)
		session, _ := login(t, maker, "ada")
		_, secret := addToken(t, maker, "ci", RoleViewer, 0)
		revoked, revokedSecret := addToken(t, maker, "old", RoleViewer, 0)
		expiring, _ := addToken(t, maker, "short", RoleViewer, time.Hour)
		open(t, d.DB, opts) // the run before
		if err := maker.RevokeToken(t.Context(), revoked.ID); err != nil {
			t.Fatal(err)
		}

		d.Break()
		s := running(t, d.DB, opts)
		token, err := s.Authenticate(bearer(secret))
		if err != nil || token.Name != "ci" || token.Role != RoleViewer {
			t.Errorf("the token: %+v, %v", token, err)
		}
		p, err := s.Authenticate(withCookie(s.SessionCookie(session, false)))
		if err != nil || p.Name != "ada" || p.Role != RoleOperator {
			t.Errorf("the session: %+v, %v", p, err)
		}
		old, err := s.Authenticate(bearer(revokedSecret))
		if err != nil {
			t.Errorf("a token revoked while the server was not there: %v, want it valid until the database answers", err)
		}
		for _, known := range s.known.Load().principals {
			if known.ID == expiring.ID && known.ExpiresAt.IsZero() {
				t.Error("a token's end is forgotten")
			}
		}

		d.Mend()
		eventually(t, 20*time.Second, "the database counts again", s.Loaded)
		if !alive(token) || alive(old) {
			t.Errorf("once the database answers the live token lives: %v, the revoked one: %v", alive(token), alive(old))
		}
		if _, err := s.Authenticate(bearer(revokedSecret)); !errors.Is(err, ErrNoCredential) {
			t.Errorf("the revoked token then: %v", err)
		}
	})
}

// Once the credentials are loaded an unknown one is refused as such, even while the file is still written.
func TestLoadedMeansThatTheDatabaseAnswers(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		maker := open(t, d.DB, Options{})
		revoked, secret := addToken(t, maker, "old", RoleViewer, 0)
		if err := maker.RevokeToken(t.Context(), revoked.ID); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "credentials.json")
		d.Break()
		s := open(t, d.DB, Options{RefreshEvery: 10 * time.Millisecond, File: file})
		d.Mend()
		s.writing.Lock() // the file takes its time
		refreshed := make(chan error, 1)
		go func() { refreshed <- s.refresh(t.Context()) }()
		eventually(t, 20*time.Second, "the credentials are loaded", s.Loaded)
		if _, err := s.Authenticate(bearer(secret)); !errors.Is(err, ErrNoCredential) {
			t.Errorf("the revoked token: %v", err)
		}
		s.writing.Unlock()
		if err := <-refreshed; err != nil {
			t.Error(err)
		}
	})
}

// The file is nobody else's, and what is wrong with it keeps no server from starting.
func TestFileOfCredentials(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		file := filepath.Join(t.TempDir(), "credentials.json")
		maker := open(t, d.DB, Options{File: file})
		_, secret := addToken(t, maker, "ci", RoleViewer, 0)
		open(t, d.DB, Options{File: file})
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v, want mode 0600", info, err)
		}
		d.Break()
		for _, content := range []string{"", "garbage", `{"a":1}`, `{"credentials":[{"hash":"00"},{"hash":"zz"},{}]}`, "[]"} {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, d.DB, Options{File: file})
			if _, err := s.Authenticate(bearer(secret)); !errors.Is(err, ErrUnavailable) {
				t.Errorf("with a file of %q: %v, want ErrUnavailable", content, err)
			}
		}
	})
}

// However many ask, nobody waits for a database that did not answer a moment ago, and nobody is asked to slow down.
func TestUnknownCredentialsDoNotWaitForADeadDatabase(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		maker := open(t, d.DB, Options{})
		_, secret := addToken(t, maker, "ci", RoleViewer, 0)
		d.Break()
		s := open(t, d.DB, Options{})
		began := time.Now()
		for range 10 * missesPerSecond {
			if _, err := s.Authenticate(bearer(secret)); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("%v, want ErrUnavailable", err)
			}
		}
		if took := time.Since(began); took > refreshDeadline {
			t.Errorf("%d requests waited %v", 10*missesPerSecond, took)
		}
	})
}

// Who can put a link into the folder, or write the file, can neither make the server write elsewhere nor be let in by it.
func TestFileOfCredentialsIsOurs(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		folder := t.TempDir()
		file, victim := filepath.Join(folder, "credentials.json"), filepath.Join(folder, "victim")
		link := func(path string) {
			t.Helper()
			if err := errors.Join(os.RemoveAll(path), os.Symlink(victim, path)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(victim, []byte("theirs"), 0o644); err != nil {
			t.Fatal(err)
		}
		link(file + ".new")
		maker := open(t, d.DB, Options{File: file})
		_, secret := addToken(t, maker, "ci", RoleViewer, 0)
		if text, err := os.ReadFile(victim); err != nil || string(text) != "theirs" {
			t.Errorf("written through a link: %q, %v", text, err)
		}
		if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v, want a regular file of mode 0600", info, err)
		}
		d.Break()
		known := func() error {
			_, err := open(t, d.DB, Options{File: file}).Authenticate(bearer(secret))
			return err
		}
		if err := known(); err != nil {
			t.Fatalf("with our own file: %v", err)
		}
		if err := os.Chmod(file, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := known(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("with a file that anybody may write: %v, want ErrUnavailable", err)
		}
		if err := errors.Join(os.Chmod(file, 0o600), os.Rename(file, victim)); err != nil {
			t.Fatal(err)
		}
		link(file)
		if err := known(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("with a link in the file's place: %v, want ErrUnavailable", err)
		}
	})
}
