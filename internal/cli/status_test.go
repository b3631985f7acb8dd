package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/test/servers"
)

// aDocument is one that a server of a fleet has just published: 4711 jobs wait.
func aDocument(fleet string) string {
	now := time.Now().UTC()
	at := now.Format("2006-01-02T15:04:05.000Z")
	return fmt.Sprintf(`{"dashboard":{"system":null,"workers":null,"queue":{"pending":4711},"jobs":null},"agents_workers":{"agents":null},`+
		`"analytics":null,"logs":null,"timestamp":%q,"meta":{"version":4,"revision":%d,"publisher":"host-a:1","fleet":%q,"as_of":%q,`+
		`"stale":false,"interval_ms":5000,"fresh_ms":15000,"sections":{}}}`, at, now.UnixMilli(), fleet, at)
}

// snapshotFile is where a server keeps its last document, in its data folder.
const snapshotFile = "snapshot.json"

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// What status shows is of this fleet: the document of another one, in a shared Redis or a copied data folder, is refused, and
// when it cannot be known whose it is, that is said.
func TestStatusKnowsItsFleet(t *testing.T) {
	redis, postgres := servers.StartRedis(t), servers.StartPostgres(t)
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			data := filepath.Join(dir, "data")
			write(t, filepath.Join(dir, "agentos.yaml"), "agents: {greet: {command: [echo, hello]}}")
			env := map[string]string{"AGENTOS_DATA": data, "AGENTOS_CONFIG": filepath.Join(dir, "agentos.yaml")}
			if kind == "postgres" {
				must(t, postgres.CreateDatabase("status", ""))
				env["AGENTOS_DATABASE_URL"] = postgres.URL("status")
			}
			run := func(run string, args ...string) (stdout, stderr string) {
				t.Helper()
				var out, err bytes.Buffer
				c := &call{stdout: &out, stderr: &err, getenv: func(name string) string { return env[name] }}
				do := runStatus
				if run == "migrate" {
					do = runMigrate
				}
				must(t, do(t.Context(), c, args))
				return out.String(), err.String()
			}
			run("migrate")
			collected, _ := run("status", "--json")
			var now struct {
				Meta struct{ Fleet string }
			}
			must(t, json.Unmarshal([]byte(collected), &now))
			ours := now.Meta.Fleet
			if ours == "" {
				t.Fatalf("the document has no fleet: %s", collected)
			}
			put := func(fleet string) {
				t.Helper()
				_, err := redis.Do("SET", "admin:dashboard:v4", aDocument(fleet))
				must(t, err)
			}
			inRedis, inFolder := []string{"--redis", redis.URL()}, []string(nil)
			for _, c := range []struct {
				name  string
				args  []string
				fleet string
				want  string // in what is printed
				said  string // on standard error
			}{
				{"ours in Redis", inRedis, ours, "4711 waiting", ""},
				{"another's in Redis", inRedis, "production", "queue    0 waiting", "another fleet"},
				{"ours in the data folder", inFolder, ours, "4711 waiting", ""},
				{"another's in the data folder", inFolder, "production", "queue    0 waiting", "another fleet"},
			} {
				for _, form := range []string{"", "--json"} {
					must(t, os.RemoveAll(filepath.Join(data, snapshotFile)))
					if c.args != nil {
						put(c.fleet)
					} else {
						write(t, filepath.Join(data, snapshotFile), aDocument(c.fleet))
					}
					args, want := c.args, c.want
					if form != "" {
						args = append(args, form)
						want = map[bool]string{true: `"pending":4711`, false: `"pending":0`}[c.fleet == ours]
					}
					stdout, stderr := run("status", args...)
					if !strings.Contains(stdout, want) || !strings.Contains(stderr, c.said) || c.said == "" && stderr != "" || c.said != "" && !strings.Contains(stderr, "host-a:1") {
						t.Errorf("%s %s: %s\n%s", c.name, form, stdout, stderr)
					}
				}
			}

			// Without the database a server's memory of it counts, or nothing does.
			put("production")
			must(t, os.RemoveAll(filepath.Join(data, snapshotFile)))
			if kind == "postgres" {
				env["AGENTOS_DATABASE_URL"] = "postgres://any@127.0.0.1:1/status"
			} else {
				must(t, os.Rename(filepath.Join(data, "agentos.db"), filepath.Join(data, "away.db")))
			}
			stdout, stderr := run("status", inRedis...)
			if !strings.Contains(stdout, "4711 waiting") || !strings.Contains(stderr, "of the fleet production, published by host-a:1; whether that") {
				t.Errorf("nobody knows the fleet: %s\n%s", stdout, stderr)
			}
			if kind == "postgres" {
				must(t, os.RemoveAll(filepath.Join(data, snapshotFile)))
				write(t, filepath.Join(data, "credentials.json"), `{"fleet":"`+ours+`","credentials":[]}`)
				c := &call{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, getenv: func(name string) string { return env[name] }}
				if err := runStatus(t.Context(), c, inRedis); err == nil || !strings.Contains(fmt.Sprint(c.stderr), "another fleet") {
					t.Errorf("a server's memory: %v\n%s%s", err, c.stdout, c.stderr)
				}
			}
		})
	}
}
