package agent

import (
	"io"
	"os"

	"github.com/agentos/agentos/internal/agent/shim"
)

// ShimMain is `agentos shim`, started by [Run] as a copy of the host's own program, see package shim. The program's main
// calls it before anything else when its first argument is "shim": a process that was started to be a shim has become
// one before main begins, so this only says what a person who tries the command has to know.
func ShimMain([]string) int {
	status := shim.Main()
	if status == 2 {
		_, _ = io.WriteString(os.Stderr, "agentos shim is started by agentos itself, for each attempt\n")
	}
	return status
}
