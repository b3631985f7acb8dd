package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever is wrong with an address, what the process says about it holds no password.
func TestStartupErrorsShowNoPasswords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agentos.yaml")
	if err := os.WriteFile(file, []byte("agents:\n  greet: {command: [echo, hello]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	given := map[string][]string{
		"--database": {
			"host=127.0.0.1 port=1 user=u password=hush", "postgres://u:hu sh@127.0.0.1:1/x", "postgres://u:hu%zzsh@127.0.0.1:1/x", "postgres://u:hush@127.0.0.1:port/x",
			"postgres://u:hush@127.0.0.1:1/x?sslmode=bogus", "postgres://u:hush#hush@127.0.0.1:1/x", "postgres://u@127.0.0.1:port/x?password=hush", "postgres://u:hu/sh@127.0.0.1:x/x",
			"postgres://u:hush@127.0.0.1:1/x?connect_timeout=x", "postgresql://u:hush@127.0.0.1:1/x?pool_max_conns=x", "sqlite://u:hush@h/x.db",
		},
		"--attach": {
			"host=127.0.0.1 user=u password=hush", "password = hush", "postgres://u:hu sh@127.0.0.1:1/x", "postgres://u:hu%zzsh@127.0.0.1:1/x", "postgres://u:hush@127.0.0.1:port/x",
			"postgres://u:hush@127.0.0.1:1/x?sslmode=bogus", "postgres://u@127.0.0.1:port/x?password=hush", "postgres://u:hush#hush@127.0.0.1:1/x",
		},
		"--redis": {
			"redis://u:hu sh@127.0.0.1:1", "redis://u:hu%zzsh@127.0.0.1:1", "redis://:hush@127.0.0.1:port", "redis://:hush@127.0.0.1:1/db", "redis://:hush#hush@127.0.0.1:1",
			"redis://127.0.0.1:1?password=hush&x=y", "redis-sentinel://:hush@127.0.0.1:1", "host=h password=hush",
		},
	}
	for flag, list := range given {
		for _, value := range list {
			var out, errs bytes.Buffer
			args := []string{"--config", file, "--data", t.TempDir(), "--listen", "127.0.0.1:0", flag, value}
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // what starts all the same ends at once
			c := &call{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, getenv: func(string) string { return "" }}
			if err := runServe(ctx, c, args); err != nil {
				fmt.Fprintln(&errs, err)
			}
			text := out.String() + errs.String()
			if strings.Contains(text, "hush") || strings.Contains(text, "hu sh") || strings.Contains(text, "zzsh") || strings.Contains(text, "hu/sh") {
				t.Errorf("%s %s: %s", flag, value, text)
			}
		}
	}
}
