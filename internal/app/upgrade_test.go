package app

import (
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/worker"
	"github.com/agentos/agentos/test/servers"
)

// The folder has what commit def3519 left behind: three jobs of greet that ended well, one of broken that gave up, one of flaky that waits
// to be tried again, and one of later, an agent that is paused as a queue called default is; the users admin and ada, and a token. It
// was made by its serve, user add, token create and enqueue, and for Postgres by pg_dump --inserts.
const (
	before         = "testdata/def3519"
	sqliteToken    = "aos_l6655bnq_b2gkq3k2qidgise53bxcmpro2frj4hnqsfzwhpuxzvw5dhefgxwq"
	postgresToken  = "aos_zfqekts4_opvdsheedn36trwflzdo7geovfrlakhbdk3rde47g6gwpg2gck7q"
	passwordBefore = "harbour lights 2026"
)

// Data of the version before is taken over: nothing is lost, and everybody gets in as before.
func TestDataOfTheVersionBeforeIsTakenOver(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		cfg := &config.Config{Data: t.TempDir(), File: filepath.Join(before, "agentos.yaml")}
		must(t, os.WriteFile(filepath.Join(cfg.Data, "agentos.db"), unpacked(t, "agentos.db.gz"), 0o600))
		checkTakenOver(t, cfg, sqliteToken)
	})
	t.Run("postgres", func(t *testing.T) {
		postgres := servers.StartPostgres(t)
		must(t, postgres.CreateDatabase("before", ""))
		conn, err := pgx.Connect(t.Context(), postgres.URL("before"))
		must(t, err)
		_, err = conn.Exec(t.Context(), string(unpacked(t, "postgres.sql.gz")))
		must(t, err, conn.Close(t.Context()))
		checkTakenOver(t, &config.Config{Data: t.TempDir(), File: filepath.Join(before, "agentos.yaml"), Database: postgres.URL("before")}, postgresToken)
	})
}

func unpacked(t *testing.T, name string) []byte {
	t.Helper()
	file, err := os.Open(filepath.Join(before, name))
	must(t, err)
	defer file.Close()
	reader, err := gzip.NewReader(file)
	must(t, err)
	text, err := io.ReadAll(reader)
	must(t, err)
	return text
}

func checkTakenOver(t *testing.T, cfg *config.Config, token string) {
	t.Helper()
	service, database, err := OpenJobs(t.Context(), Caller{}, cfg, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { must(t, database.Close()) })
	checkJobs(t, service)
	checkSums(t, database)
	accounts, err := auth.Open(t.Context(), database, auth.Options{})
	must(t, err)
	checkAccounts(t, accounts, token)

	job, err := service.Enqueue(t.Context(), engine.EnqueueParams{Agent: "greet"})
	must(t, err)
	if job.ID != "7" {
		t.Errorf("the next job is %s, want 7", job.ID)
	}
}

func checkJobs(t *testing.T, service *worker.Service) {
	t.Helper()
	page, err := service.List(t.Context(), engine.Filter{})
	must(t, err)
	var got []string
	for _, job := range page.Jobs {
		got = append(got, job.Agent+" "+string(job.State))
	}
	want := []string{"later available", "flaky retryable", "broken discarded", "greet completed", "greet completed", "greet completed"}
	if !slices.Equal(got, want) {
		t.Errorf("jobs %q, want %q", got, want)
	}
	first, err := service.Get(t.Context(), "1")
	must(t, err)
	if !strings.Contains(string(first.ArgsJSON), `"n"`) || strings.Contains(string(first.ArgsJSON), "hunter2") || len(first.Runs) != 1 ||
		first.Runs[0].Outcome != "ok" || first.Runs[0].Usage.InputTokens != 12 || first.Result == nil || !strings.Contains(*first.Result, `"n"`) {
		t.Errorf("the first job: %+v", first)
	}
	lines, _, err := service.WaitRunLogs(t.Context(), first.Runs[0].ID, 0, 10)
	must(t, err)
	if len(lines) == 0 || lines[0].Msg != "hello from greet" {
		t.Errorf("its log: %+v", lines)
	}
	gaveUp, err := service.Get(t.Context(), "4")
	must(t, err)
	if len(gaveUp.Runs) != 1 || gaveUp.Runs[0].ExitCode == nil || *gaveUp.Runs[0].ExitCode != 7 || len(gaveUp.Errors) != 1 ||
		!strings.Contains(gaveUp.Errors[0].Error, "no such file") {
		t.Errorf("the job that gave up: %+v", gaveUp)
	}
	paused, err := service.PausedQueues(t.Context())
	must(t, err)
	if len(paused) == 0 {
		t.Error("nothing is paused any more")
	}
}

func checkSums(t *testing.T, database *db.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var ok, failed int64
	must(t, database.Read.QueryRowContext(ctx,
		`select coalesce(sum(ok), 0), coalesce(sum(failed), 0) from rollup where step_s = 3600 and agent = '' and queue = ''`).Scan(&ok, &failed))
	if ok != 3 || failed != 2 {
		t.Errorf("the hours sum up to %d and %d attempts, want 3 and 2", ok, failed)
	}
}

func checkAccounts(t *testing.T, accounts *auth.Service, token string) {
	t.Helper()
	users, err := accounts.ListUsers(t.Context())
	must(t, err)
	var got []string
	for _, user := range users {
		got = append(got, user.Name+" "+string(user.Role))
	}
	slices.Sort(got)
	if want := []string{"ada operator", "admin admin"}; !slices.Equal(got, want) {
		t.Errorf("users %q, want %q", got, want)
	}
	if _, p, err := accounts.Login(t.Context(), "ada", passwordBefore, "127.0.0.1"); err != nil || p.Role != auth.RoleOperator {
		t.Errorf("ada cannot log in: %v, %v", p, err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	if p, err := accounts.Authenticate(r); err != nil || p.Role != auth.RoleOperator || p.Name != "ci" {
		t.Errorf("the token: %+v, %v", p, err)
	}
	entries, err := accounts.ListAudit(t.Context(), 0, 100, "")
	must(t, err)
	var acts []string
	for _, e := range entries {
		acts = append(acts, e.Action)
	}
	for _, act := range []string{"user.create", "token.create", "agent.pause", "queue.pause"} {
		if !slices.Contains(acts, act) {
			t.Errorf("the audit log has %q, and not %s", acts, act)
		}
	}
}
