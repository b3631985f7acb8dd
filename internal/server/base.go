package server

import (
	"net/http"
	"net/url"
	"strings"
)

// Below a path of a proxy, such as /ops/agentos, everything inside this package goes by paths without it: rooted takes it off
// what comes in, and whatever leaves, links and redirects, gets it from under. A proxy that takes the path off by itself, as
// nginx does when proxy_pass ends in "/", is served the same.

// rooted is the request as if the base path were the root. outside: the request is for the base path itself, without the slash.
func (s *server) rooted(r *http.Request) (inside *http.Request, outside bool) {
	path, below := strings.CutPrefix(r.URL.Path, s.BasePath)
	switch {
	case !below || path != "" && path[0] != '/':
		return r, false
	case path == "":
		return r, true
	}
	inside = new(http.Request)
	*inside = *r
	inside.URL = new(url.URL)
	*inside.URL = *r.URL
	inside.URL.Path = path
	inside.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, s.BasePath)
	inside.RequestURI = inside.URL.RequestURI()
	return inside, false
}

// under is the address of a path of ours for browsers.
func (s *server) under(path string) string { return s.BasePath + path }
