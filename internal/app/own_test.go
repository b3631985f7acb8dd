package app

import (
	"cmp"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/section"
)

// A server with a section of each kind, each of which goes bad in another way and comes back: its card says so, and keeps its last good
// value; the others stay fresh, the server healthy.
func TestOwnSectionsGoBadAndComeBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var bad atomic.Bool
	modes := map[string]func(http.ResponseWriter, *http.Request){
		"hang":    func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"fail":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) },
		"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0xff, 0xfe, '{'}) },
		"html":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<script>alert(1)</script>") },
		"nan":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"n": NaN}`) },
		"empty":   func(http.ResponseWriter, *http.Request) {},
		"flood": func(w http.ResponseWriter, _ *http.Request) {
			for range 10 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		},
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mode := modes[filepath.Base(r.URL.Path)]; mode != nil && bad.Load() {
			mode(w, r)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/api/v1/query") { // as Prometheus' documentation has it
			if bad.Load() {
				http.Error(w, `{"status":"error","errorType":"bad_data","error":"no such metric"}`, http.StatusBadRequest)
				return
			}
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1435781451.781,"7"]}]}}`)
			return
		}
		fmt.Fprint(w, `{"n": 7}`)
	}))
	t.Cleanup(web.Close)
	figures, err := sql.Open("sqlite", filepath.Join(dir, "figures.db")+"?_pragma=busy_timeout(20000)") // while a section reads it
	must(t, err)
	t.Cleanup(func() { must(t, figures.Close()) })
	view := func(query string) {
		_, err := figures.ExecContext(t.Context(), "drop view if exists figure; create view figure as "+query)
		must(t, err)
	}
	view("select 7 as n")
	script := filepath.Join(dir, "figure")
	command := func(text string) {
		must(t, os.WriteFile(script+".new", []byte("#!/bin/sh\n"+text+"\n"), 0o700), os.Rename(script+".new", script))
	}
	command("echo 7")

	var file strings.Builder
	file.WriteString("agents: {one: {command: ['true']}}\nsections:\n")
	one := func(name, from string) { fmt.Fprintf(&file, "  %s: {%s, every: 5s, timeout: 2s}\n", name, from) }
	for name := range modes {
		one(name, fmt.Sprintf("http: {url: '%s/%s'}, pick: $.n", web.URL, name))
	}
	one("good", fmt.Sprintf("http: {url: '%s/good'}, pick: $.n", web.URL))
	one("statement", "sql: select n from figure, database: {file: figures.db}")
	one("program", "command: ["+script+"]")
	one("metric", fmt.Sprintf("prometheus: {url: '%s', query: up}", web.URL))
	path := filepath.Join(dir, "agentos.yaml")
	must(t, os.WriteFile(path, []byte(file.String()), 0o600))
	specs, err := section.Load(path)
	must(t, err)

	s := serve(t, &config.Config{File: path, Agents: "none"})
	cards := func(check func(name string, card document.OwnSection) error) {
		t.Helper()
		eventually(t, func() error {
			d := s.document(t)
			if d.Own == nil || len(d.Own.Items) != len(specs) || d.Meta.Sections["own"].Error != nil {
				return fmt.Errorf("the section is %+v", d.Own)
			}
			for name, card := range d.Own.Items {
				if card.Value == nil || card.Value.Number == nil || *card.Value.Number != 7 {
					return fmt.Errorf("%s has the value %+v, error %v", name, card.Value, text(card.Error))
				}
				if err := check(name, card); err != nil {
					return err
				}
			}
			return nil
		})
	}
	fine := func(name string, card document.OwnSection) error {
		if card.Error != nil || card.FailingSince != nil {
			return fmt.Errorf("%s fails: %s", name, text(card.Error))
		}
		return nil
	}
	cards(fine)

	view("with recursive n(n) as (select 1 union all select n + 1 from n) select count(*) as n from n")
	command("sleep 100 & wait")
	bad.Store(true)
	wentBad := time.Now()
	cards(func(name string, card document.OwnSection) error {
		if name == "good" {
			return cmp.Or(fine(name, card), errorIf(card.AsOf.Before(wentBad), "the good one is of %v", card.AsOf))
		}
		return errorIf(card.Error == nil || card.FailingSince == nil || card.AsOf.After(wentBad), "%s is %+v", name, card)
	})
	d := s.document(t)
	for name, card := range d.Own.Items {
		t.Logf("%s: %s", name, text(card.Error))
	}
	if status := d.Dashboard.System.Status; status == document.SystemCritical || d.Meta.Stale {
		t.Errorf("the server is %s, stale: %v", status, d.Meta.Stale)
	}

	view("select 7 as n")
	command("echo 7")
	bad.Store(false)
	cards(fine)
}

func text(of *string) string {
	if of == nil {
		return "none"
	}
	return *of
}

func errorIf(wrong bool, format string, args ...any) error {
	if !wrong {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// A mark is of what the value depends on, and of nothing that may be secret.
func TestMarksOfSectionsHoldNoSecret(t *testing.T) {
	of := func(address, header string, argument ...string) string {
		return markOf(section.Spec{
			Name: "one", HTTP: &section.HTTP{URL: address, Headers: map[string]section.Secret{"Authorization": {Text: header}}},
			Command: &section.Command{Argv: append([]string{"bin/figure"}, argument...)},
		})
	}
	plain := of("https://example.org/a", "")
	for _, secret := range []string{of("https://user:password@example.org/a", ""), of("https://example.org/a?key=secret", ""), of("https://example.org/a", "secret"), of("https://example.org/a", "", "secret")} {
		if secret != plain {
			t.Errorf("%s, without a secret %s", secret, plain)
		}
	}
	if len(plain) != 8 || of("https://example.org/b", "") == plain {
		t.Errorf("another address has the mark %s too", plain)
	}
	limit := func(above float64) string { return markOf(section.Spec{Warn: &section.Threshold{Above: &above}}) }
	if one, again := limit(1), limit(1); one != again || one == limit(2) {
		t.Error("the level of a value follows its thresholds")
	}
}

// The sections follow their file: what is new is collected at once, what is gone is not shown, and a mistake changes nothing.
func TestSectionsAreReadAgainWithTheirFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "agentos.yaml")
	write := func(sections string) {
		must(t, os.WriteFile(path+".new", []byte("agents: {one: {command: ['true']}}\nsections: "+sections+"\n"), 0o600), os.Rename(path+".new", path))
	}
	write("{one: {command: [echo, '1']}, two: {command: [echo, '2']}}")
	s := serve(t, &config.Config{File: path, Agents: "none"})
	show := func(want string) {
		t.Helper()
		eventually(t, func() error {
			d, got := s.document(t), ""
			for _, name := range []string{"one", "two", "three"} {
				if d.Own == nil {
					break
				}
				if card, some := d.Own.Items[name]; some && card.Value != nil && card.Value.Number != nil {
					got += fmt.Sprint(name, " ", *card.Value.Number, "; ")
				}
			}
			return errorIf(got != want, "the sections are %q, want %q", got, want)
		})
	}
	show("one 1; two 2; ")
	write("{two: {command: [echo, '22']}, three: {command: [echo, '3']}}")
	show("two 22; three 3; ")
	write("{two: {command: [echo, '22'], evry: 5s}}")
	eventually(t, func() error {
		return errorIf(len(s.document(t).AgentsWorkers.Agents.Config.Problems) == 0, "the mistake is not shown")
	})
	show("two 22; three 3; ")
	write("{}")
	show("")
}
