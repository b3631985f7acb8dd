package runner

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/supervisor"
)

// What makes a supervisor small, see package supervisor.
func TestASupervisorBeginsBeforeLargePackagesAreSetUp(t *testing.T) {
	cmd := exec.Command(os.Args[0], supervisor.Word)
	cmd.Env = []string{supervisor.Mark + "=1", "GODEBUG=inittrace=1"}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 0 { // it has no host, so there is nothing to do
		t.Fatalf("%v: %s", err, out)
	}
	count := 0
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(line, "init "); ok {
			count++
			name, _, _ = strings.Cut(name, " ")
			if slices.Contains([]string{"reflect", "unicode", "regexp", "encoding/json", "go.yaml.in/yaml/v3"}, name) {
				t.Errorf("%s is set up before the supervisor begins", name)
			}
		}
	}
	if count == 0 || count > 40 {
		t.Errorf("%d packages are set up before the supervisor begins:\n%s", count, out)
	}
}
