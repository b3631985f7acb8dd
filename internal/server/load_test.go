package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
)

// loadGenerator is a process of its own, so that the server's process time is the server's alone.
type loadGenerator struct {
	t       testing.TB
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func startLoad(t testing.TB, connections int, token string) *loadGenerator {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	l := &loadGenerator{t: t, command: exec.CommandContext(context.Background(), self, "load", strconv.Itoa(connections), token)}
	l.command.Stderr = os.Stderr
	l.in, err = l.command.StdinPipe()
	must(t, err)
	out, err := l.command.StdoutPipe()
	must(t, err)
	l.out = bufio.NewReader(out)
	must(t, l.command.Start())
	t.Cleanup(func() {
		l.in.Close()
		if err := l.command.Wait(); err != nil {
			t.Errorf("load generator: %v", err)
		}
	})
	return l
}

// run sends requests to an address and returns when all answers are read.
func (l *loadGenerator) run(address string, requests int) {
	l.t.Helper()
	fmt.Fprintln(l.in, address, requests)
	if line, err := l.out.ReadString('\n'); err != nil || line != "ok\n" {
		l.t.Fatalf("load generator: %q, %v", line, err)
	}
}

// generateLoad is the load generator's main: for each line "ADDRESS REQUESTS" it sends so many requests and prints "ok".
func generateLoad(args []string) int {
	connections, err := strconv.Atoi(args[0])
	if err != nil {
		return 2
	}
	open := map[string][]*loadConnection{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var (
			address  string
			requests int
		)
		if _, err := fmt.Sscan(lines.Text(), &address, &requests); err != nil {
			return 2
		}
		for len(open[address]) < connections {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			open[address] = append(open[address], newLoadConnection(conn, address, args[1]))
		}
		var group sync.WaitGroup
		failed := make(chan error, connections)
		for _, c := range open[address] {
			group.Go(func() { failed <- c.send(requests / connections) })
		}
		group.Wait()
		for range connections {
			if err := <-failed; err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		fmt.Println("ok")
	}
	return 0
}

// loadConnection does as little as possible for each request, to leave the machine to the server.
type loadConnection struct {
	conn    net.Conn
	reader  *bufio.Reader
	request []byte
}

func newLoadConnection(conn net.Conn, host, token string) *loadConnection {
	return &loadConnection{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10), request: []byte(
		"GET /api/admin/ssot HTTP/1.1\r\nHost: " + host + "\r\nAccept-Encoding: gzip\r\nUser-Agent: load\r\nAuthorization: Bearer " + token + "\r\n\r\n")}
}

func (c *loadConnection) send(requests int) error {
	for range requests {
		if _, err := c.conn.Write(c.request); err != nil {
			return err
		}
		headers := textproto.NewReader(c.reader)
		status, err := headers.ReadLine()
		if err != nil || status != "HTTP/1.1 200 OK" {
			return fmt.Errorf("answer %q: %w", status, err)
		}
		header, err := headers.ReadMIMEHeader()
		if err != nil {
			return err
		}
		length, err := strconv.Atoi(header.Get("Content-Length"))
		if err != nil {
			return err
		}
		if _, err := c.reader.Discard(length); err != nil {
			return err
		}
	}
	return nil
}
