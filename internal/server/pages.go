package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/snapshot"
)

// The places in the built pages where the server inserts something.
const (
	bootMark  = "<!--agentos:boot-->"
	errorMark = "<!--agentos:error-->"
)

// pages are the built HTML pages, cut at the marks.
type pages struct {
	head   [len(themes)][]byte // of index.html: up to bootMark
	after  []byte              // the rest
	packed packedPage
	policy []string // the Content-Security-Policy of every page
	login  [len(themes)][]byte
}

func newPages(f *files, base string) (*pages, error) {
	index, login := based(f.html["index.html"], base), based(f.html["login.html"], base)
	head, after, ok := bytes.Cut(index, []byte(bootMark))
	if !ok {
		return nil, errors.New("the built dashboard has no index.html with " + bootMark + ": run \"make generate\"")
	}
	for _, must := range [][2]string{{"index.html", htmlTag}, {"login.html", htmlTag}, {"login.html", errorMark}} {
		if page, mark := must[0], must[1]; !bytes.Contains(f.html[page], []byte(mark)) {
			return nil, errors.New("the built dashboard has no " + page + " with " + mark + ": run \"make generate\"")
		}
	}
	p := &pages{
		head:   themed(head),
		after:  after,
		policy: policyOf(index, login),
		login:  themed(login),
	}
	p.packed.init(p.head, after)
	return p, nil
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

// boot is what the page knows before its first request.
type boot struct {
	Me      me          `json:"me"`
	Fleet   bool        `json:"fleet"` // agents can be given work and paused
	Acts    bool        `json:"acts"`  // jobs and queues can be acted on
	Version string      `json:"version"`
	Base    string      `json:"base"`   // the path of a proxy that this server is below; empty: none
	Now     time.Time   `json:"now"`    // this server's clock, by which the page counts all ages
	Served  *bootServed `json:"served"` // null: there is no document
}

type me struct {
	Name string    `json:"name"`
	Role auth.Role `json:"role"`
}

type bootServed struct {
	Rung  string  `json:"rung"`
	AgeS  float64 `json:"age_s"` // of what is shown: of its oldest overdue section. It says nothing of when the document was published
	Stale bool    `json:"stale"`
}

// pageTimeout is for a server that has nothing at all to show.
const pageTimeout = time.Second

// page serves the dashboard's page with the document inside, so that it is complete before its first request.
func page(s *server, r route) http.Handler {
	return s.wrap(s.restrict(r.role, func(c *call) {
		b := boot{Me: me{Name: c.principal.Name, Role: c.principal.Role}, Fleet: s.Fleet != nil, Acts: s.Actions != nil, Version: s.Version, Base: s.BasePath,
			Now: time.Now().UTC().Truncate(time.Millisecond)}
		doc, served, err := s.currentDocument(c.request.Context(), pageTimeout)
		if err == nil {
			b.Served = &bootServed{Rung: served.Rung, AgeS: roundSeconds(served.Age), Stale: served.Stale}
		}
		s.writePage(c, b, doc)
	}))
}

func (s *server) writePage(c *call, b boot, doc *snapshot.Snapshot) {
	inline, err := json.Marshal(b) // escapes <, > and &
	if err != nil {
		s.fail(c, err)
		return
	}
	block := make([]byte, 0, len(inline)+128)
	block = append(block, `<script type="application/json" id="boot">`...)
	block = append(block, inline...)
	block = append(block, `</script>`...)
	h := c.Header()
	s.setPageHeaders(h)
	h["Content-Type"] = htmlType
	h["Vary"] = varyCoding
	t := themeOf(c.request)
	var body []byte
	if acceptsGzip(c.request.Header) {
		h["Content-Encoding"] = gzipCoding
		body = s.pages.packed.assemble(t, block, doc)
	} else {
		body = bytes.Join([][]byte{s.pages.head[t], block, snapshotOpen, documentText(doc), snapshotClose, s.pages.after}, nil)
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	_, _ = c.Write(body) // the client may be gone: nobody is there to learn of it
}

var (
	htmlType      = []string{"text/html; charset=utf-8"}
	snapshotOpen  = []byte(`<script type="application/json" id="snapshot">`)
	snapshotClose = []byte(`</script>`)
)

// documentText is safe inside a script element: the snapshot package escapes <, > and &.
func documentText(doc *snapshot.Snapshot) []byte {
	if doc == nil {
		return []byte("null")
	}
	return doc.JSON
}

// noSuchPage answers a page's address that does not exist.
func (s *server) noSuchPage(c *call) {
	s.setPageHeaders(c.Header())
	c.Header()["Content-Type"] = htmlType
	c.WriteHeader(http.StatusNotFound)
	if c.request.Method != http.MethodHead {
		body := strings.Replace(missingPage, rootMark, s.under("/"), 1)
		if scheme := themes[themeOf(c.request)]; scheme != "" {
			body = strings.Replace(body, systemScheme, scheme, 1)
		}
		_, _ = io.WriteString(c, body) // the client may be gone: nobody is there to learn of it
	}
}
