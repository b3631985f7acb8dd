package runner

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/supervisor"
)

// Attempt is one try at one job.
type Attempt struct {
	Spec        *agent.Spec
	JobID       int64
	RunID       int64
	Number      int // from 1
	MaxAttempts int
	Args        json.RawMessage // goes to standard input; empty means {}
	WorkDir     string          // AGENTOS_AGENT_DATA; made when it is not there
	TempDir     string          // TMPDIR and AGENTOS_TMP; made for this attempt and removed when nothing of it runs; empty: the host's TMPDIR
	OnLine      func(Line)      // called for each line, in order, never two at once; nil drops them. While it blocks, so may the program

	// FleetEnv are variables by which the commands of agentos find the fleet: no secrets.
	FleetEnv map[string]string

	// Fence is how long this process may show no life before the attempt is ended: a process that is suspended, stopped
	// or swapped out, keeps its pipes open, and its job may be given to another. It shows life once a second, so less
	// than a few seconds is too little. Zero = no fence. The attempt then ends at most a second later.
	Fence time.Duration

	// Leave ends the wait for a process of the attempt that cannot be ended, because it runs as another user. Until then, and
	// by default forever, Run waits for it: nothing else is to begin beside it.
	Leave <-chan struct{}

	// Hold is a file that stays open until nothing of the attempt runs any more, also when this process is killed: with
	// its lock on it, others see by that lock when the attempt is over. It is not closed. Nil = none.
	Hold *os.File
}

// Result is what is known of an attempt when nothing of it runs any more.
type Result struct {
	ExitCode      int    // -1 when a signal ended it or it never started
	Signal        string // for example "SIGKILL"; empty when it exited
	Stdout        []byte // at most 256 KiB, as written
	StdoutDropped int64  // bytes of standard output beyond
	Enqueue       []EnqueueRequest
	RetryAfter    *time.Duration // how long to wait before the next attempt, if the agent said
	LastLines     []string       // the last 20 messages, oldest first
	Stack         string         // the report with a stack by which a language's runtime said why it failed, a few KB; empty without one
	Fingerprint   string         // what the agent called its failure, in the last line of level error that did; empty when it did not, or did not fail
	Started       time.Time      // zero when it never started
	Ended         time.Time      // of the program itself, before what it left behind was cleared away
}

// order works out what to start; its errors say what to change.
func (a *Attempt) order(temps *temps) (supervisor.Order, error) {
	s := a.Spec
	program, err := s.Program()
	if err != nil {
		return supervisor.Order{}, err
	}
	if err := s.CheckDir(); err != nil {
		return supervisor.Order{}, err
	}
	if a.WorkDir != "" {
		if a.WorkDir, err = filepath.Abs(a.WorkDir); err != nil {
			return supervisor.Order{}, err
		}
		if err := os.MkdirAll(a.WorkDir, 0o700); err != nil {
			return supervisor.Order{}, fmt.Errorf("make the work folder: %w", err)
		}
	}
	if a.TempDir != "" {
		if a.TempDir, err = filepath.Abs(a.TempDir); err != nil {
			return supervisor.Order{}, err
		}
		if err := temps.make(a.TempDir); err != nil {
			return supervisor.Order{}, fmt.Errorf("make the temporary folder: %w", err)
		}
	}
	return supervisor.Order{
		Program: program, Argv: s.Command, Env: a.environ(), Dir: s.Dir, Grace: s.KillGrace, Fence: a.Fence, Name: s.Name, Job: a.JobID,
	}, nil
}
