package site

import (
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

// File is one static file with its header values made in advance.
type File struct {
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

// readFiles returns the static files by their path, such as "/assets/index-abc.js", and the pages by their name.
func readFiles(ui fs.FS) (files map[string]*File, pages map[string][]byte, err error) {
	files, pages = map[string]*File{}, map[string][]byte{}
	err = fs.WalkDir(ui, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, ".gz") {
			return err
		}
		body, err := fs.ReadFile(ui, name)
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, ".html") {
			pages[name] = body
		} else {
			files["/"+name] = newFile(ui, name, body)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the built dashboard: %w", err)
	}
	return files, pages, nil
}

func newFile(ui fs.FS, name string, body []byte) *File {
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:8])
	f := &File{
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

// ServeHTTP sends the file, by its gzip form where that is accepted.
func (f *File) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, etag := f.body, f.etag
	h := w.Header()
	if f.gzip != nil {
		h["Vary"] = varyCoding
		if acceptsGzip(r.Header) {
			body, etag = f.gzip, f.gzipETag
			h["Content-Encoding"] = gzipCoding
		}
	}
	h["Etag"] = etag
	h["Content-Type"] = f.contentType
	h["Cache-Control"] = f.cacheControl
	if match := r.Header.Get("If-None-Match"); match != "" && strings.Contains(match, etag[0]) {
		h.Del("Content-Type")
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone: nobody is there to learn of it
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
