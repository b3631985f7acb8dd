package attach

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

// found follows the pages of a search to its end, and returns the names of the jobs that it found, and how many were searched in part.
func found(t *testing.T, s *Service, filter engine.Filter, names map[int64]string) (all []string, cut int) {
	t.Helper()
	for range 1000 {
		page, err := s.List(t.Context(), filter)
		if err != nil {
			t.Fatalf("%+v: %v", filter, err)
		}
		for _, j := range page.Jobs {
			n, _ := j.ID.Number()
			all = append(all, names[n])
		}
		cut += page.SearchCut
		if page.Next == nil {
			slices.Sort(all)
			return all, cut
		}
		filter.Cursor = *page.Next
	}
	t.Fatalf("%+v: there is no end", filter)
	return nil, 0
}

// What is looked for is found in another program's jobs as in our own: as users read it, whatever its case, however that program's
// JSON has written it, in the arguments and in the last error, in all states.
func TestSearchInAttachedJobs(t *testing.T) {
	texts := map[string]string{
		"umlaut": "HERR MÜLLER", "russian": "Привет, мир", "sharp": "Straße", "composed": "Cafe\u0301", "and": "R&D <b>", "query": "a=1&b=2",
		"path": `C:\tmp\x`, "quotes": `she said "hi"`, "lines": "one\ntwo", "emoji": "party 🎉",
		"long": strings.Repeat("filler ", 9_000) + "behind sixteen kilobytes", "number": "987654",
	}
	eachSite(t, func(t *testing.T, site *site) {
		names, now := map[int64]string{}, time.Now()
		for i, state := range []string{"available", "completed", "scheduled"} {
			for name, text := range texts {
				args, err := json.Marshal(map[string]any{"text": text, "password": "hunter2"}) // with \u0026 and the like
				if err != nil {
					t.Fatal(err)
				}
				j := job{kind: "mail", state: state, created: now.Add(-time.Minute)}
				if state == "completed" {
					j = done("mail", state, now.Add(-time.Minute))
				}
				id := site.insert(t, j)
				names[id] = fmt.Sprint(name, i)
				switch {
				case site.kind == db.Postgres:
					site.exec(t, `update river_job set args = $1::jsonb where id = $2`, string(args), id)
				case i == 1: // written as text, by a program without JSONB
					site.exec(t, `update river_job set args = $1 where id = $2`, string(args), id)
				default:
					site.exec(t, `update river_job set args = jsonb($1) where id = $2`, string(args), id)
				}
			}
		}
		failed := done("mail", "discarded", now.Add(-time.Minute), "first", `no ÄRGER, café & "so" in C:\tmp`)
		names[site.insert(t, failed)] = "error"
		s := site.begun(t, nil)
		each := func(name string) []string { return []string{name + "0", name + "1", name + "2"} }
		for text, want := range map[string][]string{
			"MÜLLER": each("umlaut"), "müller": each("umlaut"), "mu\u0308ller": each("umlaut"), "привет": each("russian"), "ПРИВЕТ, МИР": each("russian"),
			"strasse": each("sharp"), "CAFÉ": slices.Concat(each("composed"), []string{"error"}), "R&D": each("and"), "r&d <B>": each("and"), "a=1&b=2": each("query"),
			`C:\tmp`: slices.Concat([]string{"error"}, each("path")), `c:\TMP\X`: each("path"), `"hi"`: each("quotes"), "one\nTWO": each("lines"), "🎉": each("emoji"),
			"sixteen kilobytes": each("long"), "987654": each("number"), "ärger": {"error"}, `& "SO"`: {"error"}, "hunter2": nil, "nothing of it": nil, "u0026": nil,
		} {
			slices.Sort(want)
			for _, filter := range []engine.Filter{{Text: text}, {Text: text, Limit: 2}, {Text: " " + text + " ", Agent: "mail", Queue: "default"}} {
				if all, cut := found(t, s, filter, names); !slices.Equal(all, want) || cut != 0 {
					t.Errorf("%q %+v found %v, want %v; %d searched in part", text, filter, all, want, cut)
				}
			}
			for i, state := range []engine.State{"available", "completed", "scheduled"} {
				some := slices.DeleteFunc(slices.Clone(want), func(name string) bool { return !strings.HasSuffix(name, fmt.Sprint(i)) })
				if all, _ := found(t, s, engine.Filter{Text: text, States: []engine.State{state}}, names); !slices.Equal(all, some) {
					t.Errorf("%q among those %s found %v, want %v", text, state, all, some)
				}
			}
		}
	})
}

// Beyond the first 256 KB of arguments nothing is searched, and that is said.
func TestSearchInLargeAttachedJobs(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		names := map[int64]string{}
		for _, n := range []int{10, 100_000, 300_000, 900_000} {
			id := site.insert(t, job{kind: "mail", state: "available"})
			names[id] = fmt.Sprintf("%06d", n)
			args := `{"a":"the beginning ` + strings.Repeat("x", n) + ` the end"}`
			if site.kind == db.Postgres {
				site.exec(t, `update river_job set args = $1::jsonb where id = $2`, args, id)
			} else {
				site.exec(t, `update river_job set args = jsonb($1) where id = $2`, args, id)
			}
		}
		s := site.begun(t, nil)
		if all, cut := found(t, s, engine.Filter{Text: "The END"}, names); !slices.Equal(all, []string{"000010", "100000"}) || cut != 2 {
			t.Errorf("found %v, %d searched in part", all, cut)
		}
		if all, _ := found(t, s, engine.Filter{Text: "THE BEGINNING"}, names); len(all) != 4 {
			t.Errorf("found %v", all)
		}
	})
}
