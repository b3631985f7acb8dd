package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const documentPath = "/api/admin/ssot"

// Viewer asks one server for the document at a steady pace, as a dashboard without stream would, only more often. It
// judges every answer: it must be there at once, be the document or, when there is none, a problem document, not go
// back in time, and not claim to be younger than it is.
type Viewer struct {
	*complaints
	record
	member    *Member
	flow      *Flow
	requester *requester
	stop      context.CancelFunc
	done      chan struct{}

	// Of the goroutine that asks.
	revision uint64
	etag     string

	guarded sync.Mutex
	last    *Document
}

// View begins to look at a server; flow may be nil.
func (m *Member) View(every time.Duration, flow *Flow) (*Viewer, error) {
	ctx, stop := context.WithCancel(context.Background())
	v := &Viewer{
		complaints: &complaints{who: "a viewer of " + m.Name},
		member:     m, flow: flow, requester: newRequester(), stop: stop, done: make(chan struct{}),
	}
	request, err := m.Request(ctx, http.MethodGet, documentPath, nil)
	if err != nil {
		stop()
		return nil, err
	}
	request.Header.Set("Accept-Encoding", "gzip")
	go func() { // ended by Close
		defer close(v.done)
		atPace(ctx, every, func() { v.look(ctx, request) })
	}()
	return v, nil
}

// Close ends the viewer.
func (v *Viewer) Close() {
	v.stop()
	<-v.done
	v.requester.close()
}

// Last is the document seen last, nil before the first.
func (v *Viewer) Last() *Document {
	v.guarded.Lock()
	defer v.guarded.Unlock()
	return v.last
}

// look makes one request and judges its answer.
func (v *Viewer) look(ctx context.Context, request *http.Request) {
	wasAway, wasCold := v.member.Away(), v.member.cold.Load()
	seen := Sample{At: time.Now()}
	header, status, err := v.requester.ask(request)
	seen.Took = time.Since(seen.At)
	if ctx.Err() != nil {
		return
	}
	seen.Away = wasAway || v.member.Away()
	switch {
	case err != nil:
		if !seen.Away {
			v.wrong("no answer after %v: %v", seen.Took, err)
		}
	case status == http.StatusOK:
		seen.Status = status
		v.member.cold.Store(false)
		seen.Rung = rungOf(header)
		v.judge(header, &seen)
	case status == http.StatusServiceUnavailable && wasCold:
		seen.Status = status
		if kind := header.Get("Content-Type"); !strings.HasPrefix(kind, "application/problem+json") || !json.Valid(v.requester.body.Bytes()) {
			v.wrong("status 503 without a problem document: %s: %.200s", kind, v.requester.body.Bytes())
		}
	default:
		seen.Status = status
		if !seen.Away {
			v.wrong("status %d: %.300s", status, v.requester.body.Bytes())
		}
	}
	v.add(seen)
}

// judge checks a document: whole, not older than one seen before, and not younger than it says.
func (v *Viewer) judge(header http.Header, seen *Sample) {
	const slack = 1500 * time.Millisecond // Age is in whole seconds
	if etag := header.Get("ETag"); etag == "" || etag != v.etag {
		d, err := v.parse(header)
		if err != nil {
			v.wrong("%v", err)
			return
		}
		if d.Meta.Revision < v.revision {
			v.wrong("revision %d after %d, published %v", d.Meta.Revision, v.revision, d.Timestamp)
		}
		v.etag, v.revision = etag, d.Meta.Revision
		v.keep(d)
		v.judgeTruth(d, seen.At)
	}
	age, err := strconv.Atoi(header.Get("Age"))
	if err != nil {
		v.wrong("the Age is %q", header.Get("Age"))
		return
	}
	seen.Age = time.Duration(age) * time.Second
	if real := seen.At.Sub(v.last.Meta.AsOf); real-seen.Age > slack {
		v.wrong("Age says %v, but the document is as of %v, %v ago", seen.Age, v.last.Meta.AsOf, real)
	}
	if v.flow == nil {
		return
	}
	if missed := v.flow.Missed(v.last.NewestJob()); !missed.IsZero() {
		seen.TrueAge = max(0, seen.At.Sub(missed))
	}
	if shown := max(seen.Age, seen.At.Sub(v.last.JobsAsOf())); seen.TrueAge-shown > slack {
		v.wrong("its jobs are %v old, by Age %v, as of %v", seen.TrueAge, seen.Age, v.last.JobsAsOf())
	}
}

func (v *Viewer) parse(header http.Header) (*Document, error) {
	text, err := v.requester.text(header)
	if err != nil {
		return nil, err
	}
	return parseDocument(text)
}

func (v *Viewer) keep(d *Document) {
	v.guarded.Lock()
	defer v.guarded.Unlock()
	v.last = d
}

// judgeTruth checks a new document: what was put into the database before the jobs were read, as it says, is in it.
func (v *Viewer) judgeTruth(d *Document, at time.Time) {
	const slack = 500 * time.Millisecond // for rounding, and for a commit that was slow to be acknowledged
	if v.flow == nil || d.Dashboard.Jobs == nil {
		return
	}
	missed := v.flow.Missed(d.NewestJob())
	if claim := d.JobsAsOf(); !missed.IsZero() && claim.Sub(missed) > slack {
		v.wrong("revision %d says that its jobs are as of %v, but one of %v is missing (seen %v)", d.Meta.Revision, claim, missed, at)
	}
}

// rungOf is the rung of the ladder that Cache-Status names.
func rungOf(header http.Header) string {
	status := header.Get("Cache-Status")
	if _, detail, found := strings.Cut(status, "detail="); found {
		detail, _, _ = strings.Cut(detail, ";")
		return strings.Trim(strings.TrimSpace(detail), `"`)
	}
	return status
}

// complaints are the first things that were wrong since they were asked for.
type complaints struct {
	who   string
	guard sync.Mutex
	texts []string
}

func (c *complaints) wrong(format string, args ...any) {
	c.guard.Lock()
	defer c.guard.Unlock()
	if len(c.texts) < 10 {
		c.texts = append(c.texts, fmt.Sprintf("%s %s saw: ", time.Now().UTC().Format("15:04:05.000"), c.who)+fmt.Sprintf(format, args...))
	}
}

// Complaints are the first ten things that were wrong since the last call.
func (c *complaints) Complaints() []string {
	c.guard.Lock()
	defer c.guard.Unlock()
	texts := c.texts
	c.texts = nil
	return texts
}
