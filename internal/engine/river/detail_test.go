package river

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// allocated is how much memory something takes on its way.
func allocated(do func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// What has been written for a job may be any size; an answer about it may not.
func TestAJobsAnswerIsBounded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, database *db.DB) {
		s := newReader(t, database, fleetOf(t, agents(sh("agent0", "true"))))
		text := strings.Repeat("résult ", 33_000) // 264 KB
		const attempts = 130
		var errors []string
		for n := range attempts {
			errors = append(errors, fmt.Sprintf(`{"at":"2026-01-02T03:04:05Z","attempt":%d,"error":"no %d %s","trace":"%s"}`, n+1, n+1, strings.Repeat("e", 20_000), strings.Repeat("t", 20_000)))
		}
		args, _ := json.Marshal(map[string]string{"long": strings.Repeat("argument ", 200_000), "password": "hunter2"})
		list := any("[" + strings.Join(errors, ",") + "]")
		if database.Kind == db.Postgres {
			list = errors
		}
		exec1(t, s, `insert into river_job (id, kind, queue, state, args, errors, attempt, max_attempts, finalized_at)
			values (1, 'agent0', 'agent0', 'completed', `+by(s, `jsonb($1), jsonb($2), 131, 200, datetime('now')`, `$1::jsonb, $2::jsonb[], 131, 200, now()`)+`)`, string(args), list)
		exec1(t, s, `insert into run (job_id, attempt, max_attempts, agent, queue, worker, outcome, scheduled_ms, started_ms, ended_ms, wait_ms, result)
			with recursive n(i) as (select 1 union all select i + 1 from n where i < 130)
			select 1, i, 200, 'agent0', 'agent0', 'w', case when i = 100 then 'ok' else 'failed' end, i, i, i, 0, `+by(s, `$1`, `$1::text`)+` || i from n`, text)

		var d engine.Detail
		if took := allocated(func() { d = get(t, s, "1") }); took > 16<<20 {
			t.Errorf("an answer took %d bytes", took)
		}
		answer, err := json.Marshal(d)
		if err != nil || len(answer) > 512<<10 {
			t.Errorf("%d bytes, %v", len(answer), err)
		}
		if len(d.Runs) != 20 || d.RunsTotal != attempts || d.RunsNext == nil || *d.Runs[0].ResultBytes != int64(len(text)+3) || len(*d.Runs[0].Result) > 5_000 {
			t.Errorf("%d runs of %d", len(d.Runs), d.RunsTotal)
		}
		if d.Result == nil || !d.ResultCut || *d.ResultBytes != int64(len(text)+3) || len(*d.Result) > 128<<10 {
			t.Errorf("the result: cut %v, %d", d.ResultCut, *d.ResultBytes)
		}
		if len(d.Errors) != 20 || d.ErrorsTotal != attempts || d.Errors[19].Attempt != attempts || len(d.Errors[19].Error) > engine.MaxErrorText || !strings.HasPrefix(d.Errors[0].Error, "no 111 e") {
			t.Errorf("%d errors of %d, the last %.100v", len(d.Errors), d.ErrorsTotal, d.Errors[len(d.Errors)-1])
		}
		if !d.ArgsCut || d.ArgsBytes < 1_800_000 || !strings.Contains(string(d.ArgsJSON), "argument argument") || len(d.ArgsJSON) > 20_000 {
			t.Errorf("arguments: %d bytes, cut %v, %.100s", d.ArgsBytes, d.ArgsCut, d.ArgsJSON)
		}

		runs, cursor := len(d.Runs), d.RunsNext
		for cursor != nil {
			page, err := s.Runs(t.Context(), "1", *cursor, 50)
			if err != nil {
				t.Fatal(err)
			}
			runs, cursor = runs+len(page.Runs), page.Next
		}
		if runs != attempts {
			t.Errorf("%d attempts by pages", runs)
		}
		found := map[int]bool{}
		for before := int64(0); ; {
			page, err := s.Errors(t.Context(), "1", before, 50)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Errors {
				found[e.Attempt] = true
			}
			if page.Next == nil {
				break
			}
			before = *page.Next
		}
		if len(found) != attempts {
			t.Errorf("%d errors by pages", len(found))
		}
		whole, err := s.Result(t.Context(), *d.ResultRunID)
		if err != nil || whole.Cut || whole.Text != text+"100" {
			t.Errorf("the whole result: %d bytes, %v", len(whole.Text), err)
		}
		part, err := s.Args(t.Context(), "1")
		if err != nil || !part.Cut || part.Bytes != d.ArgsBytes || len(part.Text) > engine.MaxText+100 || len(part.Text) < engine.MaxText/2 {
			t.Errorf("the arguments: %d bytes of %d, %v", len(part.Text), part.Bytes, err)
		}
	})
}
