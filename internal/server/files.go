package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// files is the built dashboard in memory, ready to be sent.
type files struct {
	byPath map[string]*file // "/assets/index-abc.js"
	html   map[string][]byte
}

// file is one static file with its header values made in advance.
type file struct {
	body, gzip   []byte // gzip is nil when there is none or it is no smaller
	contentType  []string
	cacheControl []string
	etag         []string
	gzipETag     []string
}

var (
	immutable  = []string{"public, max-age=31536000, immutable"} // the name holds the content's hash
	revalidate = []string{"public, max-age=3600"}
	varyCoding = []string{"Accept-Encoding"}
	gzipCoding = []string{"gzip"}
)

func loadFiles(ui fs.FS) (*files, error) {
	f := &files{byPath: map[string]*file{}, html: map[string][]byte{}}
	err := fs.WalkDir(ui, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, ".gz") {
			return err
		}
		body, err := fs.ReadFile(ui, name)
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, ".html") {
			f.html[name] = body
			return nil
		}
		f.byPath["/"+name] = newFile(ui, name, body)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the built dashboard: %w", err)
	}
	return f, nil
}

func newFile(ui fs.FS, name string, body []byte) *file {
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:8])
	f := &file{
		body:         body,
		contentType:  []string{contentTypeOf(name)},
		cacheControl: revalidate,
		etag:         []string{`"` + tag + `"`},
		gzipETag:     []string{`"` + tag + `-gzip"`},
	}
	if strings.HasPrefix(name, "assets/") {
		f.cacheControl = immutable
	}
	if packed, err := fs.ReadFile(ui, name+".gz"); err == nil && len(packed) < len(body) {
		f.gzip = packed
	}
	return f
}

// contentTypeOf does not depend on the machine's table where it matters.
func contentTypeOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".webmanifest":
		return "application/manifest+json"
	case ".json", ".map":
		return "application/json"
	}
	if known := mime.TypeByExtension(path.Ext(name)); known != "" {
		return known
	}
	return "application/octet-stream"
}

// asset serves a static file, by its gzip form where that is accepted.
func (s *server) asset(c *call) {
	f, ok := s.files.byPath[c.request.URL.Path]
	if !ok {
		s.noSuchPage(c)
		return
	}
	body, etag := f.body, f.etag
	h := c.Header()
	if f.gzip != nil {
		h["Vary"] = varyCoding
		if acceptsGzip(c.request.Header) {
			body, etag = f.gzip, f.gzipETag
			h["Content-Encoding"] = gzipCoding
		}
	}
	h["Etag"] = etag
	h["Content-Type"] = f.contentType
	h["Cache-Control"] = f.cacheControl
	if match := c.request.Header.Get("If-None-Match"); match != "" && strings.Contains(match, etag[0]) {
		h.Del("Content-Type")
		h.Del("Content-Encoding")
		c.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.WriteHeader(http.StatusOK)
	if c.request.Method != http.MethodHead {
		_, _ = bytes.NewReader(body).WriteTo(c) // the client may be gone: nobody is there to learn of it
	}
}

// acceptsGzip reads Accept-Encoding; "gzip;q=0" refuses it.
func acceptsGzip(h http.Header) bool {
	for _, line := range h["Accept-Encoding"] {
		for line != "" {
			var item string
			item, line, _ = strings.Cut(line, ",")
			coding, params, _ := strings.Cut(item, ";")
			coding = strings.TrimSpace(coding)
			if !strings.EqualFold(coding, "gzip") && coding != "*" {
				continue
			}
			q, found := strings.CutPrefix(strings.TrimSpace(params), "q=")
			if !found {
				return true
			}
			weight, err := strconv.ParseFloat(q, 64)
			return err == nil && weight > 0
		}
	}
	return false
}

func (s *server) robots(c *call) {
	c.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = c.Write([]byte("User-agent: *\nDisallow: /\n"))
}
