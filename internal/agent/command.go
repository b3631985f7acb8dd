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
)

// interpreters run a script named by their first argument that is not an option.
var interpreters = []string{"sh", "bash", "dash", "zsh", "ksh", "python", "python3", "node", "bun", "ruby", "perl", "lua", "php"}

// command reads an agent's argv and checks that it can be started.
func (d *decoder) command(at, n *yaml.Node, s *Spec) []string {
	if n == nil {
		d.fault(at, "agent %s has no command: write %s", s.Name, commandExample)
		return nil
	}
	if node := resolve(n); node.Kind == yaml.ScalarNode && !isNull(node) {
		words := strings.Join(strings.Fields(node.Value), ", ")
		if strings.ContainsAny(node.Value, "|&;<>()$`\\\"'*?[]#~{},") || len(words) > 60 { // only a shell can read it
			words = "sh, -c, COMMAND LINE IN QUOTES"
		}
		d.fault(n, "command must be a list, one item a word, and is %s: write command: [%s]", describe(node), words)
		return nil
	}
	argv, ok := d.texts(n, "command", commandExample)
	if !ok {
		return nil
	}
	if len(argv) == 0 || argv[0] == "" {
		d.fault(n, "command is empty: write %s", commandExample)
		return nil
	}
	if strings.Contains(argv[0], "/") {
		argv[0] = d.absolute(argv[0])
	}
	if _, err := findProgram(argv[0], s.Dir, searchPath(s)); err != nil {
		d.fault(n, "command of %s: %s", s.Name, err)
	}
	d.script(n, argv)
	return argv
}

// script makes the path of an interpreter's script absolute and checks that it is there: "sh: 0: cannot open" at the
// first attempt would be the poorer report.
func (d *decoder) script(n *yaml.Node, argv []string) {
	if !slices.Contains(interpreters, filepath.Base(argv[0])) || len(argv) < 2 {
		return
	}
	path := argv[1]
	if strings.HasPrefix(path, "-") || !strings.Contains(path, "/") && filepath.Ext(path) == "" {
		return // options may have arguments of their own: what follows is not ours to judge
	}
	argv[1] = d.absolute(path)
	info, err := os.Stat(argv[1])
	switch {
	case err != nil:
		d.fault(n, "the script %s cannot be read (%s): paths are relative to the folder of this file", argv[1], reason(err))
	case info.IsDir() && !isPackage(argv[1]):
		d.fault(n, "the script %s is a directory", argv[1])
	}
}

// isPackage tells a directory that an interpreter can run.
func isPackage(dir string) bool {
	for _, name := range []string{"__main__.py", "index.js", "package.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

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
	}
	return nil
}

func checkDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("the working directory %s cannot be used: %w", dir, shortError(err))
	case !info.IsDir():
		return fmt.Errorf("the working directory %s is not a directory: %w", dir, syscall.ENOTDIR)
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
