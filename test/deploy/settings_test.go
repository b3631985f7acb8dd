package deploy

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/config"
)

// tags are the values of one tag of all settings.
func tags(name string) map[string]bool {
	all := map[string]bool{}
	settings := reflect.TypeFor[config.Config]()
	for i := range settings.NumField() {
		if tag := settings.Field(i).Tag.Get(name); tag != "" {
			all[tag] = true
		}
	}
	return all
}

func TestVariablesThatAreNamedExist(t *testing.T) {
	known := tags("env")
	for _, name := range config.Secrets() {
		known[name+"_FILE"] = true
	}
	known["AGENTOS_PORT"] = true     // of compose.yaml alone
	known["AGENTOS_ARG_NAME"] = true // of agents
	known["AGENTOS_JOB_ID"] = true
	known["AGENTOS_AGENT_DATA"] = true
	named := regexp.MustCompile(`\bAGENTOS_[A-Z_]*[A-Z]\b`)
	for _, file := range append(files(t), "docs/operations.md", "SECURITY.md") {
		for _, name := range named.FindAllString(read(t, file), -1) {
			if !known[name] {
				t.Errorf("%s names %s, which no setting has", file, name)
			}
		}
	}
}

func TestFlagsThatAreNamedExist(t *testing.T) {
	known := tags("flag")
	for _, of := range []string{"help", "role", "json", "args", "wait", "ready", "expires", "compact"} { // of commands
		known[of] = true
	}
	named := regexp.MustCompile("agentos (?:serve|work|migrate|token|user|health|enqueue|check)\\b[^\n`|]*")
	flags := regexp.MustCompile(`--([a-z-]+)`)
	for _, file := range append(files(t), "docs/operations.md") {
		for _, command := range named.FindAllString(read(t, file), -1) {
			for _, flag := range flags.FindAllStringSubmatch(command, -1) {
				if !known[flag[1]] {
					t.Errorf("%s: %q has a flag that does not exist", file, command)
				}
			}
		}
	}
}

func TestExampleNamesEverySetting(t *testing.T) {
	text := read(t, "agentos.example.yaml")
	server, agents, _ := strings.Cut(text, "\nagents:")
	for key := range tags("yaml") {
		if !regexp.MustCompile(`(?m)^  #? ?` + key + `: `).MatchString(server) {
			t.Errorf("agentos.example.yaml does not name server.%s", key)
		}
	}
	list := regexp.MustCompile(`(?s)agentKeys = .*?\{(.*?)\}`).FindString(read(t, "internal/agent/fleet.go"))
	keys := regexp.MustCompile(`"([a-z_]+)"`).FindAllStringSubmatch(list, -1)
	if len(keys) < 10 {
		t.Fatalf("only %d keys of an agent were found in internal/agent/fleet.go", len(keys))
	}
	for _, key := range keys {
		if !regexp.MustCompile(`(?m)^    #? ?` + key[1] + `: `).MatchString(agents) {
			t.Errorf("agentos.example.yaml does not name an agent's %s", key[1])
		}
	}
}

// stopping is what a process needs beyond its drain: the agents' kill_grace (5 s unless they say otherwise), and 15 s to
// write what is left.
const stopping = 20 * time.Second

func TestWhoStopsAProcessWaitsForItsDrain(t *testing.T) {
	for _, c := range []struct{ file, drain, timeout string }{
		{"deploy/systemd/agentos.service", `AGENTOS_DRAIN=(\w+)`, `TimeoutStopSec=(\w+)`},
		{"deploy/systemd/agentos-work@.service", `AGENTOS_DRAIN=(\w+)`, `TimeoutStopSec=(\w+)`},
		{"deploy/kubernetes/base/worker.yaml", `AGENTOS_DRAIN, value: (\w+)`, `terminationGracePeriodSeconds: (\d+)`},
		{"compose.yaml", `(?s)command: \[work\].*?AGENTOS_DRAIN: (\w+)`, `(?s)command: \[work\].*?stop_grace_period: (\w+)`},
	} {
		drain, timeout := duration(t, c.file, c.drain), duration(t, c.file, c.timeout)
		if timeout < drain+stopping {
			t.Errorf("%s: %v is too short for a drain of %v: give at least %v", c.file, timeout, drain, drain+stopping)
		}
	}
}

// duration is what the first group of a pattern says; a bare number is of seconds.
func duration(t *testing.T, file, pattern string) time.Duration {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(read(t, file))
	if found == nil {
		t.Fatalf("%s: nothing matches %s", file, pattern)
	}
	text := found[1]
	if strings.Trim(text, "0123456789") == "" {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return d
}
