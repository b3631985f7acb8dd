package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretsInFiles(t *testing.T) {
	folder := t.TempDir()
	file := func(name, content string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	database, redis := file("database", "postgres://u:p@db/agentos\n"), file("redis", "redis://:p@r\r\n")
	attach, password := file("attach", "postgres://u:p@app/jobs"), file("password", "solar teapot 14\n")
	c, err := load(t, "server: {attach: /elsewhere.db}\n", map[string]string{
		"AGENTOS_DATABASE_URL_FILE": database, "AGENTOS_REDIS_FILE": redis, "AGENTOS_ATTACH_URL_FILE": attach,
		"AGENTOS_ATTACH_REPLICA_FILE": attach, "AGENTOS_ADMIN_PASSWORD_FILE": password,
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Database != "postgres://u:p@db/agentos" || c.Redis != "redis://:p@r" || c.Attach != "postgres://u:p@app/jobs" ||
		c.AttachReplica != c.Attach || c.AdminPassword != "solar teapot 14" {
		t.Errorf("%+v", c)
	}
	if c, err := load(t, "agents: {}\n", map[string]string{"AGENTOS_DATABASE_FILE": database}, "--database", "sqlite:///x.db"); err != nil || c.Database != "sqlite:///x.db" {
		t.Errorf("a flag beside a file: %+v, %v", c, err)
	}
	for what, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"both":       {map[string]string{"AGENTOS_REDIS_URL": "redis://:hush@r", "AGENTOS_REDIS_URL_FILE": redis}, "AGENTOS_REDIS_URL and AGENTOS_REDIS_URL_FILE are both given"},
		"missing":    {map[string]string{"AGENTOS_ADMIN_PASSWORD_FILE": filepath.Join(folder, "nowhere")}, "AGENTOS_ADMIN_PASSWORD_FILE: the file cannot be read"},
		"a folder":   {map[string]string{"AGENTOS_DATABASE_FILE": folder}, "AGENTOS_DATABASE_FILE: the file cannot be read"},
		"empty":      {map[string]string{"AGENTOS_DATABASE_FILE": file("empty", "\n")}, "is empty"},
		"many lines": {map[string]string{"AGENTOS_ADMIN_PASSWORD_FILE": file("many", "a\nhush\n")}, "several lines"},
		"large":      {map[string]string{"AGENTOS_ADMIN_PASSWORD_FILE": file("large", strings.Repeat("hush", 20_000))}, "more than 65536 bytes"},
	} {
		_, err := load(t, "agents: {}\n", c.env)
		var errs ValidationErrors
		if !errors.As(err, &errs) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want an error that says %q", what, err, c.want)
		}
	}
}

func TestFaultsShowNoPasswords(t *testing.T) {
	for _, given := range []string{
		"host=db user=u password=hush dbname=x", "host=db password='hu sh' user=hush", "user=u PASSWORD = hush", "password=hush", "mysql://u:hush@db/x",
		"mysql://u:hu/sh@hush/x", "mysql://u:hush#hush@db/x", "mysql://u:hush?hush@db/x", "mysql://db/x?user=u&password=hush", "mysql://u:12#hush@db",
		"mysql:u:hush@db", "u:hush@db/x", "hush", "//u:hush@db", "mysql://u:hu%zzsh@hush", "hush@db:5432", "my sql://hush", "mysql://hush@db",
	} {
		for _, flag := range []string{"--database", "--redis", "--attach", "--attach-replica"} {
			args := []string{flag, given}
			if flag == "--attach-replica" {
				args = append(args, "--attach", "postgres://app/jobs")
			}
			_, err := load(t, "agents: {}\n", nil, args...)
			if err == nil && flag == "--attach" && !strings.Contains(given, "=") && !strings.Contains(given, "://") {
				continue // the path of a SQLite file
			}
			if err == nil || strings.Contains(err.Error(), "hu") {
				t.Errorf("%s %s: %v", flag, given, err)
			}
		}
	}
}

func TestPasswordsIn(t *testing.T) {
	for text, want := range map[string]string{
		"--database=postgres://u:hush@h/x":             "hush",
		"postgres://u:h@us:h@h/x":                      "h@us:h",
		"redis://:hush@h":                              "hush",
		"host=h password=hush user=u":                  "hush",
		"host=h password='hu sh' user=u":               "'hu sh'",
		"postgres://h/x?password=hush&sslmode=require": "hush",
		"redis-sentinel://h?sentinel-password=hush":    "hush",
		"postgres://h/x":                               "",
		"postgres://u@h:1/x":                           "",
	} {
		got := ""
		for _, span := range PasswordsIn(text) {
			got += text[span[0]:span[1]]
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
