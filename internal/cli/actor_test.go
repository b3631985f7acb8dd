package cli

import (
	"bytes"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/app"
	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/config"
)

// What commands do is in the audit log under the name of the system's user who ran them, and with the machine's, also when it
// was refused.
func TestCommandsAreAuditedWithTheSystemsUser(t *testing.T) {
	dir := t.TempDir()
	cfg := &config.Config{File: filepath.Join(dir, "agentos.yaml"), Data: filepath.Join(dir, "data")}
	if err := os.WriteFile(cfg.File, []byte("agents: {greet: {command: [echo, hello]}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SUDO_USER", "")
	t.Setenv("AGENTOS_AGENT", "")
	var out bytes.Buffer
	c := &call{stdin: strings.NewReader("correct horse battery staple\n"), stdout: &out, stderr: &out, getenv: func(name string) string {
		return map[string]string{"AGENTOS_DATA": cfg.Data, "AGENTOS_CONFIG": cfg.File}[name]
	}}
	if err := runMigrate(t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		run     func() error
		refused bool
	}{
		{func() error { return runUser(t.Context(), c, []string{"add", "ada", "--role", "operator"}) }, false},
		{func() error { return runToken(t.Context(), c, []string{"create", "ci", "--role", "viewer"}) }, false},
		{func() error { return runToken(t.Context(), c, []string{"create", "ci", "--role", "viewer"}) }, true},
		{func() error { return runEnqueue(t.Context(), c, []string{"greet"}) }, false},
	} {
		if err := step.run(); (err != nil) != step.refused {
			t.Fatalf("%v: %s", err, out.String())
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	_, database, err := app.OpenJobs(t.Context(), c.caller(), cfg, app.NewLogger(c.stderr, &config.Config{LogLevel: "error"}))
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	accounts, err := auth.Open(t.Context(), database, auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := accounts.ListAudit(t.Context(), 0, 100, "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Action+" "+e.Target+" "+e.Outcome)
		if e.Actor != me.Username || e.Kind != auth.KindLocal || e.Remote != "cli on "+host {
			t.Errorf("it does not say who ran it: %+v", e)
		}
	}
	want := []string{"job.enqueue job 1 of greet ok", "token.create ci refused", "token.create ci ok", "user.create ada ok"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the audit log has %q, want %q", got, want)
	}
}
