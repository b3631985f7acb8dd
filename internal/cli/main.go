// Package cli is the command line: one file a command. Flags in, package app called, exit status out.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/runner"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
)

// call is one invocation: what a command may touch of the outside world.
type call struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

type command struct {
	name, synopsis, summary string
	run                     func(ctx context.Context, c *call, args []string) error
}

func commands() []command {
	return []command{
		{"demo", "", "serve the example fleet, at work on a real folder", runDemo},
		{"serve", "", "run the fleet and its dashboard", runServe},
		{"work", "", "run the fleet's agents without a dashboard", runWork},
		{"enqueue", "AGENT [--args JSON|@FILE|-] [--wait]", "add a job", runEnqueue},
		{"status", "[--json]", "show the fleet on the terminal", runStatus},
		{"health", "[--ready]", "check that the server on this machine is alive", runHealth},
		{"check", "[--run-sections]", "validate agentos.yaml", runCheck},
		{"migrate", "", "migrate the database's schema", runMigrate},
		{"user", "add|passwd|role|remove NAME [--role ROLE]", "manage who may log in", runUser},
		{"token", "create|list|revoke NAME [--role ROLE]", "manage the tokens of API clients", runToken},
		{"openapi", "", "print the API's description", runOpenAPI},
		{"version", "", "print the version", runVersion},
	}
}

// usageError is a mistake in how a command was called.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// Main runs one command and gives the exit status of the process: 0 fine, 1 failed, 2 wrong usage or configuration.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "supervisor" {
		return runner.SupervisorMain()
	}
	stdout, stderr = terminal{stdout}, terminal{stderr}
	c := &call{stdin: stdin, stdout: stdout, stderr: stderr, getenv: withoutPassword(os.Getenv)}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		writeUsage(stdout)
		return exitOK
	}
	for _, cmd := range commands() {
		if cmd.name == args[0] {
			ctx, stop := signalContext(stderr)
			defer stop()
			return exitStatus(cmd, cmd.run(ctx, c, args[1:]), stderr)
		}
	}
	fmt.Fprintf(stderr, "agentos: there is no command %q; `agentos help` lists them\n", args[0])
	return exitUsage
}

func exitStatus(cmd command, err error, stderr io.Writer) int {
	var usage *usageError
	var settings config.ValidationErrors
	var agents agent.ValidationErrors
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "agentos %s: %v\nusage: agentos %s %s\n", cmd.name, err, cmd.name, cmd.synopsis)
		return exitUsage
	case errors.As(err, &settings), errors.As(err, &agents):
		fmt.Fprintln(stderr, err)
		return exitUsage
	case errors.As(err, new(*engine.UnknownAgentError)):
		fmt.Fprintf(stderr, "agentos %s: %v\n", cmd.name, err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "agentos %s: %v\n", cmd.name, err)
		return exitFailed
	}
}

// signalContext ends with the first SIGINT or SIGTERM. A second one leaves at once: somebody is tired of waiting.
func signalContext(stderr io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { // ended by the returned function
		select {
		case s := <-signals:
			cancel(fmt.Errorf("received %v", s))
		case <-done:
			return
		}
		select {
		case <-signals:
			fmt.Fprintln(stderr, "agentos: second signal: leaving at once")
			os.Exit(exitFailed)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(context.Canceled)
	}
}

func writeUsage(w io.Writer) {
	fmt.Fprint(w, "AgentOS runs a fleet of agents and shows it on a dashboard that always answers from cache.\n\nusage: agentos COMMAND [flags]\n\n")
	for _, cmd := range commands() {
		fmt.Fprintf(w, "  %-8s %-38s %s\n", cmd.name, cmd.synopsis, cmd.summary)
	}
	fmt.Fprint(w, "\n`agentos COMMAND --help` lists the flags of a command. Start with `agentos demo`.\n")
}

// newFlags makes the flag set of a command; its messages go to standard error.
func newFlags(c *call, name string) *flag.FlagSet {
	set := flag.NewFlagSet("agentos "+name, flag.ContinueOnError)
	set.SetOutput(c.stderr)
	return set
}

// parse reads flags before, between and after the other arguments, which it returns.
func parse(set *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := set.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usagef("%v", err)
		}
		if set.NArg() == 0 {
			return rest, nil
		}
		if consumed := len(args) - set.NArg(); consumed > 0 && args[consumed-1] == "--" {
			return append(rest, set.Args()...), nil
		}
		rest = append(rest, set.Arg(0))
		args = set.Args()[1:]
	}
}

// noArguments refuses what is left over, naming it.
func noArguments(rest []string) error {
	if len(rest) > 0 {
		return usagef("unexpected argument: %s", strings.Join(rest, " "))
	}
	return nil
}
