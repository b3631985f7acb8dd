package agent

import (
	"cmp"
	"os"
	"slices"
	"strings"
)

// hostEnv are the only variables every agent gets from the host: nothing of the host's secrets leaks into agents.
var hostEnv = []string{"PATH", "HOME", "LANG", "TMPDIR", "TZ"}

const defaultPath = "/usr/local/bin:/usr/bin:/bin"

var ownEnv = []string{"AGENTOS_AGENT", "AGENTOS_JOB_ID", "AGENTOS_RUN_ID", "AGENTOS_ATTEMPT", "AGENTOS_MAX_ATTEMPTS", "AGENTOS_AGENT_DATA", "AGENTOS_DATA",
	"AGENTOS_FLEET_DATA", "AGENTOS_FLEET_DATABASE", "AGENTOS_TMP",
}

func reservedEnv(name string) bool {
	return slices.Contains(ownEnv, name) || strings.HasPrefix(name, "AGENTOS_ARG_")
}

// SearchPath is the PATH an agent's program is looked up in: the one it will see itself.
func (s *Spec) SearchPath() string {
	return cmp.Or(s.Env["PATH"], os.Getenv("PATH"), defaultPath)
}

// Passed returns the values of pass_env, as the agent gets them: secrets, most of them.
func (s *Spec) Passed() []string {
	var values []string
	for _, name := range s.PassEnv {
		if value, ok := os.LookupEnv(name); ok && !slices.Contains(hostEnv, name) {
			values = append(values, value)
		}
	}
	return values
}

// FromHost are the variables that an agent gets from this process.
func (s *Spec) FromHost() map[string]string {
	env := map[string]string{}
	for _, name := range slices.Concat(hostEnv, s.PassEnv) {
		if value, ok := os.LookupEnv(name); ok {
			env[name] = value
		}
	}
	return env
}
