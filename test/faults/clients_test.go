//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agentos/agentos/test/api"
)

func TestMisbehavingClients(t *testing.T) {
	inTurn(t, moments)
	b := newBed(t, loadFleet(), guarded)
	b.start()
	w := b.watch("m. misbehaving clients")
	l := b.startLoad(250*time.Millisecond, nil)
	pid := b.server.pid()
	rssBefore, _ := memory(t, pid)

	w.breaks()
	unread := b.dial(200, b.streamRequest(), true)
	slow := b.dial(200, "GET /api/admin/ssot HTTP/1.1\r\nHost: x\r\nX-Slow: ", false)
	half := b.dial(100, "POST /api/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+b.token+"\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{", false)
	served := b.burst(1000)
	throughout(t, pick(20*time.Second, 9*time.Second), "with misbehaving clients", func() error {
		for _, c := range slow {
			_, _ = c.Write([]byte("x")) // a byte now and then; those already refused do not matter
		}
		return b.server.alive()
	})
	served += b.burst(1000)
	rss, peak := memory(t, pid)
	if peak > 500 {
		t.Errorf("the server used %d MiB", peak)
	}
	if open := stillOpen(slow); open > 0 {
		t.Errorf("%d of %d connections that never finish their headers are still open", open, len(slow))
	}
	for _, list := range [][]net.Conn{unread, slow, half} {
		closeAll(list)
	}
	w.mends()
	recovery := w.untilHealthy(10 * time.Second)
	b.finish(w, l, recovery, fmt.Sprintf("%d subscribers that do not read, %d slow and %d half requests, 2000 GETs at once (%d answered 200); memory %d → %d MiB, peak %d",
		len(unread), len(slow), len(half), served, rssBefore, rss, peak))
}

func (b *bed) streamRequest() string {
	return "GET /api/admin/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b.token + "\r\n\r\n"
}

// dial opens connections and sends the same beginning on each. Unread ones have the smallest buffers, and nothing is read from them.
func (b *bed) dial(n int, beginning string, unread bool) []net.Conn {
	b.t.Helper()
	dialer := net.Dialer{Timeout: 5 * time.Second}
	if unread {
		dialer.Control = func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 2048) })
		}
	}
	var list []net.Conn
	b.t.Cleanup(func() { closeAll(list) })
	for range n {
		c, err := dialer.DialContext(context.Background(), "tcp", strings.TrimPrefix(*b.address.Load(), "http://"))
		b.must(err)
		list = append(list, c)
		_, err = io.WriteString(c, beginning)
		b.must(err)
	}
	return list
}

func closeAll(list []net.Conn) {
	for _, c := range list {
		_ = c.Close()
	}
}

// stillOpen counts the connections that the server has not closed.
func stillOpen(list []net.Conn) int {
	open := 0
	for _, c := range list {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := io.Copy(io.Discard, c); err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				open++
			}
		}
	}
	return open
}

// burst asks for the document on many new connections at once and counts the good answers.
func (b *bed) burst(n int) int {
	b.t.Helper()
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answers := make(chan error, n)
	for range n {
		go func() { answers <- b.fetch(client) }()
	}
	good := 0
	var last error
	for range n {
		if err := <-answers; err != nil {
			last = err
		} else {
			good++
		}
	}
	if good != n {
		b.t.Errorf("%d of %d requests at once got the document; the last error: %v", good, n, last)
	}
	return good
}

// fetch gets the document and drops it.
func (b *bed) fetch(client *http.Client) error {
	request, err := b.api().Request(context.Background(), "GET", "/api/admin/ssot", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return &api.StatusError{Status: response.StatusCode, Body: "from a burst"}
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// TestFileDescriptorsUsedUp lets the server open nothing more: no connection, no file, no pipe to an agent.
func TestFileDescriptorsUsedUp(t *testing.T) {
	inTurn(t, moments)
	b := newBed(t, loadFleet(), guarded)
	b.start()
	w := b.watch("o. file descriptors used up")
	l := b.startLoad(250*time.Millisecond, nil)
	throughout(t, calm(), "under load", b.server.alive)
	var limit unix.Rlimit
	b.must(unix.Prlimit(b.server.pid(), unix.RLIMIT_NOFILE, nil, &limit))
	b.must(unix.Prlimit(b.server.pid(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: limit.Max}, nil))
	w.breaks()
	throughout(t, pick(20*time.Second, 6*time.Second), "without file descriptors", b.server.alive)
	b.must(unix.Prlimit(b.server.pid(), unix.RLIMIT_NOFILE, &limit, nil))
	w.mends()
	recovery := w.untilHealthy(10 * time.Second)
	throughout(t, calm(), "after mending", b.server.alive)
	b.finish(w, l, recovery, "")
}
