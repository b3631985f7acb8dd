package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
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
	before, after []byte // of index.html, around bootMark
	packed        packedPage
	login         string
	missing       []byte   // the 404 page
	link          []string // early hints for the entry assets
}

func newPages(f *files) (*pages, error) {
	before, after, ok := bytes.Cut(f.html["index.html"], []byte(bootMark))
	if !ok {
		return nil, errors.New("the built dashboard has no index.html with " + bootMark + ": run \"make ui\"")
	}
	if !bytes.Contains(f.html["login.html"], []byte(errorMark)) {
		return nil, errors.New("the built dashboard has no login.html with " + errorMark + ": run \"make ui\"")
	}
	p := &pages{
		before:  before,
		after:   after,
		login:   string(f.html["login.html"]),
		missing: f.html["404.html"],
		link:    preloads(before),
	}
	if p.missing == nil {
		p.missing = []byte(missingPage)
	}
	p.packed.init(before, after)
	return p, nil
}

const missingPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Not found · AgentOS</title>
<h1>There is no such page</h1>
<p><a href="/">To the dashboard</a></p>
</html>
`

// boot is what the page knows before its first request.
type boot struct {
	Me      me          `json:"me"`
	Fleet   bool        `json:"fleet"` // agents can be given work and paused
	Acts    bool        `json:"acts"`  // jobs and queues can be acted on
	Version string      `json:"version"`
	Served  *bootServed `json:"served"` // null: there is no document
}

type me struct {
	Name string    `json:"name"`
	Role auth.Role `json:"role"`
}

type bootServed struct {
	Rung  string  `json:"rung"`
	AgeS  float64 `json:"age_s"`
	Stale bool    `json:"stale"`
}

// pagePatience is for a server that has nothing at all to show.
const pagePatience = time.Second

// page serves the dashboard's page with the document inside, so that it is complete before its first request.
func page(s *server, r route) http.Handler {
	return s.wrap(s.restrict(r.role, func(c *call) {
		b := boot{Me: me{Name: c.principal.Name, Role: c.principal.Role}, Fleet: s.Fleet != nil, Acts: s.Actions != nil, Version: s.Version}
		doc, served, err := s.currentDocument(c.request.Context(), pagePatience)
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
	setPageHeaders(h)
	h["Content-Type"] = htmlType
	h["Vary"] = varyCoding
	if len(s.pages.link) > 0 {
		h["Link"] = s.pages.link
	}
	var body []byte
	if acceptsGzip(c.request.Header) {
		h["Content-Encoding"] = gzipCoding
		body = s.pages.packed.assemble(block, doc)
	} else {
		body = bytes.Join([][]byte{s.pages.before, block, snapshotOpen, documentText(doc), snapshotClose, s.pages.after}, nil)
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	_, _ = c.Write(body) // the client may be gone: nobody could be told
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

var entryPattern = regexp.MustCompile(`<(script|link)\b[^>]*?\b(?:src|href)="(/assets/[^"]+)"[^>]*>`)

// preloads tells the browser what to fetch before it has read the page: the scripts and styles that its head names.
func preloads(head []byte) []string {
	var links []string
	for _, m := range entryPattern.FindAllSubmatch(head, -1) {
		tag, path := string(m[0]), string(m[2])
		how := ""
		switch {
		case strings.Contains(tag, `type="module"`), strings.Contains(tag, `rel="modulepreload"`):
			how = "rel=modulepreload"
		case string(m[1]) == "script":
			how = "rel=preload; as=script"
		case strings.Contains(tag, `rel="stylesheet"`):
			how = "rel=preload; as=style"
		default:
			continue
		}
		if strings.Contains(tag, " crossorigin") { // the same way of fetching, or it is fetched twice
			how += "; crossorigin"
		}
		links = append(links, "<"+path+">; "+how)
	}
	if len(links) == 0 {
		return nil
	}
	return []string{strings.Join(links, ", ")}
}

// noSuchPage answers a page's address that does not exist.
func (s *server) noSuchPage(c *call) {
	setPageHeaders(c.Header())
	c.Header()["Content-Type"] = htmlType
	c.WriteHeader(http.StatusNotFound)
	if c.request.Method != http.MethodHead {
		_, _ = c.Write(s.pages.missing) // the client may be gone: nobody could be told
	}
}
