package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports lie below those that the system gives to outgoing connections: a server that is restarted finds its port free,
// and a client that keeps trying a closed one can never be connected with itself. Redis Cluster also needs the port
// 10000 above.
const (
	firstPort = 11000
	lastPort  = 21999
	busOffset = 10000
)

var errNoPort = errors.New("find a free port: every one that was tried is taken")

// FreePort finds a port that nobody listens on now, outside of those that the system gives away.
func FreePort() (int, error) {
	for range 200 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if isFree(port) && isFree(port+busOffset) {
			return port, nil
		}
	}
	return 0, errNoPort
}

func isFree(port int) bool {
	listener, err := net.Listen("tcp", local(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// onFreePort starts something on a free port, and again on another one if that was taken meanwhile.
func onFreePort(start func(port int) error) error {
	var last error
	for range 5 {
		port, err := FreePort()
		if err != nil {
			return err
		}
		if last = start(port); last == nil {
			return nil
		}
		if isFree(port) { // so that was not the reason
			return last
		}
	}
	return fmt.Errorf("no port stayed free: %w", last)
}
