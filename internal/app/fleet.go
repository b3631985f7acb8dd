package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/section"
	"github.com/agentos/agentos/internal/source"
	"github.com/agentos/agentos/internal/worker"
)

const (
	lookAtFile = 2 * time.Second // how often the file is compared with what was read
	readAnyway = 5               // how many looks by the file's marks alone come before one at its content
	absentFor  = 10 * time.Second
	// debounce is how long a file must not change before it is read: an editor writes in several steps.
	debounce = 200 * time.Millisecond
)

// fleetKeeper keeps the fleet equal to its file: it reads the file again on SIGHUP and when it changes. A bad file
// leaves the fleet before in force and its errors on screen.
type fleetKeeper struct {
	path    string // absolute, so that a folder that is put in the place of another is the one that counts
	cfg     *config.Config
	log     *slog.Logger
	runs    []string // names of the agents that this process runs; nil: all
	current atomic.Pointer[source.Fleet]
	use     func([]section.Spec) // puts the file's sections in force; nil: this process shows none

	every  time.Duration // between two looks
	absent time.Duration // how long the file may be gone before that is reported
	looks  int
	marks  string    // of the file at the last look
	seen   string    // a sum of the content that was read last; empty when there was no file
	gone   time.Time // since when there is no file; zero when there is one
}

func loadFleet(cfg *config.Config, log *slog.Logger) (*fleetKeeper, error) {
	path := cfg.File
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	runs, err := cfg.AgentNames()
	if err != nil {
		return nil, err
	}
	k := &fleetKeeper{path: path, cfg: cfg, log: log, runs: runs, every: lookAtFile, absent: absentFor}
	k.seen = k.content()
	fleet, err := LoadAgents(path)
	if err != nil {
		return nil, err
	}
	k.current.Store(&source.Fleet{Fleet: fleet, LoadedAt: time.Now(), Notes: k.notesOf(fleet, cfg)})
	return k, nil
}

// declare has use put the sections of the file in force, now and whenever it is read again.
func (k *fleetKeeper) declare(use func([]section.Spec)) error {
	sections, err := section.Load(k.path)
	if err != nil {
		return err
	}
	use(sections)
	k.use = use
	return nil
}

// maxNotes bounds what is shown of the notes on a file, each of which is cut to a few hundred bytes.
const maxNotes = 10

// notesOf returns the notes on a fleet and the settings beside it, and logs the new ones: likely mistakes,
// and changed settings that only a restart applies.
func (k *fleetKeeper) notesOf(fleet *agent.Fleet, settings *config.Config) []string {
	var notes []string
	for _, name := range k.cfg.Changed(settings) {
		notes = append(notes, name+" changed: restart to apply it")
	}
	notes = append(notes, fleet.Notes(func(name string) bool { return k.runs == nil || slices.Contains(k.runs, name) })...)
	if more := len(notes) - maxNotes; more > 0 {
		notes = append(notes[:maxNotes:maxNotes], fmt.Sprintf("and %d more: run agentos check", more))
	}
	var before []string
	if current := k.current.Load(); current != nil {
		before = current.Notes
	}
	for i, note := range notes {
		if notes[i] = engine.Clip(note, 300); !slices.Contains(before, notes[i]) {
			k.log.Warn("a note on the agents' file", "note", notes[i])
		}
	}
	return notes
}

// Fleet is the fleet in force, with the errors of a newer file.
func (k *fleetKeeper) Fleet() source.Fleet { return *k.current.Load() }

// Run follows the file until the context ends. The folder is watched, not the file, because editors replace files. What that
// does not show, such as the target of a symbolic link, a folder that was replaced or a file mounted from elsewhere, is found by
// comparing the file with what was read, every few seconds.
func (k *fleetKeeper) Run(ctx context.Context, service *worker.Service, notify func(engine.Event)) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	changes, stop := k.watch()
	defer stop()
	look := time.NewTicker(cmp.Or(k.every, lookAtFile))
	defer look.Stop()

	unchanged := time.NewTimer(debounce)
	unchanged.Stop()
	asked, pending := false, false
	readAfter := func(d time.Duration) { pending = true; unchanged.Reset(d) }
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-changes.Events:
			// Kubernetes swaps the folder ..data, in which the file is.
			if name := filepath.Base(event.Name); name == filepath.Base(k.path) || name == "..data" {
				readAfter(debounce)
			}
		case err := <-changes.Errors:
			k.log.Warn(unwatched, "error", err)
		case <-look.C:
			if !pending && k.changed() {
				readAfter(debounce)
			}
		case <-hangup:
			asked = true
			readAfter(0)
		case <-unchanged.C:
			pending = false
			if k.missing() && !asked {
				continue // it may come back: the next look sees to it
			}
			asked = false
			k.reload(ctx, service)
			notify(engine.AgentsFileRead)
		}
	}
}

// missing reports whether the file is gone for so short a time that it may be about to be replaced.
func (k *fleetKeeper) missing() bool {
	if _, err := os.Stat(k.path); !errors.Is(err, fs.ErrNotExist) {
		k.gone = time.Time{}
		return false
	}
	if k.gone.IsZero() {
		k.gone = time.Now()
	}
	return time.Since(k.gone) < k.absent
}

// changed reports whether the file, wherever its path leads now, has another content than was read last.
func (k *fleetKeeper) changed() bool {
	marks := ""
	if info, err := os.Stat(k.path); err == nil {
		marks = fmt.Sprint(info.Size(), info.ModTime(), info.Sys())
	}
	k.looks++
	if marks == k.marks && marks != "" && k.looks%readAnyway != 0 {
		return false
	}
	k.marks = marks
	return k.content() != k.seen
}

// content returns a sum of the file's content; empty when it cannot be read.
func (k *fleetKeeper) content() string {
	const most = 2 << 20 // more than is read of any agents' file
	info, err := os.Stat(k.path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	file, err := os.Open(k.path)
	if err != nil {
		return ""
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(file, most)); err != nil {
		return ""
	}
	return string(sum.Sum(nil))
}

const unwatched = "watching the agents' file failed; it is compared every few seconds, and SIGHUP still reloads it"

// watch follows the file's folder. Where that is not possible, such as when the system has no watch left, nothing ever
// comes from it.
func (k *fleetKeeper) watch() (changes *fsnotify.Watcher, stop func()) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		k.log.Warn(unwatched, "error", err)
		return &fsnotify.Watcher{}, func() {}
	}
	if err := watcher.Add(filepath.Dir(k.path)); err != nil {
		k.log.Warn(unwatched, "error", err)
	}
	return watcher, func() { _ = watcher.Close() }
}

func (k *fleetKeeper) reload(ctx context.Context, service *worker.Service) {
	next := k.Fleet()
	next.Problems = nil
	k.seen = k.content()
	var fleet *agent.Fleet
	var sections []section.Spec
	var err error
	if k.use != nil {
		fleet, sections, err = LoadFile(k.path)
	} else {
		fleet, err = LoadAgents(k.path)
	}
	settings, faults := k.cfg.Reload(k.path)
	if faults != nil {
		err = JoinErrors(faults, err)
	}
	if err == nil && fleet.Hash != next.Hash {
		if err = service.Reload(ctx, fleet); err == nil {
			k.log.Info("the fleet was loaded again", "file", k.path, "agents", len(fleet.Agents))
			next.Fleet, next.LoadedAt = fleet, time.Now()
		}
	}
	if err != nil {
		k.log.Error("the agents' file could not be loaded; the previous fleet stays in force", "file", k.path, "error", err)
		next.Problems = problemsOf(err)
	} else {
		next.Notes = k.notesOf(fleet, settings)
		if k.use != nil {
			k.use(sections)
		}
	}
	k.current.Store(&next)
}

func problemsOf(err error) []string {
	var settings config.ValidationErrors
	if errors.As(err, &settings) {
		return settings
	}
	var faults agent.ValidationErrors
	if !errors.As(err, &faults) {
		return []string{err.Error()}
	}
	texts := make([]string, len(faults))
	for i, fault := range faults {
		texts[i] = fault.String()
	}
	return texts
}
