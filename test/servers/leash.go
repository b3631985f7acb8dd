package servers

import (
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
)

// leashScript learns from its standard input which processes and folders this process made, and ends them when the
// input ends: that happens when this process ends, in whatever way. A server's own children go too: a stopped one does
// not notice that its parent is gone. A "=" before a process is for it alone.
const leashScript = `
trap '' INT TERM HUP QUIT
while read -r verb what; do
	if [ "$verb" = + ]; then held="$held $what"; continue; fi
	kept=
	for each in $held; do [ "$each" = "$what" ] || kept="$kept $each"; done
	held=$kept
done
for each in $held; do
	case $each in
	/*) folders="$folders $each" ;;
	=*) processes="$processes ${each#=}" ;;
	*) processes="$processes $each $(cat /proc/$each/task/$each/children 2>/dev/null)" ;;
	esac
done
[ -z "$processes" ] || kill -9 $processes 2>/dev/null
[ -z "$folders" ] || rm -rf $folders
`

// leash is one for all servers of this process, begun by the first.
var leash = sync.OnceValues(func() (*leashed, error) {
	cmd := exec.Command("sh", "-c", leashScript)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C in a terminal is not for it
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the process that cleans up: %w", err)
	}
	return &leashed{stdin: stdin}, nil
})

type leashed struct {
	mu    sync.Mutex
	stdin io.Writer
}

// Leash puts a process or a folder of the caller's on the leash, by its id or its absolute path, which may hold no
// blanks: it is ended or removed when this process ends. The function returned takes it off again.
func Leash(what any) (release func(), err error) {
	l, err := leash()
	if err != nil {
		return nil, err
	}
	l.say("+", what)
	return func() { l.say("-", what) }, nil
}

func (l *leashed) say(verb string, what any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.stdin, verb, what)
}
