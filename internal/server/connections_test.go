package server

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// startBounded serves a page that answers at once and one that waits for the end of the test, by a few connections.
func startBounded(t *testing.T, most int) (address string, c *Connections) {
	t.Helper()
	c = NewConnections(most, slog.New(slog.DiscardHandler))
	end := make(chan struct{})
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			w.(http.Flusher).Flush()
			<-end
		}
		_, _ = io.WriteString(w, "fine")
	}))
	c.Bound(web.Config)
	web.Start()
	t.Cleanup(func() { close(end); web.Close() })
	return web.Listener.Addr().String(), c
}

// ask sends a request by a connection of its own, which stays open, and returns the status.
func ask(t *testing.T, address, path string) (net.Conn, int) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // what should be closed and is not fails, and does not wait forever
		t.Fatal(err)
	}
	return conn, askAgain(t, conn, path)
}

// askAgain is 0 when the connection was closed.
func askAgain(t *testing.T, conn net.Conn, path string) int {
	t.Helper()
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return 0
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	return response.StatusCode
}

func (c *Connections) count() (open, idle int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.open {
		if !one.idle.IsZero() {
			idle++
		}
	}
	return len(c.open), idle
}

func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !met() {
		select {
		case <-deadline:
			t.Fatalf("timed out waiting: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestIdleConnectionsMakeRoomForNewOnes(t *testing.T) {
	address, c := startBounded(t, 8)
	var all []net.Conn
	for i := range 30 {
		conn, status := ask(t, address, "/")
		if status != http.StatusOK {
			t.Fatalf("connection %d: %d", i, status)
		}
		all = append(all, conn)
		eventually(t, "it is idle", func() bool { open, idle := c.count(); return open == idle })
	}
	if open, _ := c.count(); open > 8 || c.Refused() != 0 {
		t.Errorf("%d connections are open, %d were refused", open, c.Refused())
	}
	if status := askAgain(t, all[0], "/"); status != 0 {
		t.Errorf("the first connection is still served: %d", status)
	}
	if status := askAgain(t, all[29], "/"); status != http.StatusOK {
		t.Errorf("the last connection: %d", status)
	}
}

func TestConnectionsBeyondTheBoundAreRefusedAtOnce(t *testing.T) {
	address, c := startBounded(t, 4)
	for i := range 4 {
		if _, status := ask(t, address, "/stream"); status != http.StatusOK {
			t.Fatalf("stream %d: %d", i, status)
		}
	}
	conn, status := ask(t, address, "/")
	if status != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", status)
	}
	if n := c.Refused(); n != 1 {
		t.Errorf("%d connections were refused, want 1", n)
	}
	if rest, _ := io.ReadAll(conn); strings.Contains(string(rest), "fine") {
		t.Error("the refused connection goes on")
	}
	for range 3 * spare { // who sends nothing
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	eventually(t, "those beyond are closed", func() bool { open, _ := c.count(); return open <= 4+spare })
	eventually(t, "the closed ones are counted too", func() bool { return c.Refused() > spare })
}

func TestConnectionsOfTLSAreBoundedToo(t *testing.T) {
	c := NewConnections(2, slog.New(slog.DiscardHandler))
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	web.EnableHTTP2 = true
	c.Bound(web.Config)
	web.StartTLS()
	defer web.Close()
	for range 6 {
		client := web.Client()
		client.Transport = client.Transport.(*http.Transport).Clone() // a connection of its own
		response, err := client.Get(web.URL)
		if err != nil {
			t.Fatal(err)
		}
		proto, err := io.ReadAll(response.Body)
		if err != nil || string(proto) != "HTTP/2.0" {
			t.Errorf("%s, %v", proto, err)
		}
		response.Body.Close()
		defer client.CloseIdleConnections()
		eventually(t, "it is idle", func() bool { open, idle := c.count(); return open == idle })
	}
	if open, _ := c.count(); open > 2 {
		t.Errorf("%d connections are open", open)
	}
}
