package servers

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestPostgresComesBackWithItsData(t *testing.T) {
	p := StartPostgres(t, PostgresSetting("synchronous_commit", "on")) // else a kill may lose what was committed a moment before
	ctx := t.Context()
	if err := p.exec(ctx, p.URL("agentos"), "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	for name, again := range map[string]func() error{
		"restart": p.Restart,
		"kill":    func() error { p.Kill(); return p.Start() },
	} {
		if err := again(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := p.Exec(ctx, "agentos", "SELECT 1/count(*) FROM kept"); err != nil {
			t.Fatalf("after %s: %v", name, err)
		}
	}
	p.Kill()
	if p.Alive() {
		t.Error("it says to be alive after it was killed")
	}
	if err := p.Exec(ctx, "agentos", "SELECT 1"); err == nil {
		t.Error("a killed server answers")
	}
}

func TestPostgresPauses(t *testing.T) {
	p := StartPostgres(t)
	conn, err := p.Connect(t.Context(), "agentos")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	p.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := conn.Exec(ctx, "SELECT 1"); err == nil {
		t.Error("a connection made before the pause is answered in it")
	}
	p.Resume()
	if err := p.Exec(t.Context(), "agentos", "SELECT 1"); err != nil {
		t.Errorf("after the pause: %v", err)
	}
}

func TestPostgresMakesDatabasesOfTemplates(t *testing.T) {
	p := StartPostgres(t, PostgresSetting("max_connections", "30"))
	if err := p.exec(t.Context(), p.URL("agentos"), "CREATE TABLE one (n int)"); err != nil {
		t.Fatal(err)
	}
	if err := p.CreateDatabase("copy", "agentos"); err != nil {
		t.Fatal(err)
	}
	if err := p.exec(t.Context(), p.URL("copy"), "SELECT * FROM one", "CREATE TABLE two (n int)"); err != nil {
		t.Fatal(err)
	}
	if err := p.Exec(t.Context(), "copy", "CREATE EXTENSION pg_stat_statements", "SELECT count(*) FROM pg_stat_statements"); err != nil {
		t.Fatal(err)
	}
	if err := p.DropDatabase("copy"); err != nil {
		t.Fatal(err)
	}
	if err := p.CreateDatabase("copy", "nothing"); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("a database of a template that does not exist: %v", err)
	}
}

func TestStandbyTakesOver(t *testing.T) {
	p := StartPostgres(t)
	standby, err := p.NewStandby()
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Close()
	if err := p.Exec(t.Context(), "agentos", "CREATE TABLE late (n int)"); err != nil {
		t.Fatal(err)
	}
	p.Stop() // which hands over everything
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := standby.Exec(t.Context(), "agentos", "INSERT INTO late VALUES (1)"); err != nil {
		t.Error(err)
	}
}
