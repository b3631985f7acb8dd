package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/agentos/agentos/bench/jobtable"
	"github.com/agentos/agentos/test/servers"
)

// bed is what all parts measure on: one database, one browser, one binary, and a folder for the rest.
type bed struct {
	plan    plan
	root    string // of the repository
	folder  string
	binary  string // the product, built as it is released
	data    string // AgentOS' data folder of the present filling, with the history of its jobs once caughtUp is through
	self    string // this program, which is some of the contestants too
	jobs    *jobtable.Table
	browser *browser

	release func() // takes folder off the leash
}

func newBed(ctx context.Context, p plan) (*bed, error) {
	b := &bed{plan: p}
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bed) prepare(ctx context.Context) (err error) {
	if b.root, err = repository(); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.folder, err = os.MkdirTemp("", "agentos-bench-"); err != nil {
		return err
	}
	if b.release, err = servers.Leash(b.folder); err != nil {
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	progress("starting Postgres and Chromium")
	if b.jobs, err = jobtable.New(ctx, progress); err != nil {
		return err
	}
	b.browser, err = newBrowser(b.root)
	return err
}

// build makes the binary as `make build` does.
func (b *bed) build(ctx context.Context) error {
	progress("building the product")
	b.binary = b.file("agentos")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.binary, ".")
	cmd.Dir, cmd.Env = b.root, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the product: %w\n%s", err, output)
	}
	return nil
}

func (b *bed) file(name string) string { return filepath.Join(b.folder, name) }

func (b *bed) close() error {
	var errs []error
	if b.browser != nil {
		errs = append(errs, b.browser.close())
	}
	if b.jobs != nil {
		errs = append(errs, b.jobs.Close())
	}
	if b.release != nil {
		errs = append(errs, os.RemoveAll(b.folder))
		b.release()
	}
	return errors.Join(errs...)
}

// repository is the folder above this one that holds go.mod.
func repository() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", errors.New("run it within the repository: make bench")
		}
	}
}

// progress prints how far the bench is, with the time.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}
