package examples

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agentos/agentos/internal/runner"
)

type crawled struct {
	Files  int  `json:"files"`
	Jobs   int  `json:"jobs"`
	From   int  `json:"from"`
	To     int  `json:"to"`
	Of     int  `json:"of"`
	Walked bool `json:"walked"`
}

func TestCrawlGetsRoundToEveryFile(t *testing.T) {
	b := newWorkbench(t)
	content := b.putNasty()
	for _, name := range []string{".git/config", ".hidden", "node_modules/x/y.js", "sub dir/.cache/z"} {
		b.put(name, "not to be read")
	}
	b.put("huge", strings.Repeat("x", 8<<20+1))
	if err := os.Symlink("/etc/passwd", filepath.Join(b.folder, "link")); err != nil {
		t.Fatal(err)
	}
	want := nasty
	if os.WriteFile(filepath.Join(b.folder, "bad\xff.txt"), []byte("x"), 0o600) == nil {
		defer func() { b.t.Log("with a name that is not UTF-8") }()
	}
	var seen []string
	for round := range 2 { // the second begins again
		for done := 0; done < len(content); {
			result := b.ok("crawl", `{"batch":10}`)
			got := decode[crawled](t, result)
			if got.From != done+1 || got.Of != len(content) || got.Jobs != len(result.Enqueue) || got.Walked != (done == 0) {
				t.Fatalf("%+v after %d of %d, %d requests", got, done, len(content), len(result.Enqueue))
			}
			done = got.To
			for _, request := range result.Enqueue {
				b.check(request)
				if request.Agent == "hash" && round == 1 {
					seen = append(seen, pathOf(t, request))
				}
			}
		}
	}
	slices.Sort(seen)
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), seen); diff != "" {
		t.Error(diff)
	}
	b.noHarm()
}

func pathOf(t *testing.T, request runner.EnqueueRequest) string {
	t.Helper()
	var args struct{ Path string }
	if err := json.Unmarshal(request.Args, &args); err != nil {
		t.Fatal(err)
	}
	return args.Path
}

// check looks at a request: its agent is in the fleet and its path in the folder.
func (b *workbench) check(request runner.EnqueueRequest) {
	b.t.Helper()
	info, err := os.Lstat(filepath.Join(b.folder, pathOf(b.t, request)))
	if err != nil || info.IsDir() != (request.Agent == "index") || b.fleet.Agent(request.Agent) == nil || request.Delay >= 10*time.Second {
		b.t.Errorf("%+v: %v", request, err)
	}
}

// What crawl asks for must be work that the others can do.
func TestCrawlAsksForWorkThatSucceeds(t *testing.T) {
	b := newWorkbench(t)
	b.putNasty()
	asked := map[string]int{}
	for range len(nasty)/10 + 1 {
		for _, request := range b.ok("crawl", `{"batch":10}`).Enqueue {
			asked[request.Agent]++
			b.try = b.fleet.Agent(request.Agent).MaxAttempts // flaky's last
			b.ok(request.Agent, string(request.Args))
		}
	}
	for _, name := range []string{"hash", "count", "extract", "compress", "index", "summarise", "flaky"} {
		if asked[name] == 0 {
			t.Errorf("crawl asked nothing of %s: %v", name, asked)
		}
	}
}

func TestCrawlOfAnEmptyFolder(t *testing.T) {
	b := newWorkbench(t)
	for range 2 {
		if got := decode[crawled](t, b.ok("crawl", "{}")); got != (crawled{From: 1, Walked: true}) {
			t.Errorf("%+v", got)
		}
	}
}

// The demo keeps its data in the folder it reads, unless configured otherwise.
func TestCrawlLeavesOutItsOwnData(t *testing.T) {
	for _, place := range []string{"agentos-demo", "deep/er/data", "."} {
		b := newWorkbench(t)
		b.data = filepath.Join(b.folder, place)
		b.put("mine.txt", "x")
		b.ok("crawl", "{}")
		b.ok("hash", pathArgs("mine.txt"))
		if got := decode[crawled](t, b.ok("crawl", "{}")); got.Of != 1 || !got.Walked {
			t.Errorf("data in %q: %+v", place, got)
		}
	}
}
