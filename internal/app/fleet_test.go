package app

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/source"
	"github.com/agentos/agentos/internal/worker"
)

// A folder that cannot be watched, here one that is not there, costs the noticing of changes and nothing else: Run has
// no error that could end the server.
func TestFileThatCannotBeWatchedEndsNothing(t *testing.T) {
	var logged bytes.Buffer
	k := &fleetKeeper{
		path: filepath.Join(t.TempDir(), "gone", "agentos.yaml"),
		log:  slog.New(slog.NewTextHandler(&logged, nil)),
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.Run(ctx, nil, nil)
	if !strings.Contains(logged.String(), "SIGHUP still reloads it") {
		t.Errorf("the log says nothing of it: %s", logged.String())
	}
}

const (
	fleetBefore = "agents:\n  one: {command: [echo, before]}\n"
	fleetAfter  = "agents:\n  one: {command: [echo, after2]}\n" // as long as the one before
)

// followed runs a keeper of a file until the test ends.
func followed(t *testing.T, path string) *fleetKeeper {
	t.Helper()
	set := flag.NewFlagSet("test", flag.ContinueOnError)
	loader := config.Register(set, "config", "log-level")
	if err := set.Parse([]string{"--config", path, "--log-level", "error"}); err != nil {
		t.Fatal(err)
	}
	cfg, err := loader.Load(func(string) string { return "" }, nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := loadFleet(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	k.every, k.absent = 20*time.Millisecond, 300*time.Millisecond
	service, err := worker.New(t.Context(), worker.Options{DB: dbtest.New(t), Fleet: k.Fleet().Fleet, NoWork: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { k.Run(ctx, service, func(engine.Event) {}); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return k
}

func shows(t *testing.T, k *fleetKeeper, what string, met func(source.Fleet) bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !met(k.Fleet()) {
		select {
		case <-deadline:
			t.Fatalf("timed out waiting: %s: %+v", what, k.Fleet())
		case <-tick.C:
		}
	}
}

func isAfter(f source.Fleet) bool {
	return slices.Equal(f.Fleet.Agents[0].Command, []string{"echo", "after2"})
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600))
}

// However a file comes to have another content, the fleet follows: most of these show nothing to who watches the folder.
func TestChangedFileIsNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		make   func(t *testing.T, dir string) (path string)
		change func(t *testing.T, dir string)
	}{
		"written in place": {
			func(t *testing.T, dir string) string { write(t, dir+"/f.yaml", fleetBefore); return dir + "/f.yaml" },
			func(t *testing.T, dir string) { write(t, dir+"/f.yaml", fleetAfter) },
		},
		"replaced by an editor": {
			func(t *testing.T, dir string) string { write(t, dir+"/f.yaml", fleetBefore); return dir + "/f.yaml" },
			func(t *testing.T, dir string) {
				write(t, dir+"/f.yaml~", fleetAfter)
				must(t, os.Rename(dir+"/f.yaml~", dir+"/f.yaml"))
			},
		},
		"removed and written again": {
			func(t *testing.T, dir string) string { write(t, dir+"/f.yaml", fleetBefore); return dir + "/f.yaml" },
			func(t *testing.T, dir string) {
				must(t, os.Remove(dir+"/f.yaml"))
				write(t, dir+"/f.yaml", fleetAfter)
			},
		},
		"as Kubernetes swaps folders": {
			func(t *testing.T, dir string) string {
				write(t, dir+"/..2026_1/f.yaml", fleetBefore)
				must(t, os.Symlink("..2026_1", dir+"/..data"), os.Symlink("..data/f.yaml", dir+"/f.yaml"))
				return dir + "/f.yaml"
			},
			func(t *testing.T, dir string) {
				write(t, dir+"/..2026_2/f.yaml", fleetAfter)
				must(t, os.Symlink("..2026_2", dir+"/..data_tmp"), os.Rename(dir+"/..data_tmp", dir+"/..data"), os.RemoveAll(dir+"/..2026_1"))
			},
		},
		"a link's target written": {
			func(t *testing.T, dir string) string {
				write(t, dir+"/far/f.yaml", fleetBefore)
				must(t, os.Mkdir(dir+"/near", 0o700), os.Symlink(dir+"/far/f.yaml", dir+"/near/f.yaml"))
				return dir + "/near/f.yaml"
			},
			func(t *testing.T, dir string) { write(t, dir+"/far/f.yaml", fleetAfter) },
		},
		"a link's target replaced": {
			func(t *testing.T, dir string) string {
				write(t, dir+"/far/f.yaml", fleetBefore)
				must(t, os.Mkdir(dir+"/near", 0o700), os.Symlink(dir+"/far/f.yaml", dir+"/near/f.yaml"))
				return dir + "/near/f.yaml"
			},
			func(t *testing.T, dir string) {
				write(t, dir+"/far/new", fleetAfter)
				must(t, os.Rename(dir+"/far/new", dir+"/far/f.yaml"))
			},
		},
		"a release's link of a folder": {
			func(t *testing.T, dir string) string {
				write(t, dir+"/releases/1/f.yaml", fleetBefore)
				must(t, os.Symlink("releases/1", dir+"/current"))
				return dir + "/current/f.yaml"
			},
			func(t *testing.T, dir string) {
				write(t, dir+"/releases/2/f.yaml", fleetAfter)
				must(t, os.Symlink("releases/2", dir+"/next"), os.Rename(dir+"/next", dir+"/current"))
			},
		},
		"a replaced folder": {
			func(t *testing.T, dir string) string {
				write(t, dir+"/conf/f.yaml", fleetBefore)
				return dir + "/conf/f.yaml"
			},
			func(t *testing.T, dir string) {
				write(t, dir+"/new/f.yaml", fleetAfter)
				must(t, os.Rename(dir+"/conf", dir+"/old"), os.Rename(dir+"/new", dir+"/conf"))
			},
		},
		"as long and as old as before, beyond a link": {
			func(t *testing.T, dir string) string {
				write(t, dir+"/far/f.yaml", fleetBefore)
				must(t, os.Mkdir(dir+"/near", 0o700), os.Symlink(dir+"/far/f.yaml", dir+"/near/f.yaml"))
				return dir + "/near/f.yaml"
			},
			func(t *testing.T, dir string) {
				info, err := os.Stat(dir + "/far/f.yaml")
				must(t, err)
				write(t, dir+"/far/f.yaml", fleetAfter)
				must(t, os.Chtimes(dir+"/far/f.yaml", info.ModTime(), info.ModTime()))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			k := followed(t, c.make(t, dir))
			c.change(t, dir)
			shows(t, k, "the new file is in force", isAfter)
			if f := k.Fleet(); f.Problems != nil || f.Notes != nil {
				t.Errorf("problems %v, notes %v", f.Problems, f.Notes)
			}
		})
	}
}

// A file that is away for a moment is no fault; one that stays away is.
func TestFileThatIsGoneIsReportedAfterAWhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.yaml")
	write(t, path, fleetBefore)
	k := followed(t, path)
	gone := time.Now()
	must(t, os.Remove(path))
	shows(t, k, "that the file is gone", func(f source.Fleet) bool {
		return len(f.Problems) == 1 && strings.Contains(f.Problems[0], "no agents' file")
	})
	if took := time.Since(gone); took < 300*time.Millisecond {
		t.Errorf("reported after %v", took)
	}
	write(t, path, fleetBefore)
	shows(t, k, "that it is back", func(f source.Fleet) bool { return f.Problems == nil })
}

// What the file says under server: is read at the start alone. A change there is reported, a fault is one of the whole file.
func TestChangedSettingsAreReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.yaml")
	write(t, path, fleetBefore)
	k := followed(t, path)
	write(t, path, fleetAfter+"server: {listen: \"127.0.0.1:0\", interval: 9s, log_level: warn}\n")
	shows(t, k, "what needs a restart", func(f source.Fleet) bool { return f.Notes != nil })
	want := []string{"server.listen changed: restart to apply it", "server.interval changed: restart to apply it"} // the level is given by a flag
	if f := k.Fleet(); !slices.Equal(f.Notes, want) || !isAfter(f) || f.Problems != nil {
		t.Errorf("notes %v, problems %v, the agents are new: %v", f.Notes, f.Problems, isAfter(f))
	}
	write(t, path, fleetBefore+"server: {interval: soon, colour: red}\n")
	shows(t, k, "the faults", func(f source.Fleet) bool { return f.Problems != nil })
	if f := k.Fleet(); len(f.Problems) < 2 || !strings.Contains(f.Problems[0]+f.Problems[1], `server.interval: "soon" is not a duration`) ||
		!strings.Contains(f.Problems[0]+f.Problems[1], "server.colour: unknown setting") || !isAfter(f) {
		t.Errorf("problems %q, the agents are those of before: %v", f.Problems, isAfter(f))
	}
	write(t, path, fleetBefore)
	shows(t, k, "that all is well", func(f source.Fleet) bool { return f.Problems == nil && f.Notes == nil && !isAfter(f) })
}
