package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v3"

	"github.com/agentos/agentos/internal/strictyaml"
	"golang.org/x/sys/unix"
)

// interpreters run a script named by their first argument that is not an option.
var interpreters = []string{"sh", "bash", "dash", "zsh", "ksh", "python", "python3", "node", "bun", "ruby", "perl", "lua", "php"}

// command reads an agent's argv. Whether it can be started is for the host to see that is to run it, see Missing.
func (d *decoder) command(at, n *yaml.Node, s *Spec) []string {
	if n == nil {
		d.Errorf(at, "agent %s has no command: write %s", s.Name, commandExample)
		return nil
	}
	if node := strictyaml.Resolve(n); node.Kind == yaml.ScalarNode && !strictyaml.IsNull(node) {
		words := strings.Join(strings.Fields(node.Value), ", ")
		if strings.ContainsAny(node.Value, "|&;<>()$`\\\"'*?[]#~{},") || len(words) > 60 { // only a shell can read it
			words = "sh, -c, COMMAND LINE IN QUOTES"
		}
		d.Errorf(n, "command must be a list, one item a word, and is %s: write command: [%s]", strictyaml.Describe(node), words)
		return nil
	}
	argv, ok := d.Texts(n, "command", commandExample)
	if !ok {
		return nil
	}
	if len(argv) == 0 || argv[0] == "" {
		d.Errorf(n, "command is empty: write %s", commandExample)
		return nil
	}
	if strings.Contains(argv[0], "/") {
		argv[0] = d.absolute(argv[0])
	}
	if script(argv) {
		argv[1] = d.absolute(argv[1])
	}
	return argv
}

// script reports whether argv is an interpreter and the path of a script.
func script(argv []string) bool {
	if len(argv) < 2 || !slices.Contains(interpreters, filepath.Base(argv[0])) {
		return false
	}
	path := argv[1] // options may have arguments of their own: what follows one is not ours to judge
	return !strings.HasPrefix(path, "-") && (strings.Contains(path, "/") || filepath.Ext(path) != "")
}

// checkScript returns why an interpreter could not run a script: "sh: 0: cannot open" in an attempt's log would be the
// poorer report.
func checkScript(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() && !isPackage(path) {
		return fmt.Errorf("the script %s is a directory", path)
	}
	if err == nil {
		err = unix.Access(path, unix.R_OK)
	}
	if err != nil {
		return fmt.Errorf("the script %s cannot be read (%s): paths are relative to the folder of this file", path, reason(err))
	}
	return nil
}

// isPackage reports whether a directory is one that an interpreter can run.
func isPackage(dir string) bool {
	for _, name := range []string{"__main__.py", "index.js", "package.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// Program returns the absolute path of an agent's program, or why it cannot be started.
func (s *Spec) Program() (string, error) { return findProgram(s.Command[0], s.Dir, s.SearchPath()) }

// findProgram returns the absolute path of a program: name itself when it has a slash, else the first match in path.
func findProgram(name, dir, path string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, checkProgram(name)
	}
	var denied error
	for _, folder := range filepath.SplitList(path) {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		candidate := filepath.Join(folder, name)
		switch err := checkProgram(candidate); {
		case err == nil:
			return candidate, nil
		case !errors.Is(err, fs.ErrNotExist) && denied == nil:
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", fmt.Errorf("there is no program %q in PATH: install it, or write its path: %w", name, fs.ErrNotExist)
}

func checkProgram(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("the program %s cannot be started: %w", path, shortError(err))
	case info.IsDir():
		return fmt.Errorf("the program %s is a directory", path)
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("the program %s is not executable: run chmod +x on it, or name its interpreter, [sh, %s]: %w", path, filepath.Base(path), fs.ErrPermission)
	case unix.Access(path, unix.X_OK) != nil:
		return fmt.Errorf("the program %s may not be executed by the user that agentos runs as: %w", path, fs.ErrPermission)
	}
	return nil
}

// CheckDir reports why an agent's working directory cannot be used.
func (s *Spec) CheckDir() error {
	dir := s.Dir
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("the working directory %s cannot be used: %w", dir, shortError(err))
	case !info.IsDir():
		return fmt.Errorf("the working directory %s is not a directory: %w", dir, syscall.ENOTDIR)
	case unix.Access(dir, unix.X_OK) != nil:
		return fmt.Errorf("the working directory %s may not be entered by the user that agentos runs as: %w", dir, fs.ErrPermission)
	}
	return nil
}

// shortError leaves the operation and the path of a file error to the text around it.
func shortError(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

func reason(err error) string { return shortError(err).Error() }
