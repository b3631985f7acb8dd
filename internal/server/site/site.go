// Package site sends the built dashboard: its files, and its pages with what the server puts into them. All of it is in memory, and
// what it takes to send it, compressed or not, is made in advance.
package site

import (
	"bytes"
	"errors"
	"html"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"github.com/agentos/agentos/snapshot"
)

// Site is the built dashboard.
type Site struct {
	Policy []string // the Content-Security-Policy of every page

	files  map[string]*File
	head   [len(themes)][]byte // of index.html: up to bootMark
	after  []byte              // the rest
	packed packedPage
	login  [len(themes)][]byte
}

// The places in the built pages where something is inserted.
const (
	bootMark  = "<!--agentos:boot-->"
	errorMark = "<!--agentos:error-->"
)

// Load reads the built files: index.html, login.html, assets/ with a ".gz" beside each compressible file. The pages name their files
// below the base path.
func Load(ui fs.FS, base string) (*Site, error) {
	files, pages, err := readFiles(ui)
	if err != nil {
		return nil, err
	}
	for _, must := range [][2]string{{"index.html", bootMark}, {"index.html", htmlTag}, {"login.html", htmlTag}, {"login.html", errorMark}} {
		if page, mark := must[0], must[1]; !bytes.Contains(pages[page], []byte(mark)) {
			return nil, errors.New("the built dashboard has no " + page + " with " + mark + ": run \"make generate\"")
		}
	}
	index, login := based(pages["index.html"], base), based(pages["login.html"], base)
	head, after, _ := bytes.Cut(index, []byte(bootMark))
	s := &Site{Policy: policyOf(index, login), files: files, head: themed(head), after: after, login: themed(login)}
	s.packed.init(s.head, after)
	return s, nil
}

// based is a built page whose files are below the base path.
func based(page []byte, base string) []byte {
	if base == "" {
		return page
	}
	return bytes.ReplaceAll(page, []byte(`"/assets/`), []byte(`"`+base+`/assets/`))
}

// File returns a static file by its path; nil: there is none.
func (s *Site) File(path string) *File { return s.files[path] }

// ServePage sends the dashboard's page with what it knows before its first request, boot, which is JSON with <, > and & escaped, and with
// the document inside; nil: there is none.
func (s *Site) ServePage(w http.ResponseWriter, r *http.Request, boot []byte, doc *snapshot.Snapshot) {
	block := make([]byte, 0, len(bootOpen)+len(boot)+len(scriptClose))
	block = append(append(append(block, bootOpen...), boot...), scriptClose...)
	h := w.Header()
	h["Content-Type"] = htmlType
	h["Vary"] = varyCoding
	t := themeOf(r)
	var body []byte
	if acceptsGzip(r.Header) {
		h["Content-Encoding"] = gzipCoding
		body = s.packed.assemble(t, block, doc)
	} else {
		body = bytes.Join([][]byte{s.head[t], block, snapshotOpen, documentText(doc), scriptClose, s.after}, nil)
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	_, _ = w.Write(body) // the client may be gone: nobody is there to learn of it
}

var (
	htmlType     = []string{"text/html; charset=utf-8"}
	bootOpen     = []byte(`<script type="application/json" id="boot">`)
	snapshotOpen = []byte(`<script type="application/json" id="snapshot">`)
	scriptClose  = []byte(`</script>`)
)

// documentText is safe inside a script element: the snapshot package escapes <, > and &.
func documentText(doc *snapshot.Snapshot) []byte {
	if doc == nil {
		return []byte("null")
	}
	return doc.JSON
}

// ServeLogin sends the form, with what went wrong; empty: nothing yet.
func (s *Site) ServeLogin(w http.ResponseWriter, r *http.Request, status int, message string) {
	w.Header()["Content-Type"] = htmlType
	w.WriteHeader(status)
	body := bytes.Replace(s.login[themeOf(r)], []byte(errorMark), []byte(html.EscapeString(message)), 1)
	_, _ = w.Write(body) // the client may be gone: nobody is there to learn of it
}

const (
	systemScheme = "light dark" // what the system prefers
	rootMark     = "ROOT"       // the address of the overview
)

const missingPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="` + systemScheme + `">
<title>Not found · AgentOS</title>
<h1>There is no such page</h1>
<p><a href="` + rootMark + `">To the dashboard</a></p>
</html>
`

// ServeMissing answers a page's address that does not exist, with a link to the overview at root.
func (s *Site) ServeMissing(w http.ResponseWriter, r *http.Request, root string) {
	w.Header()["Content-Type"] = htmlType
	w.WriteHeader(http.StatusNotFound)
	if r.Method == http.MethodHead {
		return
	}
	body := strings.Replace(missingPage, rootMark, root, 1)
	if scheme := themes[themeOf(r)]; scheme != "" {
		body = strings.Replace(body, systemScheme, scheme, 1)
	}
	_, _ = w.Write([]byte(body)) // the client may be gone: nobody is there to learn of it
}
