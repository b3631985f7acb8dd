package river

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
)

// Both databases find the same: what users see, whatever its case and whatever JSON makes of it.
func TestSearchComparesWhatIsMeant(t *testing.T) {
	texts := map[string]string{
		"umlaut": "HERR MÜLLER", "russian": "Привет, мир", "sharp": "Straße", "composed": "Cafe\u0301", "and": "R&D <b>", "query": "a=1&b=2",
		"path": `C:\tmp\x`, "quotes": `she said "hi"`, "lines": "one\ntwo\tthree", "emoji": "party 🎉", "turkish": "İstanbul", "slash": "a/b",
		"long": strings.Repeat("filler ", 9_000) + "behind sixteen kilobytes", "number": "987654",
	}
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newReader(t, database, fleetOf(t, agents(sh("rare", "true"))))
		ids := map[string]engine.ID{}
		for name, text := range texts {
			args, err := json.Marshal(map[string]any{"text": text, "list": []any{1, true}, "password": "hunter2"}) // with \u0026 and the like
			if err != nil {
				t.Fatal(err)
			}
			ids[name] = enqueueWith(t, s, engine.EnqueueParams{Agent: "rare", Args: args}).ID
		}
		exec1(t, s, `update river_job set errors = `+by(s, `jsonb('[{"error":"no ÄRGER, caf\u00e9 & \"so\""}]')`, `array['{"error":"no ÄRGER, caf\u00e9 & \"so\""}'::jsonb]`)+` where id = $1`, ids["slash"])
		for text, want := range map[string][]string{
			"MÜLLER": {"umlaut"}, "müller": {"umlaut"}, "mu\u0308ller": {"umlaut"}, "привет": {"russian"}, "ПРИВЕТ, МИР": {"russian"}, "strasse": {"sharp"},
			"CAFÉ": {"composed", "slash"}, "R&D": {"and"}, "r&d <B>": {"and"}, "a=1&b=2": {"query"}, `C:\tmp`: {"path"}, `c:\TMP\X`: {"path"}, `C:\\tmp`: {"path"},
			`"hi"`: {"quotes"}, `\"hi\"`: {"quotes"}, "one\ntwo\tTHREE": {"lines"}, "🎉": {"emoji"}, "a/B": {"slash"}, "sixteen kilobytes": {"long"},
			`"text": "a/b"`: {"slash"}, `"text":"a/b"`: {"slash"}, "ärger": {"slash"}, `& "SO"`: {"slash"}, "987654": {"number"},
			fmt.Sprint(ids["emoji"]): {"emoji"}, "hunter2": nil, "nothing of it": nil, "u0026": nil, `\u0026`: nil, "ttwo": nil, "ntwo": nil,
		} {
			for _, f := range []engine.Filter{{Text: text}, {Text: text, States: []engine.State{"available"}}, {Text: " " + text + " ", Agent: "rare", Queue: "rare"}} {
				s.lookFor = time.Minute
				page, err := s.List(t.Context(), f)
				var found []string
				for name, id := range ids {
					if slices.ContainsFunc(page.Jobs, func(j engine.Job) bool { return j.ID == id }) {
						found = append(found, name)
					}
				}
				slices.Sort(found)
				if err != nil || !slices.Equal(found, want) && !(len(text) < 3 && slices.Contains(found, want[0])) {
					t.Errorf("%q found %v, want %v; %v", text, found, want, err)
				}
				if page.SearchCut != 0 {
					t.Errorf("%d jobs were searched in part", page.SearchCut)
				}
			}
		}
	})
}

func TestASearchSaysWhatItDidNotSearch(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newReader(t, database, fleetOf(t, agents(sh("rare", "true"))))
		s.lookFor = time.Minute
		for _, n := range []int{10, 300_000, 900_000} {
			enqueueWith(t, s, engine.EnqueueParams{Agent: "rare", Args: json.RawMessage(`{"a":"the beginning ` + strings.Repeat("x", n) + ` the end"}`)})
		}
		page, err := s.List(t.Context(), engine.Filter{Text: "the end"})
		if err != nil || len(page.Jobs) != 1 || page.SearchCut != 2 {
			t.Errorf("%d jobs, %d cut, %v", len(page.Jobs), page.SearchCut, err)
		}
		page, err = s.List(t.Context(), engine.Filter{Text: "THE BEGINNING"})
		if err != nil || len(page.Jobs) != 3 {
			t.Errorf("%d jobs, %v", len(page.Jobs), err)
		}
	})
}

// However large the arguments are, a page ends soon after its time, and the pages together miss none.
func TestASearchThroughLargeArgumentsIsBounded(t *testing.T) {
	dbtest.Together(t, func(t *testing.T, database *db.DB) {
		s := newReader(t, database, fleetOf(t, agents(sh("rare", "true"))))
		const jobs = 120
		exec1(t, s, `insert into river_job (kind, queue, args, max_attempts, state, finalized_at)
			with recursive n(i) as (select 1 union all select i + 1 from n where i < 120) select 'rare', 'rare', `+
			by(s, `jsonb_object('n', i, 'data', hex(randomblob(60000)))`, `jsonb_build_object('n', i, 'data', (select string_agg(md5((i * k)::text), '') from generate_series(1, 4000) k))`)+
			`, 1, 'completed', `+by(s, `datetime('now', '-' || i || ' seconds')`, `now() - i * interval '1 second'`)+` from n`)
		for _, f := range []engine.Filter{{Text: "no such thing"}, {Text: "no such thing", States: []engine.State{"completed"}}} {
			searched, pages := 0, 0
			for {
				began := time.Now()
				page, err := s.List(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > 20*s.lookFor<<(2*deepest) {
					t.Errorf("a page took %v", took)
				}
				searched, pages = searched+page.Searched, pages+1
				if page.Next == nil {
					break
				}
				f.Cursor = *page.Next
			}
			if searched != jobs || pages < 2 {
				t.Errorf("%d jobs on %d pages", searched, pages)
			}
		}
	})
}
