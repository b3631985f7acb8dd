package snapshot

import (
	"net/http"
	"strconv"
	"time"

	"github.com/agentos/agentos/snapshot/internal/headers"
	"github.com/agentos/agentos/snapshot/internal/jsonpatch"
)

// A handler answers GET and HEAD with the document, see Panel.Handler. When the document in memory is fresh it takes no lock
// and allocates nothing beyond what net/http needs.
type handler struct {
	cache *cache
	name  string

	contentType, cacheControl, vary, gzip, timing []string
	ages                                          [][]string // Age by whole seconds
	hits                                          [][]string // Cache-Status of memory by seconds of freshness left
}

// maxReadyAge is the largest age in seconds whose header value is made in advance.
const maxReadyAge = 300

// newHandler makes the handler of a cache's document. name is the cache's in the Cache-Status header, a token.
func newHandler(cache *cache, name string) *handler {
	h := &handler{
		cache: cache, name: name,
		contentType:  []string{"application/json"},
		cacheControl: []string{"private, no-cache"},
		vary:         []string{"Accept-Encoding"},
		gzip:         []string{"gzip"},
		timing:       []string{"memory;dur=0"},
	}
	for age := range maxReadyAge + 1 {
		h.ages = append(h.ages, []string{strconv.Itoa(age)})
	}
	for ttl := range min(seconds(cache.opts.FreshFor), maxReadyAge) + 1 {
		h.hits = append(h.hits, []string{headers.CacheStatus(name, RungMemory, false, ttl)})
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeProblem(w, http.StatusMethodNotAllowed, "The document can only be read: use GET or HEAD.")
		return
	}
	began := time.Now()
	snap, served, err := h.cache.Get(r.Context())
	if err != nil {
		writeUnavailable(w)
		return
	}
	header := w.Header()
	compressed := headers.AcceptsGzip(r.Header["Accept-Encoding"])
	if served.Rung != RungMemory || !compressed {
		header["Server-Timing"] = h.timingOf(served.Rung, began)
		header["Vary"] = h.varies(header["Vary"])
	}
	h.describe(header, snap, served)
	if tags := r.Header["If-None-Match"]; tags != nil {
		if tag := snap.match(tags); tag != nil {
			header["Etag"] = tag
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	form := &snap.plain
	if compressed {
		form = &snap.gzipped
		header["Content-Encoding"] = h.gzip
	}
	header["Etag"] = form.etag
	header["Content-Type"] = h.contentType
	header["Content-Length"] = form.length
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(form.body) // a viewer who has gone needs no answer
}

// match returns the entity tag of the snapshot that If-None-Match names, or nil. Either tag will do, whatever encoding this
// answer would have: both name the same content.
func (s *Snapshot) match(ifNoneMatch []string) []string {
	switch headers.Match(ifNoneMatch, s.plain.tag, s.gzipped.tag) {
	case s.plain.tag:
		return s.plain.etag
	case s.gzipped.tag:
		return s.gzipped.etag
	}
	return nil
}

// describe sets the headers that say how and how old the document is served. The keys are in canonical form and the
// values shared: nobody may change them in place.
func (h *handler) describe(header http.Header, snap *Snapshot, served Served) {
	header["Cache-Control"] = h.cacheControl
	header["Age"] = h.age(seconds(served.Age))
	ttl := seconds(h.cache.opts.FreshFor - time.Since(snap.At))
	if served.Rung == RungMemory && ttl >= 0 && ttl < len(h.hits) {
		header["Cache-Status"] = h.hits[ttl]
		return
	}
	header["Cache-Status"] = []string{headers.CacheStatus(h.name, served.Rung, served.Rung == RungRebuild, ttl)}
}

// varies adds what this handler's answer depends on to that of a handler around it.
func (h *handler) varies(already []string) []string {
	if len(already) == 0 {
		return h.vary
	}
	return append(already, h.vary...)
}

func (h *handler) timingOf(rung string, began time.Time) []string {
	if rung == RungMemory {
		return h.timing
	}
	return []string{headers.ServerTiming(rung, time.Since(began))}
}

func (h *handler) age(s int) []string {
	if s < len(h.ages) {
		return h.ages[s]
	}
	return []string{strconv.Itoa(s)}
}

// seconds rounds down, for negative durations too.
func seconds(d time.Duration) int {
	s := int(d / time.Second)
	if d < 0 && d%time.Second != 0 {
		s--
	}
	return s
}

// retryAfter is how many seconds later one who found nothing should ask again: an interval of the warmer.
const retryAfter = "5"

func writeUnavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", retryAfter)
	writeProblem(w, http.StatusServiceUnavailable,
		"There is no data to show: none has been collected yet and none is stored. Ask again in "+retryAfter+
			" seconds. If this lasts, the server's log says which of its data sources fails and why.")
}

// writeProblem answers with an RFC 9457 problem. The detail says what to do.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	body := `{"type":"about:blank","title":` + string(jsonpatch.Quote(http.StatusText(status))) +
		`,"status":` + strconv.Itoa(status) + `,"detail":` + string(jsonpatch.Quote(detail)) + "}\n"
	_, _ = w.Write([]byte(body))
}
