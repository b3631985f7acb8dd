package agent

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/agentos/agentos/internal/strictyaml"
)

// places are where an agent's settings stand in its file.
type places struct{ command, dir, env, passEnv place }

type place struct{ line, col int }

// placesOf returns where the settings stand; the agent's own place for one that it does not have.
func placesOf(agent *yaml.Node, set strictyaml.Fields) places {
	at := func(key string) place {
		n := set.Get(key)
		if n == nil {
			n = agent
		}
		return place{max(n.Line, 1), max(n.Column, 1)}
	}
	return places{command: at("command"), dir: at("dir"), env: at("env"), passEnv: at("pass_env")}
}

// Missing returns what of an agent is not on this host, and so why it cannot run here: its program, its script, its working
// directory. Nil means that nothing is. Another host may have it all, so this is asked by whoever is to run the agent.
func (s *Spec) Missing() error {
	command, dir := s.missing()
	return errors.Join(dir, command)
}

func (s *Spec) missing() (command, dir error) {
	if len(s.Command) == 0 {
		return nil, nil // an agent of another program
	}
	_, command = s.Program()
	if command == nil && script(s.Command) && filepath.IsAbs(s.Command[1]) {
		command = checkScript(s.Command[1])
	}
	return command, s.CheckDir()
}

// Missing returns what of the fleet is not on this host, all of it, with the lines of its file. The error is nil or a [ValidationErrors].
func (f *Fleet) Missing() error {
	var errs ValidationErrors
	for _, s := range f.Agents {
		command, dir := s.missing()
		at := f.places[s.Name]
		if command != nil {
			errs = append(errs, f.errorf(at.command, "command of %s: %s", s.Name, command))
		}
		if dir != nil {
			errs = append(errs, f.errorf(at.dir, "dir: %s", dir))
		}
	}
	return errs.InOrder()
}

func (f *Fleet) errorf(at place, format string, args ...any) ValidationError {
	return ValidationError{File: f.Path, Line: max(at.line, 1), Col: max(at.col, 1), Text: fmt.Sprintf(format, args...)}
}

// shells replace ${VAR} in what follows -c; nothing else does.
var shells = []string{"sh", "bash", "dash", "zsh", "ksh", "ash", "busybox"}

var variableForm = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// Notes are what in the file is probably not meant as it is written, for the host that asks: a variable to pass on that is
// not set where the agent runs, and ${VAR} where nothing replaces it. The fleet runs all the same. Here reports which agents
// run on this host.
func (f *Fleet) Notes(here func(agent string) bool) []string {
	var notes ValidationErrors
	for _, s := range f.Agents {
		at := f.places[s.Name]
		for _, name := range s.PassEnv {
			if _, set := os.LookupEnv(name); !set && here(s.Name) {
				notes = append(notes, f.errorf(at.passEnv, "pass_env of %s: %s is not set in agentos's own environment, so the agent does not get it", s.Name, name))
			}
		}
		literal := func(at place, where, text string) {
			if found := variableForm.FindString(text); found != "" {
				notes = append(notes, f.errorf(at, "%s of %s: %s is passed on as it is, nothing replaces it: name the variable in pass_env, or run the command by a shell: [sh, -c, COMMAND LINE IN QUOTES]", where, s.Name, found))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(s.Env)) {
			literal(at.env, "env "+name, s.Env[name])
		}
		if len(s.Command) > 0 && !slices.Contains(shells, filepath.Base(s.Command[0])) {
			for _, word := range s.Command {
				literal(at.command, "command", word)
			}
		}
		literal(at.dir, "dir", s.Dir)
	}
	var ordered ValidationErrors
	if !errors.As(notes.InOrder(), &ordered) {
		return nil
	}
	texts := make([]string, len(ordered))
	for i, n := range ordered {
		texts[i] = n.String()
	}
	return texts
}
