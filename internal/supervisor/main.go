// Package supervisor is the process between a worker and an agent's program: a copy of the worker's own program that starts
// the agent's program, waits for it, and makes sure that nothing of the attempt stays behind. It serves one attempt after
// another, never two at a time, and begins the next one only when nothing of the last one is left.
//
// Such a process has to be small, and most of what a large program costs at its start is setting up packages that a
// supervisor never uses. Packages are set up in the order of their paths as soon as what they import is, so this one,
// which imports a handful of small packages, comes long before the heavy ones: its init does a supervisor's work and exits.
// What it imports therefore counts; a test holds the list.
package supervisor

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

const (
	// Mark is set in the environment of a supervisor, and of a supervisor only.
	Mark = "AGENTOS_SUPERVISOR"

	// Word is the first argument of a supervisor.
	Word = "supervisor"
)

func init() {
	if len(os.Args) > 1 && os.Args[1] == Word && Expected() {
		os.Exit(Main())
	}
}

// Expected reports whether this process was started to be a supervisor.
func Expected() bool { return os.Getenv(Mark) != "" }

// Args are the arguments to start a supervisor with: the word, and room for what ps shows of the attempt.
func Args() []string {
	room := make([]byte, titleRoom)
	for i := range room {
		room[i] = ' '
	}
	return []string{Word, string(room)}
}

// Environ is the environment to start a supervisor with. It passes nothing of it on.
func Environ() []string {
	return []string{
		Mark + "=1", "GOMAXPROCS=1",
		"GOGC=50",                  // its heap is some hundred kilobytes
		"GORACE=atexit_sleep_ms=0", // built with the race detector it would take a second to exit
	}
}

// Main is the life of a supervisor. It returns the exit status: 0 when there is no more work, 1 when the host went away during
// an attempt, 2 when this process was not started to be a supervisor.
func Main() int {
	if !Expected() {
		return 2
	}
	keepPrivate()
	becomeReaper()
	title := newTitle()
	hide()                                  // after the file of the name is open
	_ = syscall.SetNonblock(SocketFD, true) // so that waiting for the host takes no thread
	s := &supervisor{
		title: title, starts: make(chan func()), socket: os.NewFile(SocketFD, "host"), began: time.Now(), messages: make(chan message), signals: make(chan os.Signal, 1),
	}
	signal.Notify(s.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT) // to outlive the program
	go s.listen()
	// This goroutine is tied to the first thread, whose end is that of the process: only it starts programs, because their parent-death
	// signal comes when the thread ends that forked them. All else is left to others, for which a wait is no switch of threads.
	runtime.LockOSThread()
	status := make(chan int)
	go func() { status <- s.serve() }()
	for {
		select {
		case start := <-s.starts:
			start()
		case ended := <-status:
			return ended
		}
	}
}
