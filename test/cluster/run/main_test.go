//go:build linux

package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestClusterComesAndGoes is what a person does with it: start it, look at each server, press Ctrl-C.
func TestClusterComesAndGoes(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "cluster")
	if output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	cmd := exec.Command(binary, "-folder", ".")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.AfterFunc(3*time.Minute, func() { _ = cmd.Process.Kill() })
	defer deadline.Stop()
	last := map[string]string{} // the last word of each line, by its first
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 {
			last[fields[0]] = fields[len(fields)-1]
		}
		if fields[0] == "Ctrl-C" {
			for _, name := range []string{"server-1", "server-2", "server-3"} {
				isAlive(t, last[name])
			}
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("it ends with %v", err)
	}
	if _, err := os.Stat(filepath.Dir(last["logs"])); !os.IsNotExist(err) {
		t.Errorf("its folder %s: %v, want it gone", filepath.Dir(last["logs"]), err)
	}
	if response, err := http.Get(last["server-1"] + "/livez"); err == nil {
		response.Body.Close()
		t.Error("a server is still there")
	}
}

func isAlive(t *testing.T, url string) {
	t.Helper()
	response, err := http.Get(url + "/livez")
	if err != nil {
		t.Error(err)
		return
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", url, response.Status)
	}
}
