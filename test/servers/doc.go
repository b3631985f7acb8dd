// Package servers starts throwaway servers for tests: Postgres, Redis, Redis behind Sentinel, a Redis Cluster, and TCP
// proxies that cut, hang or slow the way to them. Each is a real process on a port of its own on 127.0.0.1, with its
// files in a temporary folder.
//
// For each server there is a New function that returns an error, for programs, and a Start function for tests, which
// stops the server when the test ends. Nothing is left behind in any case: a leash process ends the servers and removes
// their folders when this process ends in whatever way, kill -9 included.
package servers

// TB is the part of *testing.T that the Start functions use.
type TB interface {
	Helper()
	Cleanup(f func())
	Fatalf(format string, args ...any)
}

// closer is a server as the Start functions see it.
type closer interface{ Close() error }

// started ends a test that got no server, and closes the server when the test ends.
func started[S closer](t TB, server S, err error) S {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}
