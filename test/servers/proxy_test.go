package servers

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ask sends a byte and waits for it to come back.
func ask(conn net.Conn, timeout time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("x")); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1))
	return err
}

func TestProxyCuts(t *testing.T) {
	p := StartProxy(t, echo(t))
	conn := dial(t, p)
	if err := ask(conn, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if err := ask(conn, 5*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a cut connection gives %v", err)
	}
	if _, err := net.Dial("tcp", p.Addr); err == nil {
		t.Error("a cut proxy takes connections")
	}
	if err := p.Mend(); err != nil {
		t.Fatal(err)
	}
	if err := ask(dial(t, p), 5*time.Second); err != nil {
		t.Errorf("after Mend: %v", err)
	}
}

func TestProxyHangs(t *testing.T) {
	p := StartProxy(t, echo(t))
	old := dial(t, p)
	if err := ask(old, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	p.Hang()
	fresh := dial(t, p)
	for name, conn := range map[string]net.Conn{"old": old, "new": fresh} {
		if err := ask(conn, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s connection to a hung proxy: %v", name, err)
		}
	}
	if err := p.Mend(); err != nil {
		t.Fatal(err)
	}
	for name, conn := range map[string]net.Conn{"old": old, "new": fresh} {
		if err := ask(conn, 5*time.Second); err != nil {
			t.Errorf("%s connection after Mend: %v", name, err)
		}
	}
}

func TestProxySlows(t *testing.T) {
	p := StartProxy(t, echo(t))
	conn := dial(t, p)
	if err := ask(conn, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	p.Slow(100 * time.Millisecond)
	began := time.Now()
	if err := ask(conn, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("there and back took %v", took)
	}
}

func TestProxyCutsAnswers(t *testing.T) {
	p := StartProxy(t, echo(t))
	conn := dial(t, p)
	if err := ask(conn, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	p.CutAnswers(2)
	for i, ok := range []bool{true, true, false} {
		if err := ask(conn, 5*time.Second); (err == nil) != ok || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("answer %d: %v", i+1, err)
		}
	}
	if err := p.Mend(); err != nil {
		t.Fatal(err)
	}
	conn = dial(t, p)
	for range 3 {
		if err := ask(conn, 5*time.Second); err != nil {
			t.Errorf("after Mend: %v", err)
		}
	}
}

func TestProxyResetsAndRetargets(t *testing.T) {
	p := StartProxy(t, "127.0.0.1:1") // where nobody listens
	if err := ask(dial(t, p), 5*time.Second); err == nil {
		t.Error("there is an answer from nowhere")
	}
	p.Retarget(echo(t))
	conn := dial(t, p)
	if err := ask(conn, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if p.Connections() != 1 || p.Accepted() != 2 {
		t.Errorf("%d open, %d accepted", p.Connections(), p.Accepted())
	}
	p.Reset()
	if err := ask(conn, 5*time.Second); err == nil {
		t.Error("a connection outlives Reset")
	}
	if err := ask(dial(t, p), 5*time.Second); err != nil {
		t.Errorf("after Reset: %v", err)
	}
}
