package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/redact"
)

// What an agent got by pass_env, or by its file under the name of a secret, it may print; it is written nowhere, and what has the form of a secret is shown nowhere.
func TestSecretsOfAnAgentAreNotKept(t *testing.T) {
	t.Setenv("PASSED_SECRET", "hunter2hunter2")
	dbtest.Each(t, func(t *testing.T, database *db.DB) {
		fleet := fleetOf(t, agents(
			sh("ok", `echo "with $PASSED_SECRET" >&2; echo "url postgres://u:hunter2hunter3@h" >&2; echo "{ \"ssn\": 1, \"x\": \"$PASSED_SECRET\" }"`, "pass_env: [PASSED_SECRET]"),
			sh("bad", `echo "it was $PASSED_SECRET and Bearer hunter2-hunter4" >&2; echo "$PASSED_SECRET"; exit 3`, "pass_env: [PASSED_SECRET]", "max_attempts: 1"),
			sh("own", `echo "with $API_KEY and $CUSTOMER_SSN, not $LIMIT" >&2; echo "$API_KEY"; exit 3`, "env: {API_KEY: hunter2hunter2, CUSTOMER_SSN: hunter2hunter2b, LIMIT: plainvalue}", "max_attempts: 1"),
		))
		s := startWith(t, Options{DB: database, Fleet: fleet, Redact: redact.New([]string{"ssn"})})
		args := json.RawMessage(`{"pin":77665544,"env":[{"name":"API_TOKEN","value":"hunter2hunter5"}],"h":["Authorization","hunter2hunter6"],"customerSsn":"hunter2hunter7"}`)
		done := enqueueWith(t, s, engine.EnqueueParams{Agent: "ok", Args: args})
		failed, own := enqueue(t, s, "bad"), enqueue(t, s, "own")
		shown := []any{untilState(t, s, own.ID, "discarded"), untilState(t, s, done.ID, "completed"), untilState(t, s, failed.ID, "discarded"), get(t, s, done.ID)}
		for _, f := range []engine.Filter{{}, {Text: "hunter2"}, {States: []engine.State{"discarded"}}} {
			page, err := s.List(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if f.Text != "" && len(page.Jobs) > 0 {
				t.Errorf("a search finds secrets: %+v", page.Jobs)
			}
			shown = append(shown, page)
		}
		for _, id := range []engine.ID{done.ID, failed.ID, own.ID} {
			lines, _, err := s.RunLogs(t.Context(), *get(t, s, id).LogRunID, 0, 0)
			if err != nil || len(lines) == 0 {
				t.Fatal(lines, err)
			}
			shown = append(shown, lines)
		}
		failures, err := s.Failures(t.Context(), 10)
		slices.SortFunc(failures, func(a, b engine.Failure) int { return strings.Compare(a.Agent, b.Agent) })
		if err != nil || len(failures) != 2 || !strings.Contains(failures[0].Error, "it was [redacted] and Bearer [redacted]") ||
			!strings.Contains(failures[1].Error, "with [redacted] and [redacted], not plainvalue") {
			t.Errorf("%+v, %v", failures, err)
		}
		text, err := json.Marshal(append(shown, failures))
		if err != nil || strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "77665544") || !strings.Contains(string(text), redact.Mark) {
			t.Errorf("%v: %s", err, text)
		}
		if d := get(t, s, done.ID); d.Result == nil || *d.Result != `{"ssn":"[redacted]","x":"[redacted]"}` {
			t.Errorf("result %v", *d.Result)
		}
		for _, column := range []string{"run.result", "run.error", "run.message", "run_log.msg"} {
			table, name, _ := strings.Cut(column, ".")
			var n int
			err := database.Read.QueryRow(fmt.Sprintf(`select count(*) from %s where %s like '%%hunter2hunter2%%'`, table, name)).Scan(&n)
			if err != nil || n > 0 {
				t.Errorf("%s has it %d times, %v", column, n, err)
			}
		}
	})
}

func TestDeepArgumentsAreRefusedAndThoseOfOthersShown(t *testing.T) {
	nested := func(levels int) string {
		return strings.Repeat(`{"a":`, levels-1) + `{"password":"hunter2"}` + strings.Repeat(`}`, levels-1)
	}
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newService(t, database, "", fleetOf(t, agents(sh("deep", "true"))))
		enqueueWith(t, s, engine.EnqueueParams{Agent: "deep", Args: json.RawMessage(nested(redact.MaxDepth))})
		for _, levels := range []int{redact.MaxDepth + 1, 1_100, 20_000} {
			_, err := s.Enqueue(t.Context(), engine.EnqueueParams{Agent: "deep", Args: json.RawMessage(nested(levels))})
			if !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), fmt.Sprintf("%d levels deep, more than %d", levels, redact.MaxDepth)) {
				t.Errorf("%d levels: %v", levels, err)
			}
		}
		rows := []string{nested(1_100), nested(3_000), `[1,"` + strings.Repeat("x", 3<<20) + `"]`, `"text"`, `{}`}
		if database.Kind == db.SQLite { // Postgres keeps nothing else
			rows = append(rows, nested(12_000), `{"password": "hunter2", "broken`, "no JSON password=hunter2", "")
		}
		for _, args := range rows {
			exec1(t, s, `insert into river_job (kind, queue, args, max_attempts) values ('a', 'default', $1, 1)`, args)
		}
		page, err := s.List(t.Context(), engine.Filter{})
		if err != nil || len(page.Jobs) != len(rows)+1 {
			t.Fatal(len(page.Jobs), err)
		}
		if _, err := s.List(t.Context(), engine.Filter{Text: "hunter2"}); err != nil {
			t.Error(err)
		}
		for _, job := range page.Jobs {
			d := get(t, s, job.ID)
			text, err := json.Marshal(d)
			if err != nil || strings.Contains(string(text), "hunter2") || len(text) > 2<<20 || job.Args == "" && len(rows) < 6 {
				t.Errorf("job %s: %v, %.300s", job.ID, err, text)
			}
		}
	})
}
