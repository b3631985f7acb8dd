package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestMe(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.user("ada", auth.RoleOperator)
		browser := f.browser()
		f.login(browser, "ada")
		var who Me
		f.get(browser, "/api/me").json(t, &who)
		if who != (Me{"ada", auth.RoleOperator, "session", "ada"}) {
			t.Errorf("session: %+v", who)
		}
		f.as(f.token(auth.RoleViewer), "GET", "/api/me", "").json(t, &who)
		if who.Role != auth.RoleViewer || who.Kind != "token" {
			t.Errorf("token: %+v", who)
		}
	})
}

func TestUsersAreManaged(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleAdmin)
		var user auth.User
		r := f.as(token, "POST", "/api/users", `{"name":"Ada","role":"admin","password":"long enough"}`)
		r.json(t, &user)
		if r.status != 201 || user.Name != "ada" || user.CreatedAt.IsZero() || strings.Contains(r.body, "argon2") {
			t.Fatalf("create: %d %s", r.status, r.body)
		}
		for _, c := range []struct {
			method, path, body string
			status             int
		}{
			{"POST", "/api/users", `{"name":"ada","role":"viewer","password":"long enough"}`, 409},
			{"DELETE", "/api/users/ada", "", 409}, // the last admin
			{"PUT", "/api/users/ada/role", `{"role":"viewer"}`, 409},
			{"POST", "/api/users", `{"name":"bob","role":"viewer","password":"long enough"}`, 201},
			{"PUT", "/api/users/bob/role", `{"role":"admin"}`, 204},
			{"PUT", "/api/users/bob/password", `{"password":"even longer"}`, 204},
			{"DELETE", "/api/users/ada", "", 204},
		} {
			if r := f.as(token, c.method, c.path, c.body); r.status != c.status {
				t.Errorf("%s %s %s: %d, want %d: %s", c.method, c.path, c.body, r.status, c.status, r.body)
			}
		}
		var list UserList
		f.as(token, "GET", "/api/users", "").json(t, &list)
		if len(list.Users) != 1 || list.Users[0].Name != "bob" || list.Users[0].Role != auth.RoleAdmin {
			t.Errorf("%+v", list)
		}
	})
}

func TestTokensAreManaged(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		f.user("root", auth.RoleAdmin)
		browser := f.browser()
		f.login(browser, "root")
		admin := f.token(auth.RoleAdmin)
		var created CreatedToken
		r := f.as(admin, "POST", "/api/tokens", `{"name":"ci","role":"operator","ttl_s":3600}`)
		r.json(t, &created)
		if r.status != 201 || !strings.HasPrefix(created.Secret, "aos_"+created.ID+"_") || created.ExpiresAt == nil || !strings.HasPrefix(created.CreatedBy, "admin-") {
			t.Fatalf("create: %d %s", r.status, r.body)
		}
		if r := f.as(created.Secret, "GET", "/api/me", ""); r.status != 200 {
			t.Errorf("the new token: %d", r.status)
		}
		if r := f.as(admin, "POST", "/api/tokens", `{"name":"ci","role":"viewer"}`); r.status != 409 {
			t.Errorf("the same name: %d", r.status)
		}
		if r := f.as(admin, "GET", "/api/tokens", ""); strings.Contains(r.body, created.Secret) || !strings.Contains(r.body, created.ID) {
			t.Errorf("list: %s", r.body)
		}
		if r := f.as(admin, "DELETE", "/api/tokens/"+created.ID, ""); r.status != 204 {
			t.Errorf("revoke: %d", r.status)
		}
		if r := f.as(created.Secret, "GET", "/api/me", ""); r.status != 401 {
			t.Errorf("the revoked token: %d", r.status)
		}
	})
}

func TestAuditLogPages(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		admin := f.token(auth.RoleAdmin)
		for i := range 3 {
			f.as(admin, "POST", "/api/tokens", fmt.Sprintf(`{"name":"t%d","role":"viewer"}`, i))
		}
		var targets []string
		for before, more := int64(0), true; more; {
			var log AuditLog
			f.as(admin, "GET", fmt.Sprintf("/api/audit?limit=2&before=%d", before), "").json(t, &log)
			for _, e := range log.Entries {
				targets = append(targets, e.Target)
				if e.Target == "t0" && (!strings.HasPrefix(e.Actor, "admin-") || e.Kind != "token" || !strings.HasPrefix(e.Remote, "127.0.0.1:")) {
					t.Errorf("%+v", e)
				}
			}
			if more = log.Next != nil; more {
				before = *log.Next
			}
		}
		if len(targets) != 4 || !slices.Equal(targets[:3], []string{"t2", "t1", "t0"}) {
			t.Errorf("%v", targets)
		}
	})
}
