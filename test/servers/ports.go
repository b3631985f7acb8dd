package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
)

// Ports lie below those that the system gives to outgoing connections: a client that keeps trying a closed one can never
// be connected with itself. Redis Cluster also needs the port 10000 above.
const (
	firstPort = 11000
	lastPort  = 21999
	busOffset = 10000
)

// Port is a port of 127.0.0.1 that is held until it is closed, so that a server that gets its number can listen there, stop, and
// listen again: no other process of this machine gets it meanwhile, from the system or from a ReservePort of its own.
//
// It is held by a socket that is bound and does not listen: connections to it are refused. A second socket may be bound beside
// it if both have SO_REUSEADDR, which servers set (Go's, Postgres, Redis); ReservePort looks for ports without it.
type Port struct {
	Number int

	sockets [2]int // of the port, and of the one that Redis Cluster takes for its bus
}

// HoldPort is ReservePort for a test.
func HoldPort(t TB) *Port {
	t.Helper()
	port, err := ReservePort()
	return started(t, port, err)
}

// ReservePort holds a port that nobody has.
func ReservePort() (*Port, error) {
	for range 200 {
		number := firstPort + rand.IntN(lastPort-firstPort+1)
		socket, err := hold(number)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, err
		}
		bus, err := hold(number + busOffset)
		if err == nil {
			return &Port{Number: number, sockets: [2]int{socket, bus}}, nil
		}
		_ = syscall.Close(socket)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
	return nil, errors.New("hold a port: every one that was tried is taken")
}

// hold binds a socket to a port that nobody has, and then lets a server that listens be bound beside it.
func hold(port int) (socket int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("hold port %d: %w", port, err)
		}
	}()
	syscall.ForkLock.RLock() // no child inherits the socket before it is marked
	socket, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return 0, err
	}
	if err = syscall.Bind(socket, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err == nil {
		err = syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	}
	if err != nil {
		_ = syscall.Close(socket)
		return 0, err
	}
	return socket, nil
}

// Addr is the address of the port, such as 127.0.0.1:12345.
func (p *Port) Addr() string { return local(p.Number) }

// Close gives the port back. A nil port has nothing to give.
func (p *Port) Close() error {
	if p == nil {
		return nil
	}
	var errs []error
	for i, socket := range p.sockets {
		if socket > 0 {
			errs = append(errs, syscall.Close(socket))
		}
		p.sockets[i] = 0
	}
	return errors.Join(errs...)
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
