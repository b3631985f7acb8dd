package cli

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/agentos/agentos/internal/jobs"
	"github.com/agentos/agentos/internal/source"
)

// fleetKeeper keeps the fleet equal to its file: it reads the file again on SIGHUP and when it changes. A bad file
// leaves the fleet before in force and its faults on screen.
type fleetKeeper struct {
	path    string
	log     *slog.Logger
	runs    []string // names of the agents that this process runs; nil: all
	current atomic.Pointer[source.Fleet]
}

func loadFleet(cfg *config.Config, log *slog.Logger) (*fleetKeeper, error) {
	fleet, err := loadAgents(cfg.File)
	if err != nil {
		return nil, err
	}
	runs, err := cfg.AgentNames()
	if err != nil {
		return nil, err
	}
	k := &fleetKeeper{path: cfg.File, log: log, runs: runs}
	k.store(fleet)
	return k, nil
}

// maxNotes bounds what is shown of the notes on a file, each of which is cut to a few hundred bytes.
const maxNotes = 10

// store puts a fleet in force for those who ask, with what is to be noted about it.
func (k *fleetKeeper) store(fleet *agent.Fleet) {
	notes := fleet.Notes(func(name string) bool { return k.runs == nil || slices.Contains(k.runs, name) })
	if more := len(notes) - maxNotes; more > 0 {
		notes = append(notes[:maxNotes:maxNotes], fmt.Sprintf("and %d more: run agentos check", more))
	}
	for i, note := range notes {
		notes[i] = jobs.Clip(note, 300)
		k.log.Warn("the agents' file is probably not meant so", "note", notes[i])
	}
	k.current.Store(&source.Fleet{Fleet: fleet, LoadedAt: time.Now(), Notes: notes})
}

// Fleet is the fleet in force, with the faults of a newer file.
func (k *fleetKeeper) Fleet() source.Fleet { return *k.current.Load() }

// Run follows the file until the context ends. The folder is watched, not the file, because editors replace files.
func (k *fleetKeeper) Run(ctx context.Context, service *jobs.Service, nudge func(...string)) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	changes, stop := k.watch()
	defer stop()

	const settle = 200 * time.Millisecond // an editor writes in several steps
	settled := time.NewTimer(settle)
	settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-changes.Events:
			if filepath.Base(event.Name) == filepath.Base(k.path) {
				settled.Reset(settle)
			}
		case err := <-changes.Errors:
			k.log.Warn(unwatched, "error", err)
		case <-hangup:
			settled.Reset(0)
		case <-settled.C:
			k.reload(ctx, service)
			nudge("agents", "queue", "workers", "system")
		}
	}
}

const unwatched = "watching the agents' file failed; SIGHUP still reloads it"

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

func (k *fleetKeeper) reload(ctx context.Context, service *jobs.Service) {
	before := k.Fleet()
	fleet, err := agent.Load(k.path)
	if err == nil && fleet.Hash == before.Hash {
		before.Problems = nil
		k.current.Store(&before)
		return
	}
	if err == nil {
		err = service.Reload(ctx, fleet)
	}
	if err != nil {
		k.log.Error("the agents' file was not taken over; the fleet before stays in force", "file", k.path, "error", err)
		before.Problems = problemsOf(err)
		k.current.Store(&before)
		return
	}
	k.log.Info("the fleet was loaded again", "file", k.path, "agents", len(fleet.Agents))
	k.store(fleet)
}

func problemsOf(err error) []string {
	var faults agent.Faults
	if !errors.As(err, &faults) {
		return []string{err.Error()}
	}
	texts := make([]string, len(faults))
	for i, fault := range faults {
		texts[i] = fault.String()
	}
	return texts
}
