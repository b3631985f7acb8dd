package redislink_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/redislink"
	"github.com/agentos/agentos/snapshot/snapshottest"
	"github.com/agentos/agentos/test/servers"
)

const (
	key      = "snapshot"
	lastGood = key + ":last-good"
	lease    = key + ":lease"

	longest  = 2500 * time.Millisecond // that a call may take: Options.Timeout, and a busy machine
	recovery = 10 * time.Second        // within which all works again when a fault has ended
)

// open makes a link that is closed with the test.
func open(t *testing.T, url string, opts redislink.Options) *redislink.Link {
	t.Helper()
	conn, err := redislink.Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// do sends a command that must succeed.
func do(t *testing.T, redis *servers.Redis, args ...string) string {
	t.Helper()
	answer, err := redis.Do(args...)
	if err != nil {
		t.Fatalf("%.60q: %v", args, err)
	}
	return answer
}

// eventually checks again and again until it is nil.
func eventually(t *testing.T, within time.Duration, what string, check func() error) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(within); ; <-ticker.C {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s: %v", within, what, err)
		}
	}
}

// document makes a document that is newer than all before.
func document(t testing.TB, text string) link.Document {
	t.Helper()
	began := uint64(time.Now().UnixMilli())
	for {
		if s := snapshottest.New(t, text); s.Revision > began {
			return s
		}
	}
}

func revision(doc []byte) uint64 {
	var head struct {
		Meta struct{ Revision uint64 }
	}
	_ = json.Unmarshal(doc, &head)
	return head.Meta.Revision
}

// hearing is what one process receives that listens whenever it can.
type hearing struct {
	ready chan struct{} // once for each time that listening began
	docs  chan []byte
}

// receive listens until the test's end, and begins again after a pause as the callers of a link do.
func receive(t *testing.T, conn *redislink.Link) *hearing {
	t.Helper()
	h := &hearing{ready: make(chan struct{}, 1000), docs: make(chan []byte, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = conn.Listen(ctx, link.Listener{
				OnReady:    func() { h.ready <- struct{}{} },
				OnDocument: func(doc []byte) { h.docs <- doc },
			})
			select {
			case <-ctx.Done():
			case <-time.After(250 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	select {
	case <-h.ready:
	case <-time.After(recovery):
		t.Fatal("the listener is not ready")
	}
	return h
}

// awaitExchange waits until from stores, h receives it, and the lease can be had by one of the links.
func awaitExchange(t *testing.T, h *hearing, from *redislink.Link, candidates ...*redislink.Link) {
	t.Helper()
	eventually(t, recovery, "a document is stored and received, and the lease works", func() error {
		doc := document(t, "x")
		if err := from.Store(t.Context(), doc); err != nil {
			return err
		}
		for received := uint64(0); received < doc.Revision; {
			select {
			case got := <-h.docs:
				received = revision(got)
			case <-time.After(500 * time.Millisecond):
				return fmt.Errorf("%d was not received", doc.Revision)
			}
		}
		if got, err := from.Load(t.Context()); err != nil || string(got) != string(doc.JSON) {
			return fmt.Errorf("Load() = %.40q, %w", got, err)
		}
		var err error
		for _, conn := range candidates {
			if _, err = conn.Campaign(t.Context(), 1); err == nil {
				return conn.Resign(t.Context())
			}
		}
		return err
	})
}

// clients counts the connections that links have to a server.
func clients(redis *servers.Redis) (int, error) {
	list, err := redis.Do("CLIENT", "LIST")
	return strings.Count(list, "name=snapshot:"), err
}

// rawConn is a connection that stays, for a server that takes no new ones.
type rawConn struct {
	t *testing.T
	net.Conn
	reader *bufio.Reader
}

func dialRaw(t *testing.T, addr string) *rawConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &rawConn{t, conn, bufio.NewReader(conn)}
}

// do sends a command whose answer is one line.
func (c *rawConn) do(command string) {
	c.t.Helper()
	if _, err := io.WriteString(c, command+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
	if line, err := c.reader.ReadString('\n'); err != nil || strings.HasPrefix(line, "-") {
		c.t.Fatalf("%s: %q, %v", command, line, err)
	}
}
