//go:build linux

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the path of the program under test, set once by TestMain.
var binary string

func TestMain(m *testing.M) {
	if role := os.Getenv(helperRole); role != "" {
		os.Exit(runHelper(role))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "agentos-faults-")
	if err != nil {
		return complain(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // the server may run as another user
		return complain(err)
	}
	if binary, err = build(dir); err != nil {
		return complain(err)
	}
	if err := order.begin(); err != nil {
		return complain(err)
	}
	if err := leash.begin(); err != nil {
		return complain(err)
	}
	defer leash.end()
	status := m.Run()
	if err := results.write(os.Stdout, os.Getenv("AGENTOS_FAULTS_REPORT")); err != nil {
		return complain(err)
	}
	return status
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, "faults:", err)
	return 1
}

// build compiles the program under test, unless one is given.
func build(dir string) (string, error) {
	if given := os.Getenv("AGENTOS_BINARY"); given != "" {
		return filepath.Abs(given)
	}
	path := filepath.Join(dir, "agentos")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return path, nil
}

// pick chooses a number for the full run or for the short one.
func pick[T any](full, short T) T {
	if testing.Short() {
		return short
	}
	return full
}
