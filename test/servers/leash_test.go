package servers

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// victim is the variable that makes this test binary start servers and wait to be killed.
const victim = "AGENTOS_SERVERS_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victim) != "" {
		os.Exit(beVictim())
	}
	os.Exit(m.Run())
}

func beVictim() int {
	p, err := NewPostgres()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	r, err := NewRedis()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	p.Pause()
	fmt.Println(p.process.pid, r.process.pid, p.folder.path, r.folder.path)
	select {}
}

func TestNothingIsLeftWhenTheTestIsKilled(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), victim+"=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	fields := strings.Fields(line)
	if err != nil || len(fields) != 4 {
		t.Fatalf("the victim says %q: %v", line, err)
	}
	var left []int
	for _, field := range fields[:2] {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		left = append(append(left, pid), children(pid)...)
	}
	if len(left) < 5 {
		t.Fatalf("only %d processes run", len(left))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	err = until(10*time.Second, "everything is gone", func() error {
		for _, pid := range left {
			if isAlive(pid) {
				return fmt.Errorf("process %d is alive", pid)
			}
		}
		for _, folder := range fields[2:] {
			if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("folder %s is there", folder)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
