package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/agentos/agentos/bench/jobtable"
)

// password is that of AgentOS' first account here.
const password = "correct horse battery staple"

// overviewReady is true when the overview shows its key figures and the running jobs, which its scripts make with all of the first
// screen; overviewLive when they have made the rest of it too.
const overviewReady = `document.querySelectorAll('section[aria-label="Key figures"] .kpi').length >= 4 &&
	document.querySelector('main a[href^="/jobs/"]') !== null`

const overviewLive = `document.querySelector('main [role="log"]') !== null`

// startForBrowser is startAgentOS with a session for the browser. Checking a password takes 64 MiB for a moment, which a process does
// not give back for minutes: where memory is measured, nobody logs in.
func (b *bed) startForBrowser(ctx context.Context) (*contestant, error) {
	c, err := b.startAgentOS(ctx)
	if err != nil {
		return nil, err
	}
	if c.cookie, err = login(ctx, c.url); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// startAgentOS starts the product over the jobs' database, with the history that it has already read, and waits until it shows
// present figures.
func (b *bed) startAgentOS(ctx context.Context) (*contestant, error) {
	began := time.Now()
	c, err := b.launchAgentOS(b.data, "/livez")
	if err != nil {
		return nil, err
	}
	if c.token, err = b.makeToken(ctx, b.data); err == nil {
		err = c.await(ctx, time.Minute, "AgentOS shows what is there now", func() error {
			d, err := c.document(ctx)
			if err != nil {
				return err
			}
			return d.missing(began)
		})
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// launchAgentOS is the one place that knows how to point the product at River's tables. It waits until path answers.
func (b *bed) launchAgentOS(data, path string) (*contestant, error) {
	c, err := b.launch("AgentOS", path, func(string) []string { return []string{b.binary, "serve"} }, func(addr string) []string {
		return []string{
			"AGENTOS_ATTACH_URL=" + b.jobs.URL(jobtable.RoleAgentOS), "AGENTOS_DATA=" + data, "AGENTOS_LISTEN=" + addr,
			"AGENTOS_ADMIN_PASSWORD=" + password, "AGENTOS_MAX_STREAMS=1000000",
		}
	})
	if err != nil {
		return nil, err
	}
	c.role, c.path, c.from, c.ready, c.live = jobtable.RoleAgentOS, "/", "/login", overviewReady, overviewLive
	return c, nil
}

func (b *bed) makeToken(ctx context.Context, data string) (string, error) {
	name := "bench-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	cmd := exec.CommandContext(ctx, b.binary, "token", "create", name, "--role", "viewer", "--data", data)
	cmd.Dir = b.folder
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("make a token: %w: %s", err, stderr.String())
	}
	return strings.TrimSpace(string(output)), nil
}

// history is what reading the jobs that had ended before the first start has cost.
type history struct {
	took, spent time.Duration // from the first start on; by the database
}

// historyTimeout is how long that may take. It leaves the database four fifths of the time.
const historyTimeout = 30 * time.Minute

// catchUp starts AgentOS on a new data folder, which is that of the present filling from now on, and waits until it has read what
// had ended before.
func (b *bed) catchUp(ctx context.Context) (h history, err error) {
	if b.data, err = os.MkdirTemp(b.folder, "data-"); err != nil {
		return h, err
	}
	progress("AgentOS reads what had ended before")
	before, err := b.jobs.UsageOf(ctx, jobtable.RoleAgentOS)
	if err != nil {
		return h, err
	}
	began := time.Now()
	c, err := b.launchAgentOS(b.data, "/livez")
	if err != nil {
		return h, err
	}
	defer c.close()
	if c.token, err = b.makeToken(ctx, b.data); err != nil {
		return h, err
	}
	err = c.await(ctx, historyTimeout, "AgentOS has read the history", func() error {
		d, err := c.document(ctx)
		switch {
		case err != nil:
			return err
		case d.Dashboard.System == nil || d.Dashboard.System.Attached == nil:
			return errors.New("it does not say how far it is")
		case !d.Dashboard.System.Attached.History.Done:
			return fmt.Errorf("%.1f %% are read", d.Dashboard.System.Attached.History.Percent)
		}
		return nil
	})
	if err != nil {
		return h, err
	}
	h.took = time.Since(began)
	after, err := b.jobs.UsageOf(ctx, jobtable.RoleAgentOS)
	h.spent = after.Since(before).Spent
	return h, err
}
