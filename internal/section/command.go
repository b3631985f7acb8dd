package section

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const maxOutput = 64 << 10 // bytes of each of a command's outputs

// fromHost are the only variables that a command gets unasked, as agents do.
var fromHost = []string{"PATH", "HOME", "LANG", "TMPDIR", "TZ"}

// command runs a program without a shell, in a process group that ends with it.
func (v *visit) command(ctx context.Context, c *Command) (any, error) {
	if v.c.options.NoCommands {
		return nil, errors.New("sections may not run commands on this server (no_section_commands)")
	}
	path, err := exec.LookPath(c.Argv[0])
	if err != nil {
		return nil, fmt.Errorf("command: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	output, messages := &capped{full: cancel}, &capped{}
	cmd := exec.CommandContext(ctx, path)
	cmd.Args = c.Argv
	cmd.Dir, cmd.Env = c.Dir, v.environment(c.PassEnv)
	cmd.Stdout, cmd.Stderr = output, messages
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for a child that has left the group and holds the output
	err = cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) { // it ended well, one of its children holds the output
		err = nil
	}
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // children that stayed behind
	}
	switch {
	case output.over:
		return nil, fmt.Errorf("the command wrote more than %d KB and was ended: have it write less", maxOutput>>10)
	case err != nil:
		return nil, fmt.Errorf("the command failed: %w%s", err, lastLine(messages.kept.String()))
	}
	return v.output(output.kept.Bytes())
}

func (v *visit) environment(pass []string) []string {
	var env []string
	for _, name := range fromHost {
		if value, ok := v.c.options.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for _, name := range pass {
		if value, ok := v.c.options.LookupEnv(name); ok {
			env = append(env, name+"="+value)
			if !slices.Contains(fromHost, name) {
				v.secrets = append(v.secrets, value)
			}
		}
	}
	return env
}

// output reads what a command wrote: JSON where the section needs parts of it, else a text.
func (v *visit) output(data []byte) (any, error) {
	text := strings.TrimSpace(string(data))
	if s := v.spec; s.Pick == "" && s.Show != ShowTable && s.Show != ShowSeries {
		if text == "" {
			return nil, errors.New("the command wrote nothing: have it write the value to standard output")
		}
		return text, nil
	}
	value, err := parseJSON(data)
	if err != nil {
		return nil, fmt.Errorf("the command wrote %w", err)
	}
	return v.picked(value)
}

// lastLine is the end of what was written to standard error.
func lastLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	if len(lines) == 0 {
		return ""
	}
	line, _ := clip(plain(cmp.Or(strings.TrimSpace(lines[len(lines)-1]), "no message")), 200)
	return ": " + line
}

// capped keeps the beginning of what is written, and calls full once there is more.
type capped struct {
	kept bytes.Buffer // not embedded: its ReadFrom would go past Write
	full func()
	over bool
}

// Write implements io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	room := maxOutput - c.kept.Len()
	c.kept.Write(p[:min(len(p), room)])
	if len(p) > room && !c.over {
		c.over = true
		if c.full != nil {
			c.full()
		}
	}
	return len(p), nil
}
