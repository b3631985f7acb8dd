//go:build linux

package faults

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agentos/agentos/test/api"
)

// badStart is one state of the data folder in which a server cannot start.
type badStart struct {
	name    string
	options []func(*bed)
	spoil   func(b *bed)
	says    []string // one of these must be in the message
	keeps   bool     // the file at the database's path must stay as it is, byte by byte
	slow    bool     // SQLite gives up after ten seconds: one command is enough
}

var badStarts = []badStart{
	{
		name: "garbage", keeps: true, says: []string{"not a database"},
		spoil: func(b *bed) {
			noise := make([]byte, 100_000)
			_, _ = rand.Read(noise)
			b.must(os.WriteFile(b.database(), noise, 0o600))
		},
	},
	{
		name: "a text file", keeps: true, says: []string{"not a database"},
		spoil: func(b *bed) { b.must(os.WriteFile(b.database(), []byte("hello\n"), 0o600)) },
	},
	{
		name: "a damaged database", keeps: true, says: []string{"damaged", "malformed", "not a database"},
		spoil: func(b *bed) {
			content, err := os.ReadFile(b.database())
			b.must(err)
			for i := 4096; i < len(content); i++ {
				content[i] = 0xff
			}
			b.must(os.WriteFile(b.database(), content, 0o600))
		},
	},
	{
		name: "a folder", says: []string{"directory", "folder", "cannot be opened", "not a file"},
		spoil: func(b *bed) {
			b.must(os.Remove(b.database()))
			b.must(os.Mkdir(b.database(), 0o755))
		},
	},
	{
		name: "an unreadable file", options: []func(*bed){asNobody}, keeps: true, says: []string{"permission", "cannot be"},
		spoil: func(b *bed) { b.must(os.Chmod(b.database(), 0)) },
	},
	{
		name: "an unwritable data folder", options: []func(*bed){asNobody}, keeps: true, says: []string{"permission", "cannot be", "readonly", "read-only"},
		spoil: func(b *bed) { b.must(os.Chmod(b.data, 0o555)) },
	},
	{
		name: "all its locks held", slow: true, says: []string{"another process holds"},
		spoil: func(b *bed) {
			hold(b.t, b.database(), "select count(*) from river_job") // it keeps the file of the locks there
			seize(b.t, b.database())
		},
	},
}

func TestStartOnABrokenDatabase(t *testing.T) {
	inTurn(t, moments)
	var slowest time.Duration
	for _, bad := range badStarts {
		t.Run(bad.name, func(t *testing.T) {
			b := newBed(t, loadFleet(), bad.options...)
			for _, name := range databaseFiles[1:] {
				_ = os.Remove(b.file(name)) // of the command that made the token
			}
			bad.spoil(b)
			found, _ := os.ReadFile(b.database())
			for _, command := range bad.commands() {
				var flags []string
				if command == "serve" {
					flags = []string{"--listen", "127.0.0.1:0"}
				}
				p := b.launch(command, flags...)
				status := p.wait(t, 20*time.Second)
				slowest = max(slowest, time.Since(p.began))
				<-p.stderr.ended
				message := p.stderr.String()
				if status != 1 {
					t.Errorf("%s ended with status %d, want 1: %s", command, status, message)
				}
				if !containsAny(message, bad.says) || strings.Contains(message, "goroutine ") {
					t.Errorf("%s does not say what is wrong: %s", command, message)
				}
				t.Logf("%s: %s", command, message)
			}
			if left, _ := os.ReadFile(b.database()); bad.keeps && !bytes.Equal(found, left) {
				t.Errorf("the file was changed: %d bytes before, %d after", len(found), len(left))
			}
			_ = os.Chmod(b.data, 0o755)
		})
	}
	results.add(row{
		fault: "k. start on an unusable database", viewers: "no server: clear error, status 1", lost: "0",
		note: fmt.Sprintf("%d kinds, by serve, work and migrate; file untouched; slowest end %s", len(badStarts), seconds(slowest)),
	})
}

// commands lists those that need the database.
func (s badStart) commands() []string {
	if s.slow {
		return []string{"serve"}
	}
	return []string{"serve", "work", "migrate"}
}

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(strings.ToLower(text), part) {
			return true
		}
	}
	return false
}

// TestDatabaseGoneRightAfterTheStart breaks the database while the server still makes its first account, which takes it a
// tenth of a second.
func TestDatabaseGoneRightAfterTheStart(t *testing.T) {
	inTurn(t, moments)
	b := newBed(t, loadFleet())
	b.start()
	b.server.signal(t, syscall.SIGSTOP)
	mend := renamed(b)
	b.server.signal(t, syscall.SIGCONT)
	throughout(t, pick(20*time.Second, 5*time.Second), "without a database from the start", func() error {
		if _, err := b.document(); err != nil {
			return err
		}
		return b.server.alive()
	})
	mend()
	w := b.watch("p. database gone right after the start")
	recovery := eventually(t, 30*time.Second, "the first account can log in", b.logIn)
	w.breaks()
	w.mends()
	w.end(recovery, 0, "the fault is over before viewers are measured")

	renamed(b)
	b.server.signal(t, syscall.SIGTERM)
	b.server.wait(t, 20*time.Second) // a server without its database can be stopped
}

// logIn is an error unless the first admin's password is accepted.
func (b *bed) logIn() error {
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	response, err := client.PostForm(*b.address.Load()+"/login", url.Values{"name": {"admin"}, "password": {adminPassword}, "next": {"/"}})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusSeeOther || len(response.Cookies()) == 0 {
		return &api.StatusError{Status: response.StatusCode, Body: "from the login"}
	}
	return nil
}
