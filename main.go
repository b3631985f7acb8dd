// Command agentos runs a fleet of agents and shows it on a dashboard that always answers from cache.
package main

import (
	"os"

	"github.com/agentos/agentos/internal/cli"
)

func main() {
	os.Exit(cli.Main(cli.Protect(os.Args[1:]), os.Stdin, os.Stdout, os.Stderr))
}
