package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/agentos/agentos/test/servers"
)

// browser is a headless Chromium, driven by browser.mjs: one JSON object a line in each direction.
type browser struct {
	version string

	cmd     *exec.Cmd
	stdin   io.WriteCloser
	answers *bufio.Reader
	release func()
}

// visit is one page load, from the start of the navigation to the end of the frame that shows it complete.
type visit struct {
	MS       float64 `json:"ms"`       // 0: it did not become complete in time
	Live     float64 `json:"live"`     // until all of it was there, out of sight as well; MS where that is the same
	Requests int     `json:"requests"` // sent until it was live
	API      int     `json:"api"`      // of these, answered calls of the API
	Bytes    int     `json:"bytes"`    // over the wire until then

	all []visit // of a median: what it is of
}

type browserOrder struct {
	Do      string `json:"do"`
	URL     string `json:"url,omitempty"`
	Cookie  string `json:"cookie,omitempty"`
	From    string `json:"from,omitempty"`
	Ready   string `json:"ready,omitempty"`
	Live    string `json:"live,omitempty"`
	Pages   int    `json:"pages,omitempty"`
	Timeout int64  `json:"timeout,omitempty"` // ms
}

type browserAnswer struct {
	visit
	Version string `json:"version"`
	Error   string `json:"error"`
}

// pageTimeout is how long a page may take to become complete.
const pageTimeout = 2 * time.Minute

func newBrowser(root string) (*browser, error) {
	cmd := exec.Command("node", filepath.Join(root, "bench", "browser.mjs"))
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start node: %w: run scripts/setup", err)
	}
	b := &browser{cmd: cmd, stdin: stdin, answers: bufio.NewReader(stdout)}
	if b.release, err = servers.Leash(cmd.Process.Pid); err != nil {
		return nil, errors.Join(err, b.close())
	}
	answer, err := b.order(browserOrder{Do: "version"})
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	b.version = answer.Version
	return b, nil
}

func (b *browser) order(o browserOrder) (answer browserAnswer, err error) {
	text, err := json.Marshal(o)
	if err != nil {
		return answer, err
	}
	if _, err := b.stdin.Write(append(text, '\n')); err != nil {
		return answer, fmt.Errorf("the browser has gone: %w", err)
	}
	line, err := b.answers.ReadBytes('\n')
	if err != nil {
		return answer, fmt.Errorf("the browser has gone: %w", err)
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return answer, err
	}
	if answer.Error != "" {
		return answer, fmt.Errorf("the browser, %s %s: %s", o.Do, o.URL, answer.Error)
	}
	return answer, nil
}

// visit loads the page of a contestant once, with an empty browser cache, once the machine is at rest.
func (b *browser) visit(c *contestant, rest func() error) (visit, error) {
	order := browserOrder{
		Do: "prepare", URL: c.url + c.path, From: c.url + c.from, Cookie: c.cookie, Ready: c.ready, Live: c.live, Timeout: pageTimeout.Milliseconds(),
	}
	if _, err := b.order(order); err != nil {
		return visit{}, err
	}
	if err := rest(); err != nil {
		return visit{}, err
	}
	order.Do = "visit"
	answer, err := b.order(order)
	return answer.visit, err
}

// open leaves pages of a contestant open until shut.
func (b *browser) open(c *contestant, pages int) error {
	_, err := b.order(browserOrder{Do: "open", URL: c.url + c.path, Cookie: c.cookie, Pages: pages})
	return err
}

func (b *browser) shut() error {
	_, err := b.order(browserOrder{Do: "shut"})
	return err
}

func (b *browser) close() error {
	err := b.stdin.Close() // it ends Chromium, then itself
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = b.cmd.Process.Kill() })
	defer stop()
	err = errors.Join(err, b.cmd.Wait())
	if b.release != nil {
		b.release()
	}
	return err
}

// visits loads the pages of several contestants in turn, each several times, and gives the median of each. A load does not
// begin while the database works for another contestant, such as for what its page has asked before it was closed.
func (b *bed) visits(ctx context.Context, contestants ...*contestant) (map[*contestant]visit, error) {
	all := map[*contestant][]visit{}
	for range b.plan.visits {
		for _, c := range contestants {
			v, err := b.browser.visit(c, func() error { return b.atRest(ctx, c.role) })
			if err != nil {
				return nil, err
			}
			all[c] = append(all[c], v)
		}
	}
	medians := map[*contestant]visit{}
	for c, list := range all {
		medians[c] = medianVisit(list)
	}
	return medians, nil
}

// atRest waits until the database works for nobody but the role, which may be none.
func (b *bed) atRest(ctx context.Context, but string) error {
	return until(ctx, pageTimeout, "wait until the database is at rest", func() error { return b.jobs.Busy(ctx, but) })
}
