package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/agentos/agentos/bench/jobtable"
	"github.com/agentos/agentos/test/api"
	"github.com/agentos/agentos/test/servers"
)

// contestant is a running server that is measured.
type contestant struct {
	name    string
	role    string // in Postgres; empty: it has none
	url     string
	cookie  string // "name=value" of a browser that is logged in; empty: it asks for none
	token   string
	process servers.Process
	port    *servers.Port
	ready   string // JavaScript that is true when its page shows what it is for
	live    string // JavaScript that is true when its scripts are at work; empty: when its page is ready
	path    string // of that page
	from    string // path of the page on which the browser is before
}

func (c *contestant) pid() int {
	pid, _ := c.process.PID()
	return pid
}

func (c *contestant) api() api.Server {
	return api.Server{URL: c.url, Token: c.token, Client: http.DefaultClient}
}

// launch starts a program that listens on the address given to argv, and waits until path answers.
func (b *bed) launch(name, path string, argv func(addr string) []string, env func(addr string) []string) (*contestant, error) {
	port, err := servers.ReservePort()
	if err != nil {
		return nil, err
	}
	addr := port.Addr()
	c := &contestant{name: name, url: "http://" + addr, port: port}
	c.process = servers.Process{Name: name, Argv: argv(addr), Log: b.file(strings.NewReplacer(" ", "-", "/", "-").Replace(name) + ".log")}
	if env != nil {
		c.process.Env = env(addr)
	}
	c.process.Ready = func(ctx context.Context) error { return answers(ctx, c.url+path) }
	return c, c.process.Start()
}

// answers is an error unless the address answers with a success.
func answers(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

// login signs in as the login page does. The first account is made beside the start, so that it is tried again.
func login(ctx context.Context, at string) (cookie string, err error) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := url.Values{"name": {"admin"}, "password": {password}, "next": {"/"}}.Encode()
	err = until(ctx, 20*time.Second, "log in", func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, at+"/login", strings.NewReader(form))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		cookies := response.Cookies()
		if response.StatusCode != http.StatusSeeOther || len(cookies) == 0 {
			return errors.New(response.Status)
		}
		cookie = cookies[0].Name + "=" + cookies[0].Value
		return nil
	})
	return cookie, err
}

// emptyPage is a page with nothing on it, of a server that runs: what the browser takes by itself.
func (c *contestant) emptyPage() *contestant {
	return &contestant{name: "an empty page", url: c.url, path: "/livez", from: "/livez", ready: "document.body !== null"}
}

// startReplaced starts the dashboard that AgentOS replaces.
func (b *bed) startReplaced() (*contestant, error) {
	c, err := b.launch("replaced dashboard", "/livez", func(addr string) []string {
		return []string{b.self, "replaced", addr, b.jobs.URL(jobtable.RoleReplaced)}
	}, nil)
	if err != nil {
		return nil, err
	}
	c.role, c.path, c.from, c.ready = jobtable.RoleReplaced, "/", "/livez", `document.documentElement.dataset.complete === 'true'`
	return c, nil
}

// peerReady is true when River UI shows jobs and a count beside each state.
const peerReady = `document.querySelector('a[href*="/jobs/"]') !== null && /Running\s*[\d,]+/.test(document.body.innerText)`

// startPeer starts River UI as its manual says.
func (b *bed) startPeer() (*contestant, error) {
	binary := filepath.Join(b.root, ".tools", "bin", "riverui")
	if _, err := os.Stat(binary); err != nil {
		return nil, errors.New("riverui is not installed: run scripts/setup-bench")
	}
	c, err := b.launch("River UI", "/api/health-checks/minimal", func(string) []string { return []string{binary} },
		func(addr string) []string {
			host, port, _ := strings.Cut(addr, ":")
			return []string{"RIVER_HOST=" + host, "PORT=" + port, "DATABASE_URL=" + b.jobs.URL(jobtable.RolePeer), "RIVER_LOG_LEVEL=warn"}
		})
	if err != nil {
		return nil, err
	}
	c.role, c.path, c.from, c.ready = jobtable.RolePeer, "/jobs", "/api/health-checks/minimal", peerReady
	return c, nil
}

// close ends a contestant.
func (c *contestant) close() {
	c.process.Stop()
	_ = c.port.Close()
}

// await tries until it works, and gives up when the contestant has ended.
func (c *contestant) await(ctx context.Context, timeout time.Duration, what string, try func() error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	return until(ctx, timeout, what, func() error {
		if !c.process.Alive() {
			stop(fmt.Errorf("%s has ended by itself", c.name))
		}
		return try()
	})
}

// until tries until it works, the less often the longer it may take.
func until(ctx context.Context, timeout time.Duration, what string, try func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not within %v", timeout))
	defer cancel()
	every := max(10*time.Millisecond, min(timeout/1000, 500*time.Millisecond))
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", what, context.Cause(ctx), err)
		case <-time.After(every):
		}
	}
}
