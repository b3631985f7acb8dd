// Command run starts a cluster on this machine and keeps it until it is stopped: `make cluster`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/agentos/agentos/test/cluster"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	options := cluster.Options{}
	flag.StringVar(&options.Binary, "binary", os.Getenv("AGENTOS_BINARY"), "the program to run (default: built from the tree)")
	flag.StringVar(&options.Folder, "folder", ".", "the folder that the demo fleet reads; nothing in it is changed")
	flag.IntVar(&options.Servers, "servers", 3, "how many servers")
	flag.IntVar(&options.Workers, "workers", 2, "how many workers")
	flag.BoolVar(&options.NoRedis, "no-redis", false, "without Redis: servers find each other through Postgres")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Println("starting Postgres, Redis,", options.Servers, "servers and", options.Workers, "workers …")
	c, err := cluster.New(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	describe(c)
	<-ctx.Done()
	stop() // a second signal ends it at once
	fmt.Println("ending …")
	return nil
}

func describe(c *cluster.Cluster) {
	for _, m := range c.Servers {
		fmt.Printf("  %-10s %s\n", m.Name, m.URL())
	}
	fmt.Printf("  log in     name %s, password %s\n", c.Admin, c.Password)
	fmt.Printf("  postgres   %s\n", c.DatabaseURL())
	if redis := c.Redis(); redis != nil {
		fmt.Printf("  redis      %s   (redis-cli -p %d GET admin:dashboard:v4)\n", redis.URL(), redis.Port)
	}
	fmt.Printf("  logs       %s\n", c.Logs())
	fmt.Println("Ctrl-C ends everything and removes it.")
}
