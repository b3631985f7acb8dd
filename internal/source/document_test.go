package source

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/engine"
)

var update = flag.Bool("update", false, "update testdata")

// The sections stand in the document as they always did, byte for byte: with everything that may be there, and with nothing of it.
func TestSectionsKeepTheirForm(t *testing.T) {
	var got bytes.Buffer
	for _, full := range []bool{true, false} {
		for _, section := range All(fixedDeps(t, full)) {
			value, err := section.Collect(t.Context())
			if err != nil {
				t.Fatal(section.Name, err)
			}
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(section.Name, err)
			}
			if section.Name == "system" {
				text = measured.ReplaceAll(text, []byte("${1}0"))
			}
			fmt.Fprintf(&got, "%s %s\n", section.Path, text)
		}
	}
	golden := filepath.Join("testdata", "sections.txt")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("the sections have another form (-before +now):\n%s", diff)
	}
}

// Each section is of the type that package document has at its path, which can be read back without a loss.
func TestSectionsAreOfTheirTypes(t *testing.T) {
	for _, full := range []bool{true, false} {
		for _, section := range All(fixedDeps(t, full)) {
			value, err := section.Collect(t.Context())
			if err != nil {
				t.Fatal(section.Name, err)
			}
			typed := reflect.TypeOf(document.Document{})
			for _, name := range strings.Split(section.Path, ".") {
				typed = fieldOf(t, typed, name)
			}
			if typed != reflect.PointerTo(reflect.TypeOf(value)) {
				t.Errorf("section %s is %T, the document has %v at %s", section.Name, value, typed, section.Path)
				continue
			}
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(section.Name, err)
			}
			read := reflect.New(typed.Elem())
			decoder := json.NewDecoder(bytes.NewReader(text))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(read.Interface()); err != nil {
				t.Fatal(section.Name, err)
			}
			again, err := json.Marshal(read.Interface())
			if err != nil {
				t.Fatal(section.Name, err)
			}
			if diff := cmp.Diff(string(text), string(again)); diff != "" {
				t.Errorf("section %s, read and written again (-before +after):\n%s", section.Name, diff)
			}
		}
	}
}

// fieldOf is the type of the field with a name in JSON.
func fieldOf(t *testing.T, of reflect.Type, name string) reflect.Type {
	t.Helper()
	for i := range of.NumField() {
		if tag, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ","); tag == name {
			return of.Field(i).Type
		}
	}
	t.Fatalf("%v has no field %q", of, name)
	return nil
}

// schema is what docs/document.schema.json says of documents.
var schema = sync.OnceValues(func() (*jsonschema.Resolved, error) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "document.schema.json"))
	if err != nil {
		return nil, err
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	return s.Resolve(nil)
})

// checkSchema checks that a document is one by its schema.
func checkSchema(t *testing.T, doc map[string]any) {
	t.Helper()
	s, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("the document does not follow docs/document.schema.json: %v", err)
	}
}

// measured are the figures of this host.
var measured = regexp.MustCompile(`("(?:cpu|memory|disk|cpus|memory_used_bytes|memory_total_bytes|disk_used_bytes|disk_total_bytes|uptime_s|rss_bytes|goroutines|host|scope)":)(?:null|[0-9.e+]+|"[^"]*")`)

// fixedDeps are what sections are measured on that always gives the same: of everything that may be missing all, or nothing.
func fixedDeps(t *testing.T, full bool) Deps {
	t.Helper()
	specs, err := agent.Parse("agentos.yaml", t.TempDir(), []byte(`agents: {one: {command: ["true"], schedule: "@hourly", description: It counts.}, two: {command: ["true"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	d := Deps{
		Jobs: fixedJobs{full}, DataDir: t.TempDir(), Version: "test", StartedAt: fixedTime,
		Fleet: func() Fleet { return Fleet{Fleet: specs, LoadedAt: fixedTime} },
		Database: func(context.Context) document.Component {
			return document.Component{Status: "ok", Detail: "it answers"}
		},
	}
	d.Cache, d.Warmer = d.Database, d.Database
	if full {
		d.Fleet = func() Fleet {
			return Fleet{Fleet: specs, LoadedAt: fixedTime, Problems: []string{"line 3: no"}, Notes: []string{"a note"}}
		}
		d.Cache = func(context.Context) document.Component { return filled[document.Component](true) }
		d.Attached = func() *document.Attached { return filled[*document.Attached](true) }
		d.Engine = func() document.Engine {
			version := "1.2"
			return document.Engine{Name: "river", Version: &version, Missing: map[document.Capability]document.Missing{"slots": {Answer: document.AnswerNo, Why: "Nobody knows."}}}
		}
		d.Own = func() document.Own {
			return document.Own{Items: map[string]document.OwnSection{"one": filled[document.OwnSection](true)}}
		}
		d.Links = func() map[string]document.Component {
			return map[string]document.Component{"redis": {Status: "down", Detail: "gone"}}
		}
	}
	return d
}

var fixedTime = time.Date(2026, 1, 2, 15, 4, 5, 678_000_000, time.UTC)

// filled is a value in which everything is set to something, or nothing is that may be missing.
func filled[T any](full bool) T {
	var value T
	n := 0
	fill := (func(reflect.Value))(nil)
	fill = func(v reflect.Value) {
		n++
		switch known := v.Addr().Interface().(type) {
		case *time.Time:
			*known = fixedTime.Add(time.Duration(n) * time.Minute)
			return
		case *engine.Time:
			*known = engine.TimeOf(fixedTime.Add(time.Duration(n) * time.Second))
			return
		case *engine.Counts:
			*known = engine.Counts{engine.NotRecorded, 0, int64(n)}
			return
		}
		switch v.Kind() {
		case reflect.Pointer:
			if full {
				v.Set(reflect.New(v.Type().Elem()))
				fill(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		case reflect.Slice:
			if full {
				v.Set(reflect.MakeSlice(v.Type(), 2, 2))
				fill(v.Index(0)) // the other one stays as it is
			}
		case reflect.String:
			v.SetString(fmt.Sprintf("text <%d>", n))
		case reflect.Int, reflect.Int64:
			v.SetInt(int64(n))
		case reflect.Float64:
			v.SetFloat(float64(n) + 0.5)
		case reflect.Bool:
			v.SetBool(full)
		}
	}
	fill(reflect.ValueOf(&value).Elem())
	return value
}

// fixedJobs are jobs that are always the same.
type fixedJobs struct{ full bool }

func (j fixedJobs) Queues(context.Context) ([]engine.Queue, error) {
	odd := filled[engine.Queue](j.full)
	odd.Name, odd.OldestAt = "odd", &engine.Time{Text: "before <long>"}
	return []engine.Queue{filled[engine.Queue](j.full), odd}, nil
}

func (j fixedJobs) Workers(context.Context) ([]engine.Worker, error) {
	active := filled[engine.Worker](j.full)
	active.ID, active.State = "active one", "active"
	return []engine.Worker{filled[engine.Worker](j.full), active}, nil
}

func (j fixedJobs) Today(context.Context) (engine.Today, error) {
	today := filled[engine.Today](j.full)
	today.DayStart = time.Date(2026, 1, 2, 0, 0, 0, 0, time.FixedZone("CET", 3600))
	return today, nil
}

func (j fixedJobs) Newest(context.Context, int) ([]engine.Job, error) {
	odd := filled[engine.Job](j.full)
	odd.ID, odd.CreatedAt, odd.FinalizedAt = "10000", nil, &engine.Time{}
	return []engine.Job{filled[engine.Job](j.full), odd}, nil
}

func (j fixedJobs) Running(context.Context, int) ([]engine.RunningJob, error) {
	return []engine.RunningJob{filled[engine.RunningJob](j.full)}, nil
}

func (j fixedJobs) Failures(context.Context, int) ([]engine.Failure, error) {
	return []engine.Failure{filled[engine.Failure](j.full)}, nil
}

func (j fixedJobs) LatestLogs(context.Context, int) ([]engine.LogLine, error) {
	return []engine.LogLine{filled[engine.LogLine](j.full)}, nil
}

func (j fixedJobs) Agents(context.Context) (map[string]*engine.AgentStats, error) {
	one := filled[engine.AgentStats](j.full)
	return map[string]*engine.AgentStats{"one": &one}, nil
}

func (fixedJobs) DescribeAgents(context.Context, map[string]*engine.AgentStats) error { return nil }

func (fixedJobs) PausedQueues(context.Context) (map[string]*engine.Time, error) { return nil, nil }

func (j fixedJobs) Windows(context.Context) (hour, day engine.Window, err error) {
	return filled[engine.Window](j.full), filled[engine.Window](j.full), nil
}

func (j fixedJobs) Throughput(context.Context, time.Duration, int) (engine.Series, error) {
	return filled[engine.Series](j.full), nil
}

func (fixedJobs) RollupsCompleteTo(context.Context) (time.Time, error) { return fixedTime, nil }

func (j fixedJobs) NextRun(string) *time.Time { return filled[*time.Time](j.full) }

// Waiting for another engine is no use of the database that all share: the budget slows the analytics alone.
func TestAnotherEngineIsNotMetered(t *testing.T) {
	for _, section := range All(Deps{Unmetered: true}) {
		if metered := section.Name == "analytics"; section.Unmetered == metered {
			t.Errorf("section %s: unmetered is %v", section.Name, section.Unmetered)
		}
	}
	for _, section := range All(Deps{}) {
		if host := section.Name == "system"; section.Unmetered != host {
			t.Errorf("section %s of a database: unmetered is %v", section.Name, section.Unmetered)
		}
	}
}
