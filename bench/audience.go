package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// audience are viewers who hold AgentOS' event stream, compressed as a browser gets it. They inflate nothing: every viewer gets
// the same bytes of an event, so that one of each kind is looked into at the end.
type audience struct {
	host, token string

	seed  maphash.Seed
	bytes atomic.Int64 // from all connections, framing included
	group sync.WaitGroup

	mu       sync.Mutex
	conns    []net.Conn
	arrivals map[uint64]*arrival
	left     int // viewers whose stream has ended
}

// arrival is one event, and when it came to the viewers.
type arrival struct {
	sample  []byte // as it came, deflated
	viewers int
	last    time.Time
}

func newAudience(c *contestant) *audience {
	return &audience{
		host: strings.TrimPrefix(c.url, "http://"), token: c.token,
		seed: maphash.MakeSeed(), arrivals: map[uint64]*arrival{},
	}
}

// join connects viewers until there are n, not all at once: that would be another measurement.
func (a *audience) join(ctx context.Context, n int) error {
	const perTick, tick = 25, 25 * time.Millisecond
	for a.size() < n {
		batch := min(perTick, n-a.size())
		errs := make(chan error, batch)
		for range batch {
			go func() { errs <- a.connect(ctx) }()
		}
		var all []error
		for range batch {
			all = append(all, <-errs)
		}
		if err := errors.Join(all...); err != nil {
			return fmt.Errorf("after %d viewers: %w", a.size(), err)
		}
		if err := pause(ctx, tick); err != nil {
			return err
		}
	}
	return nil
}

func (a *audience) size() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.conns)
}

func (a *audience) connect(ctx context.Context) error {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", a.host)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "GET /api/admin/stream HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nAccept-Encoding: gzip\r\n\r\n", a.host, a.token)
	reader := bufio.NewReaderSize(conn, 4096)
	if err == nil {
		err = greeting(reader)
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	a.mu.Lock()
	a.conns = append(a.conns, conn)
	a.mu.Unlock()
	a.group.Go(func() { a.listen(reader) }) // ends when leave closes the connection
	return nil
}

// greeting reads the head of the answer.
func greeting(r *bufio.Reader) error {
	lines := textproto.NewReader(r)
	status, err := lines.ReadLine()
	if err != nil {
		return err
	}
	header, err := lines.ReadMIMEHeader()
	if err != nil {
		return err
	}
	if !strings.Contains(status, " 200 ") || header.Get("Content-Encoding") != "gzip" || header.Get("Transfer-Encoding") != "chunked" {
		return fmt.Errorf("the stream was not opened: %s", status)
	}
	return nil
}

func (a *audience) listen(r *bufio.Reader) {
	var chunk []byte
	for {
		var framed int
		var err error
		chunk, framed, err = readChunk(r, chunk)
		a.bytes.Add(int64(framed))
		if err != nil {
			a.mu.Lock()
			a.left++
			a.mu.Unlock()
			return
		}
		a.arrived(chunk, time.Now())
	}
}

// readChunk reads one chunk of a chunked body into buffer, and returns how many bytes that took. The server sends each event as
// one chunk.
func readChunk(r *bufio.Reader, buffer []byte) (chunk []byte, framed int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return buffer, len(line), err
	}
	framed = len(line)
	n, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
	if err != nil {
		return buffer, framed, err
	}
	if n == 0 {
		return buffer, framed, io.EOF
	}
	chunk = slices.Grow(buffer[:0], int(n)+2)[:n+2]
	read, err := io.ReadFull(r, chunk)
	return chunk[:n], framed + read, err
}

func (a *audience) arrived(chunk []byte, at time.Time) {
	sum := maphash.Bytes(a.seed, chunk)
	a.mu.Lock()
	defer a.mu.Unlock()
	event := a.arrivals[sum]
	if event == nil {
		event = &arrival{sample: slices.Clone(chunk)}
		a.arrivals[sum] = event
	}
	event.viewers++
	event.last = at
}

// forget begins a measurement: what came so far does not count.
func (a *audience) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.arrivals = map[uint64]*arrival{}
	a.bytes.Store(0)
}

// lags returns for each publish since forget how long after it the last viewer had it, and the smallest number of viewers one reached.
func (a *audience) lags() (lags []time.Duration, fewest int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fewest = len(a.conns)
	for _, event := range a.arrivals {
		published, ok := publishTime(event.sample)
		if !ok || event.viewers < len(a.conns)/2 { // one that fell into the start or the end of the measurement
			continue
		}
		fewest = min(fewest, event.viewers)
		lags = append(lags, event.last.Sub(published))
	}
	return lags, fewest
}

// publishTime is when the document of a patch was published; false for any other event. An event is deflated by itself: only the
// last block is missing.
func publishTime(sample []byte) (time.Time, bool) {
	inflated := flate.NewReader(io.MultiReader(bytes.NewReader(sample), bytes.NewReader([]byte{3, 0})))
	text, err := io.ReadAll(inflated)
	if err != nil || !bytes.HasPrefix(text, []byte("event: patch\n")) {
		return time.Time{}, false
	}
	_, data, _ := bytes.Cut(text, []byte("\ndata: "))
	var event struct{ Patch struct{ Timestamp time.Time } }
	if json.Unmarshal(bytes.TrimSpace(data), &event) != nil {
		return time.Time{}, false
	}
	return event.Patch.Timestamp, !event.Patch.Timestamp.IsZero()
}

// leave ends all viewers, and is an error when some had lost their stream before.
func (a *audience) leave() error {
	a.mu.Lock()
	lost := a.left
	for _, conn := range a.conns {
		_ = conn.Close() // the server notices; nothing is to be saved
	}
	a.mu.Unlock()
	a.group.Wait()
	if lost > 0 {
		return fmt.Errorf("%d of %d viewers lost their stream", lost, len(a.conns))
	}
	return nil
}
