package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The agents and the alerts are read one after the other from one file: each mistake is said once, in the order of its lines.
func TestMistakesOfAgentsAndAlertsAreSaidOnce(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string // parts of the lines
	}{
		"both":           {"alerts:\n  full: {expr: disk > 90}\nagents:\n  greet: {comand: [echo]}\n", []string{":2: expr of alert full: there is no disk", ":4: agent greet has no command", `:4: unknown key "comand"`}},
		"alerts alone":   {"agents: {greet: {command: [echo]}}\nalerts: {full: {}}\n", []string{":2: alert full has no expr"}},
		"no YAML":        {"agents: [", []string{": not valid YAML"}},
		"empty":          {"", []string{":1: the file is empty"}},
		"two documents":  {"agents: {greet: {command: [echo]}}\n---\na: b\n", []string{": a second document begins here"}},
		"a list":         {"- a\n", []string{":1: the file must be a mapping"}},
		"a key twice":    {"agents: {greet: {command: [echo]}}\nalerts: {}\nalerts: {}\n", []string{":3: alerts is given twice"}},
		"nothing to say": {"agents: {greet: {command: [echo]}}\nalerts: {full: {expr: dashboard.system.disk > 90}}\n", nil},
	} {
		path := filepath.Join(t.TempDir(), "agentos.yaml")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var got []string
		fleet, err := LoadAgents(path)
		if err != nil {
			got = strings.Split(err.Error(), "\n")
		}
		if (fleet == nil) != (err != nil) {
			t.Errorf("%s: a fleet %v with the error %v", name, fleet, err)
		}
		if len(got) != len(test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
			continue
		}
		for i, line := range got {
			if !strings.Contains(line, test.want[i]) {
				t.Errorf("%s: %q, want %q", name, line, test.want[i])
			}
		}
	}
}
