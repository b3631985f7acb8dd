package server

import (
	"context"
	"net/url"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// otherIDs are jobs of an engine whose ids are no numbers: each is said to be there, by the id that was asked for.
type otherIDs struct{ Jobs }

func (otherIDs) Get(_ context.Context, id engine.ID) (engine.Detail, error) {
	return engine.Detail{Job: engine.Job{ID: id, State: engine.Waiting, EngineState: "pending"}}, nil
}

func (otherIDs) Result(_ context.Context, run engine.ID) (engine.Text, error) {
	return engine.Text{Text: string(run)}, nil
}

func (otherIDs) Retry(_ context.Context, id engine.ID) (engine.Job, error) {
	return engine.Job{ID: id}, nil
}

// otherActions has what Jobs lacks.
type otherActions struct {
	Actions
	otherIDs
}

func (a otherActions) Retry(ctx context.Context, id engine.ID) (engine.Job, error) {
	return a.otherIDs.Retry(ctx, id)
}

func TestAnIDIsOneEscapedSegmentOfAnAddress(t *testing.T) {
	f := newFixture(t, dbtest.NewBreakable(t, db.SQLite), func(f *fixture, o *Options) {
		ids := otherIDs{f.jobs}
		o.Jobs, o.Actions = ids, otherActions{f.jobs, ids}
	})
	token := f.token(auth.RoleOperator)
	for _, id := range []engine.ID{"17", "default/3f2b9c", "a%2Fb/task one", "queue/./x", "ünï/ç+?#&="} {
		at := url.PathEscape(string(id))
		var job engine.Detail
		f.as(token, "GET", "/api/jobs/"+at, "").json(t, &job)
		if job.ID != id || job.State != engine.Waiting || job.EngineState != "pending" || job.Attempt != nil {
			t.Errorf("%s: %+v", at, job)
		}
		var again engine.Job
		if f.as(token, "POST", "/api/jobs/"+at+"/retry", "").json(t, &again); again.ID != id {
			t.Errorf("%s is retried as %q", at, again.ID)
		}
		var text engine.Text
		if f.as(token, "GET", "/api/runs/"+at+"/result", "").json(t, &text); text.Text != string(id) {
			t.Errorf("the result of %s is that of %q", at, text.Text)
		}
		if r := f.as(token, "GET", "/jobs/"+at, ""); r.status != 200 {
			t.Errorf("the page of %s: %d", at, r.status)
		}
	}
}
