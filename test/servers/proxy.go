package servers

import (
	"bytes"
	"context"
	"net"
	"sync"
	"time"
)

// Proxy is a way to a server that can be broken. All its methods may be called at any time.
type Proxy struct {
	Addr string // where to connect

	stop    context.Context
	end     context.CancelFunc
	running sync.WaitGroup
	port    *Port

	mu       sync.Mutex
	changed  chan struct{} // closed at each change of the state
	target   string
	hung     bool
	delay    time.Duration
	most     int          // bytes that the server may send on each connection; 0 is no limit
	lose     string       // what answers hold that are lost
	losses   int          // how many are still to be
	listener net.Listener // nil while cut
	pairs    map[*pair]struct{}
	accepted int
}

// pair is a client's connection and the one made for it to the server.
type pair struct {
	client, server net.Conn
	sent           int // bytes from the server since there is a limit
}

// StartProxy is NewProxy for a test.
func StartProxy(t TB, target string) *Proxy {
	t.Helper()
	p, err := NewProxy(target)
	return started(t, p, err)
}

// NewProxy opens a way to a server's address.
func NewProxy(target string) (*Proxy, error) {
	p := &Proxy{target: target, changed: make(chan struct{}), pairs: map[*pair]struct{}{}}
	p.stop, p.end = context.WithCancel(context.Background())
	var err error
	if p.port, err = ReservePort(); err != nil {
		return p, err
	}
	p.Addr = p.port.Addr()
	return p, p.listen()
}

// listen opens the port and takes connections until it is closed.
func (p *Proxy) listen() error {
	listener, err := net.Listen("tcp", p.Addr)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener = listener
	p.running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(client) })
		}
	})
	return nil
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	joined := &pair{client: client}
	p.mu.Lock()
	p.accepted++
	p.pairs[joined] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.pairs, joined)
	}()
	target, open := p.pass(joined)
	if !open {
		return
	}
	server, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(p.stop, "tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	joined.server = server
	_, still := p.pairs[joined]
	p.mu.Unlock()
	if !still { // dropped while it was being joined
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.carry(joined, server, client) })
	both.Go(func() { p.carry(joined, client, server) })
	both.Wait()
}

// carry passes bytes one way until an end closes, then closes both.
func (p *Proxy) carry(joined *pair, to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, open := p.pass(joined); !open {
				return
			}
			if p.loses(joined, from, buffer[:n]) {
				return
			}
			some := p.within(joined, from, n)
			if _, err := to.Write(buffer[:some]); err != nil || some < n {
				return
			}
		}
		if err != nil {
			// A hung proxy does not pass on that an end has closed either.
			p.pass(joined)
			return
		}
	}
}

// pass waits as long as the state of the proxy says, and returns the target and whether the pair may go on.
func (p *Proxy) pass(joined *pair) (target string, open bool) {
	for waited := false; ; {
		p.mu.Lock()
		_, open = p.pairs[joined]
		hung, delay, changed, target := p.hung, p.delay, p.changed, p.target
		p.mu.Unlock()
		var late <-chan time.Time
		switch {
		case !open:
			return target, false
		case hung:
		case delay > 0 && !waited:
			late = time.After(delay)
		default:
			return target, true
		}
		select {
		case <-p.stop.Done():
			return target, false
		case <-changed:
		case <-late:
			waited = true
		}
	}
}

// within is how many of n bytes may still go to the client.
func (p *Proxy) within(joined *pair, from net.Conn, n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.most == 0 || from != joined.server {
		return n
	}
	n = min(n, p.most-joined.sent)
	joined.sent += n
	return n
}

// loses reports whether an answer is one that is to be lost.
func (p *Proxy) loses(joined *pair, from net.Conn, answer []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.losses == 0 || from != joined.server || !bytes.Contains(answer, []byte(p.lose)) {
		return false
	}
	p.losses--
	return true
}

// alter changes the state and wakes those who wait for it.
func (p *Proxy) alter(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

// Cut refuses new connections and breaks those there are.
func (p *Proxy) Cut() {
	p.alter(func() {
		if p.listener != nil {
			_ = p.listener.Close()
			p.listener = nil
		}
		p.drop()
	})
}

// Hang takes connections and passes nothing on, in both directions. What was sent meanwhile arrives after Mend.
func (p *Proxy) Hang() { p.alter(func() { p.hung = true }) }

// Slow delays each piece of data, in both directions.
func (p *Proxy) Slow(delay time.Duration) { p.alter(func() { p.delay = delay }) }

// CutAnswers breaks each connection once the server has sent so many bytes on it, from now on: in the middle of an
// answer if they are few.
func (p *Proxy) CutAnswers(after int) {
	p.alter(func() {
		p.most = after
		for joined := range p.pairs {
			joined.sent = 0
		}
	})
}

// LoseAnswers breaks a connection instead of passing on an answer that holds a text, for so many answers: the server does what it was
// asked for, and nobody learns of it.
func (p *Proxy) LoseAnswers(text string, times int) {
	p.alter(func() { p.lose, p.losses = text, times })
}

// ToLose is how many answers are still to be lost.
func (p *Proxy) ToLose() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.losses
}

// Reset breaks the connections there are; new ones are welcome.
func (p *Proxy) Reset() { p.alter(p.drop) }

// Retarget sends new connections to another server, and breaks those there are.
func (p *Proxy) Retarget(target string) {
	p.alter(func() {
		p.target = target
		p.drop()
	})
}

// drop breaks all connections. The caller holds the lock.
func (p *Proxy) drop() {
	for joined := range p.pairs {
		delete(p.pairs, joined)
		for _, conn := range []net.Conn{joined.client, joined.server} {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset, not an orderly end
				_ = tcp.Close()
			}
		}
	}
}

// Mend undoes Cut, Hang, Slow, CutAnswers and LoseAnswers.
func (p *Proxy) Mend() error {
	p.alter(func() { p.hung, p.delay, p.most, p.losses = false, 0, 0, 0 })
	p.mu.Lock()
	cut := p.listener == nil && p.stop.Err() == nil
	p.mu.Unlock()
	if !cut {
		return nil
	}
	return p.listen()
}

// Connections counts those that are open now.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs)
}

// Accepted counts all connections there ever were.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Close ends the proxy and waits until nothing of it is left.
func (p *Proxy) Close() error {
	p.end()
	p.Cut()
	p.running.Wait()
	return p.port.Close()
}
