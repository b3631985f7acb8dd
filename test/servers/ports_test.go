package servers

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

func TestPortIsHeldWhileNobodyListens(t *testing.T) {
	port := HoldPort(t)
	for range 3 { // a server that is started again finds its port
		if conn, err := net.Dial("tcp", port.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("while nobody listens: %v, %v", conn, err)
		}
		if _, err := hold(port.Number); !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("another ReservePort gets the port: %v", err)
		}
		listener, err := net.Listen("tcp", port.Addr())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", port.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hold(port.Number); !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("another ReservePort gets the port of a server: %v", err)
		}
		if err := errors.Join(conn.Close(), listener.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := port.Close(); err != nil {
		t.Fatal(err)
	}
	if err := port.Close(); err != nil {
		t.Fatalf("closed twice: %v", err)
	}
}

func TestPortsDiffer(t *testing.T) {
	seen := map[int]bool{}
	for range 300 {
		port := HoldPort(t)
		if seen[port.Number] || seen[port.Number+busOffset] {
			t.Fatalf("port %d is held twice", port.Number)
		}
		seen[port.Number], seen[port.Number+busOffset] = true, true
	}
}
