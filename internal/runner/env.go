package runner

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const (
	maxArgEnv      = 4 << 10   // of one AGENTOS_ARG_ value
	maxArgEnvTotal = 128 << 10 // of all of them: arguments must not make the command line too long to start
)

// environ is the whole environment of an attempt, sorted.
func (a *Attempt) environ() []string {
	env := a.Spec.FromHost()
	if a.TempDir != "" {
		env["AGENTOS_TMP"] = a.TempDir
		if !slices.Contains(a.Spec.PassEnv, "TMPDIR") {
			env["TMPDIR"] = a.TempDir
		}
	}
	maps.Copy(env, argEnv(a.Args))
	maps.Copy(env, a.FleetEnv)
	maps.Copy(env, a.Spec.Env)
	env["PATH"] = a.Spec.SearchPath()
	env["AGENTOS_AGENT"] = a.Spec.Name
	env["AGENTOS_JOB_ID"] = strconv.FormatInt(a.JobID, 10)
	env["AGENTOS_RUN_ID"] = strconv.FormatInt(a.RunID, 10)
	env["AGENTOS_ATTEMPT"] = strconv.Itoa(a.Number)
	env["AGENTOS_MAX_ATTEMPTS"] = strconv.Itoa(a.MaxAttempts)
	env["AGENTOS_AGENT_DATA"] = a.WorkDir
	env["AGENTOS_DATA"] = a.WorkDir // as it was called before; for one more release
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// argEnv returns AGENTOS_ARG_NAME for the top-level scalars of a JSON object. Left out: null, values that are too
// long or hold a NUL, and of two names that become the same the later one in the alphabet.
func argEnv(args json.RawMessage) map[string]string {
	env := map[string]string{}
	var object map[string]json.RawMessage
	if json.Unmarshal(args, &object) != nil {
		return env
	}
	total := 0
	for _, key := range slices.Sorted(maps.Keys(object)) {
		value, ok := scalarText(object[key])
		name := "AGENTOS_ARG_" + envName(key)
		if _, taken := env[name]; !ok || key == "" || taken || len(name) > 128 || total+len(name)+len(value) > maxArgEnvTotal {
			continue
		}
		env[name] = value
		total += len(name) + len(value)
	}
	return env
}

// envName upper-cases a-z and turns everything that is not A-Z or 0-9 into _, character by character.
func envName(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
}

// scalarText returns a string without quotes, a number or boolean as written.
func scalarText(value json.RawMessage) (string, bool) {
	value = bytes.TrimSpace(value)
	if len(value) == 0 || len(value) > 6*maxArgEnv { // an escaped character takes at most six bytes
		return "", false
	}
	text := string(value)
	switch value[0] {
	case '{', '[', 'n':
		return "", false
	case '"':
		if json.Unmarshal(value, &text) != nil {
			return "", false
		}
	}
	return text, len(text) <= maxArgEnv && !strings.ContainsRune(text, 0)
}
