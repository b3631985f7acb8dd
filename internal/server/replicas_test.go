package server

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// replica is one of several servers on a database, with the pace of production.
func replica(t *testing.T, url string) *fixture {
	t.Helper()
	return newFixture(t, &dbtest.Breakable{DB: dbtest.OpenURL(t, url)}, func(f *fixture, o *Options) {
		var err error
		f.auth, err = auth.Open(t.Context(), f.db.DB, auth.Options{HashMemoryKiB: 64})
		must(t, err)
		o.Auth = f.auth
	})
}

// Whoever is shut out through one server is shut out by all, streams that are open included, within 2 s.
func TestStreamsEndOnEveryReplica(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		a, b, c := replica(t, url), replica(t, url), replica(t, url)
		a.user("root", auth.RoleAdmin)
		admin := a.token(auth.RoleAdmin)
		var took []time.Duration
		for i := range 8 {
			name := fmt.Sprint("user", i)
			a.user(name, auth.RoleOperator)
			browser := a.browser()
			a.login(browser, name)
			var created CreatedToken
			a.as(admin, "POST", "/api/tokens", `{"name":"`+name+`","role":"viewer"}`).json(t, &created)
			var streams []<-chan [2]string
			for _, f := range []*fixture{b, c} { // one host for the cookie jar: ports do not count
				streams = append(streams, f.events(browser, ""), f.events(http.DefaultClient, created.Secret))
			}
			for _, events := range streams {
				await(t, events, "snapshot")
			}
			start := time.Now()
			a.as(admin, "DELETE", "/api/tokens/"+created.ID, "")
			switch i % 4 {
			case 0:
				a.post(browser, "/logout", "", nil)
			case 1:
				a.as(admin, "PUT", "/api/users/"+name+"/role", `{"role":"viewer"}`)
			case 2:
				a.as(admin, "PUT", "/api/users/"+name+"/password", `{"password":"another password"}`)
			case 3:
				a.as(admin, "DELETE", "/api/users/"+name, "")
			}
			for _, events := range streams {
				if data := await(t, events, "end"); data != `{"reason":"session"}` {
					t.Errorf("end: %s", data)
				}
				took = append(took, time.Since(start))
			}
			for _, f := range []*fixture{b, c} {
				if r := f.as(created.Secret, "GET", documentPath, ""); r.status != 401 {
					t.Errorf("the revoked token: %d", r.status)
				}
				if r := f.get(browser, documentPath); (r.status == 200) != (i%4 == 1) {
					t.Errorf("user %d afterwards: %d", i, r.status)
				}
			}
		}
		slices.Sort(took)
		t.Logf("%d streams ended on other servers after p50 %s, p95 %s, most %s", len(took), took[len(took)/2], took[len(took)*95/100], took[len(took)-1])
		if p95 := took[len(took)*95/100]; p95 > 2*time.Second {
			t.Errorf("streams ended on other servers only after %s", p95)
		}
	})
}
