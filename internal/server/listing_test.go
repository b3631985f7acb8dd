package server

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
)

// walk reads all pages of a list.
func walk[T any](t *testing.T, ask func(query string) (rows []T, info PageInfo), query string, limit int) (all []T) {
	t.Helper()
	cursor := ""
	for range 1000 {
		rows, info := ask(fmt.Sprintf("?%s&limit=%d&cursor=%s", query, limit, url.QueryEscape(cursor)))
		if len(rows) > limit || len(rows) == 0 && info.Next != nil {
			t.Fatalf("a page has %d rows", len(rows))
		}
		all = append(all, rows...)
		if info.Next == nil {
			if info.Matched != len(all) {
				t.Errorf("%d rows are said to fit, %d are there", info.Matched, len(all))
			}
			return all
		}
		cursor = *info.Next
	}
	t.Fatal("the list has no end")
	return nil
}

func TestListsOfTheFleetHavePages(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleViewer)
		for i := range 250 {
			_, err := d.Write.ExecContext(t.Context(), `insert into river_job (kind, queue, state, args, max_attempts) values ('other', $1, 'available', '{}', 1)`, fmt.Sprintf("q.%03d", i))
			if err != nil {
				t.Fatal(err)
			}
		}
		queues := func(query string) (names []string, info PageInfo) {
			t.Helper()
			var list QueueList
			f.as(token, "GET", "/api/queues"+query, "").json(t, &list)
			for _, q := range list.Queues {
				names = append(names, q.Name)
			}
			return names, list.PageInfo
		}
		all, info := queues("?limit=500")
		if info.Total < 250 || len(all) != info.Total || info.Next != nil {
			t.Fatalf("%d queues, %+v", len(all), info)
		}
		if paged := walk(t, queues, "q=", 60); !slices.Equal(paged, all) {
			t.Errorf("pages have %d queues %v, all are %d", len(paged), paged, len(all))
		}
		if found := walk(t, queues, "q=Q.24", 3); len(found) != 10 || found[9] != "q.249" {
			t.Errorf("found %v", found)
		}
		if found, info := queues("?state=waiting&limit=1"); len(found) != 1 || info.Matched != 250 || info.Total < 250 {
			t.Errorf("waiting: %v, %+v", found, info)
		}
		agents := func(query string) (names []string, info PageInfo) {
			t.Helper()
			var list AgentList
			f.as(token, "GET", "/api/agents"+query, "").json(t, &list)
			for i, a := range list.Agents {
				names = append(names, a.Name)
				if a.Status == nil || list.StatusError != nil || a.Status.State == "" || len(a.Status.Spark.OK) != 30 {
					t.Errorf("it is not known how %d, %s stands: %+v", i, a.Name, a.Status)
				}
			}
			return names, list.PageInfo
		}
		everyone, info := agents("")
		if len(everyone) != info.Total || everyone[0] != "hash" {
			t.Errorf("agents are %v, %+v", everyone, info)
		}
		if paged := walk(t, agents, "q=", 1); !slices.Equal(paged, everyone) {
			t.Errorf("pages have %v", paged)
		}
		for _, path := range []string{"/api/queues?cursor=x", "/api/agents?cursor=1", "/api/workers?cursor=", "/api/queues?state=bogus", "/api/agents?limit=0", "/api/agents?limit=9999"} {
			if r := f.as(token, "GET", path, ""); (r.status == 422) != !strings.HasSuffix(path, "cursor=") {
				t.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
	})
}

// What is configured is shown also when the database is away: the agents' status is then null.
func TestAgentsAreListedWithoutADatabase(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		token := f.token(auth.RoleViewer)
		d.Break()
		var list AgentList
		f.as(token, "GET", "/api/agents", "").json(t, &list)
		if len(list.Agents) != 3 || list.StatusError == nil || list.Agents[0].Status != nil {
			t.Errorf("%+v", list)
		}
		if r := f.as(token, "GET", "/api/agents?state=failing", ""); r.status != 503 {
			t.Errorf("by state: %d %s", r.status, r.body)
		}
		var one AgentSpec
		f.as(token, "GET", "/api/agents/hash", "").json(t, &one)
		if one.Name != "hash" || one.Status != nil {
			t.Errorf("%+v", one)
		}
	})
}

func TestAPageEndsByItsBytes(t *testing.T) {
	rows := slices.Repeat([]string{strings.Repeat("x", maxPageBytes/3)}, 5)
	var info PageInfo
	if part := fitPage(rows, &info, func(string) place { return place{7, "a"} }); len(part) != 2 || info.Next == nil || *info.Next != "7.a" {
		t.Errorf("%d rows, %+v", len(part), info)
	}
	info = PageInfo{}
	huge := []string{strings.Repeat("x", 2*maxPageBytes), "y"}
	if part := fitPage(huge, &info, func(string) place { return place{} }); len(part) != 1 || info.Next == nil {
		t.Errorf("a page of one huge row has %d", len(part))
	}
}
