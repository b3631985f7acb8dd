package servers

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// ErrNil is the answer of Redis for what does not exist.
var ErrNil = errors.New("redis: nil")

// respConn speaks Redis' protocol, as little of it as is needed to ask a server past the product.
type respConn struct {
	net.Conn
	reader *bufio.Reader
}

func dialRESP(ctx context.Context, addr string, config *tls.Config) (*respConn, error) {
	var dialer interface {
		DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	} = &net.Dialer{Timeout: 5 * time.Second}
	if config != nil {
		dialer = &tls.Dialer{Config: config}
	}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(5 * time.Second)
	}
	return &respConn{conn, bufio.NewReader(conn)}, conn.SetDeadline(deadline)
}

// do sends one command and reads its answer.
func (c *respConn) do(args ...string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := io.WriteString(c.Conn, b.String()); err != nil {
		return "", err
	}
	return c.read()
}

// read reads one answer; the items of a list stand on lines of their own.
func (c *respConn) read() (string, error) {
	line, err := c.reader.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("redis: an empty line")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', ':':
		return rest, nil
	case '-':
		return "", errors.New("redis: " + rest)
	}
	size, err := strconv.Atoi(rest)
	if err != nil || (kind != '$' && kind != '*') {
		return "", fmt.Errorf("redis: cannot read %q", line)
	}
	if size < 0 {
		return "", ErrNil
	}
	if kind == '$' {
		text := make([]byte, size+2)
		_, err := io.ReadFull(c.reader, text)
		return string(text[:size]), err
	}
	items := make([]string, size)
	for i := range items {
		if items[i], err = c.read(); err != nil && !errors.Is(err, ErrNil) {
			return "", err
		}
	}
	return strings.Join(items, "\n"), nil
}
