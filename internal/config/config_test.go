package config

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func load(t *testing.T, yaml string, env map[string]string, args ...string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agentos.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	set := flag.NewFlagSet("serve", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	loader := Register(set)
	if err := set.Parse(append([]string{"--config", path}, args...)); err != nil {
		t.Fatal(err)
	}
	return loader.Load(func(k string) string { return env[k] }, nil)
}

func TestDefaultsHoldWithoutAnything(t *testing.T) {
	c, err := load(t, "agents: {}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8321" || c.Interval != 5*time.Second || c.Insecure {
		t.Errorf("unexpected defaults: %+v", c)
	}
	if !filepath.IsAbs(c.Data) || filepath.Base(c.Data) != "agentos-data" {
		t.Errorf("Data = %q, want an absolute path ending in agentos-data", c.Data)
	}
	if want := "sqlite://" + c.Data + "/agentos.db"; c.DatabaseURL() != want {
		t.Errorf("DatabaseURL = %q, want %q", c.DatabaseURL(), want)
	}
}

func TestFlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	yaml := "server:\n  listen: 127.0.0.1:1\n  log_level: warn\n  interval: 2s\n"
	env := map[string]string{"AGENTOS_LISTEN": "127.0.0.1:2", "AGENTOS_LOG_LEVEL": "error"}
	c, err := load(t, yaml, env, "--listen", "127.0.0.1:3")
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Listen, c.LogLevel, c.Interval.String(), c.LogFormat}
	if diff := cmp.Diff([]string{"127.0.0.1:3", "error", "2s", "text"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAllErrorsAreReportedAtOnce(t *testing.T) {
	yaml := "server:\n  lisen: x\n  interval: fast\n  log_format: [a]\n  tls_cert: only.pem\n"
	_, err := load(t, yaml, map[string]string{"AGENTOS_LOG_LEVEL": "loud"}, "--database", "mysql://u:secret@h/db")
	var errs ValidationErrors
	if !errors.As(err, &errs) {
		t.Fatalf("error is %v, want ValidationErrors", err)
	}
	for _, want := range []string{
		":2: server.lisen: unknown setting",
		":3: server.interval: \"fast\" is not a duration",
		":4: server.log_format: write a single value",
		"tls_cert and tls_key go together",
		"log_level: \"loud\" is unknown",
		"database: \"mysql://u:xxxxx@h/db\" is not supported",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no error says %q in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("a password is in the message:\n%v", err)
	}
}

func TestListeningBeyondLoopbackNeedsTLSOrInsecure(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		ok   bool
	}{
		{"loopback v4", []string{"--listen", "127.0.0.1:0"}, true},
		{"loopback v6", []string{"--listen", "[::1]:0"}, true},
		{"localhost", []string{"--listen", "localhost:0"}, true},
		{"all addresses", []string{"--listen", ":8321"}, false},
		{"zero address", []string{"--listen", "0.0.0.0:8321"}, false},
		{"a name", []string{"--listen", "example.org:8321"}, false},
		{"insecure", []string{"--listen", ":8321", "--insecure"}, true},
		{"TLS", []string{"--listen", ":8321", "--tls-cert", "c", "--tls-key", "k"}, true},
		{"no port", []string{"--listen", "127.0.0.1"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(t, "", nil, tc.args...)
			if (err == nil) != tc.ok {
				t.Errorf("error = %v, want ok = %v", err, tc.ok)
			}
		})
	}
}

func TestCommandDefaultsYieldToEverythingGiven(t *testing.T) {
	set := flag.NewFlagSet("demo", flag.ContinueOnError)
	loader := Register(set)
	if err := set.Parse(nil); err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{"data": "demo-folder", "config": "/nonexistent.yaml"}
	c, err := loader.Load(func(string) string { return "" }, defaults)
	if err != nil || filepath.Base(c.Data) != "demo-folder" {
		t.Errorf("Data = %v (%v), want the command's default", c, err)
	}
	c, err = loader.Load(func(k string) string { return map[string]string{"AGENTOS_DATA": "/given"}[k] }, defaults)
	if err != nil || c.Data != "/given" {
		t.Errorf("Data = %v (%v), want the environment's", c, err)
	}
}

func TestDatabaseAndRedisAreChosenByTheirURLs(t *testing.T) {
	c, err := load(t, "agents: {}\n", nil, "--database", "postgres://u:p@db:5432/agentos", "--redis", "redis-sentinel://a:1,b:2/0?master=m")
	if err != nil {
		t.Fatal(err)
	}
	if !c.Postgres() || c.Redis == "" {
		t.Errorf("unexpected: %+v", c)
	}
	_, err = load(t, "agents: {}\n", nil, "--database", "mysql://root:hush@db/x", "--redis", "localhost:6379")
	var errs ValidationErrors
	if !errors.As(err, &errs) || len(errs) != 2 {
		t.Fatalf("want two errors, got %v", err)
	}
	for i, want := range []string{"postgres://user:password@host:5432/name", "redis://host:6379"} {
		if !strings.Contains(errs[i], want) || strings.Contains(errs[i], "hush") {
			t.Errorf("error %q does not say %q, or shows the password", errs[i], want)
		}
	}
}

func TestAttachTakesARedis(t *testing.T) {
	for _, url := range []string{"redis://reader:hush@redis:6379/0", "rediss://redis", "redis+unix:///run/redis.sock?db=2"} {
		if c, err := load(t, "agents: {}\n", nil, "--attach", url); err != nil || !c.AttachRedis() {
			t.Errorf("%s: %v", url, err)
		}
	}
	if c, err := load(t, "agents: {}\n", nil, "--attach", "postgres://app/jobs"); err != nil || c.AttachRedis() {
		t.Errorf("a River database: %v", err)
	}
	for want, args := range map[string][]string{
		"for a River database":     {"--attach", "redis://u:hush@redis/0", "--attach-actions"},
		"is read from one Redis":   {"--attach", "redis-cluster://u:hush@redis:6379"},
		"is not an address":        {"--attach", "redis://u:hu%sh@redis"},
		"redis://user:password@ho": {"--attach", "amqp://u:hush@rabbit"},
	} {
		_, err := load(t, "agents: {}\n", nil, args...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "hu%sh") {
			t.Errorf("%v: %v, want %q and no password", args, err, want)
		}
	}
}

func TestListsAreYAMLListsOrNamesWithCommas(t *testing.T) {
	want := []string{"ssn", "iban"}
	for name, c := range map[string]struct {
		yaml string
		env  map[string]string
		args []string
	}{
		"list":        {yaml: "server:\n  redact: [ssn, iban]\n"},
		"text":        {yaml: "server:\n  redact: ssn, iban\n"},
		"environment": {env: map[string]string{"AGENTOS_REDACT": "ssn,iban,"}},
		"flag":        {yaml: "server:\n  redact: [x]\n", args: []string{"--redact", "ssn,iban"}},
	} {
		got, err := load(t, c.yaml, c.env, c.args...)
		if err != nil || !cmp.Equal(want, got.Redact) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if c, err := load(t, "", nil); err != nil || c.Redact != nil {
		t.Errorf("nothing given: %v, %v", c, err)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"512MB": 512 << 20, "4GB": 4 << 30, "1.5GiB": 3 << 29, "10485760": 10 << 20, "20480 KB": 20 << 20, "1TB": 1 << 40, "64m": 64 << 20} {
		c, err := load(t, "server:\n  keep_logs: "+text+"\n", nil)
		if err != nil || c.KeepLogs != want {
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
	for _, text := range []string{"a lot", "12XB", "-1GB", "9MB", "1e30TB", "MB", "NaN", "5 MB KB"} {
		if c, err := load(t, "server:\n  keep_runs: "+text+"\n", nil); err == nil {
			t.Errorf("%s passed as %d", text, c.KeepRuns)
		}
	}
	if c, err := load(t, "", nil); err != nil || c.KeepLogs != 512<<20 || c.KeepRuns != 2<<30 {
		t.Errorf("defaults: %v, %v", c, err)
	}
}

func TestAgentNames(t *testing.T) {
	for text, want := range map[string][]string{"all": nil, "none": {}, "a": {"a"}, "a, b": {"a", "b"}} {
		got, err := (&Config{Agents: text}).AgentNames()
		if err != nil || !cmp.Equal(want, got) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := (&Config{Agents: "a,,b"}).AgentNames(); err == nil {
		t.Error("an empty name passed")
	}
}

func TestBasePathIsAPath(t *testing.T) {
	for given, want := range map[string]string{"": "", "/": "", "/ops": "/ops", "/ops/agentos/": "/ops/agentos"} {
		if c, err := load(t, "", nil, "--base-path", given); err != nil || c.BasePath != want {
			t.Errorf("%q: %+v, %v; want %q", given, c, err, want)
		}
	}
	for _, given := range []string{"ops", "https://host/ops", "/ops/../x", "//ops", "/a b", "/<b>", "/%6Fps"} {
		if _, err := load(t, "", nil, "--base-path", given); err == nil || !strings.Contains(err.Error(), "base_path") {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func TestNumbersAreWholeAndWithinBounds(t *testing.T) {
	if c, err := load(t, "server: {max_processes: 7}\n", nil); err != nil || c.MaxProcesses != 7 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, wrong := range []string{"-1", "1.5", "many", "1000000"} {
		if _, err := load(t, "agents: {}\n", map[string]string{"AGENTOS_MAX_PROCESSES": wrong}); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}
