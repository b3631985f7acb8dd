package snapshot

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agentos/agentos/snapshot/internal/headers"
	"github.com/agentos/agentos/snapshot/internal/sse"
)

// streamOptions configures a stream.
type streamOptions struct {
	// Beat is how often a subscriber is shown that the connection lives. Zero = 10 s.
	Beat time.Duration

	// WriteTimeout is how long one write to a subscriber may take before it is dropped. Zero = 10 s.
	WriteTimeout time.Duration

	// MaxSubscribers is how many there may be at the same time; more are answered 503. Zero = 10,000.
	MaxSubscribers int

	// Log receives what operators should know. Nil = nothing is logged.
	Log *slog.Logger
}

// An EndReason says why the server ends a stream. Cancel a request's context with one as its cause, or call
// Panel.EndStreams, and the subscriber is sent an "end" event before the connection closes.
type EndReason string

// The reasons this package and its callers know of; any other text will do.
const (
	EndSession  EndReason = "session"  // the viewer is no longer logged in
	EndShutdown EndReason = "shutdown" // the server stops; connect again later
)

// Error implements error, so that a reason can be a context's cause.
func (r EndReason) Error() string { return "the stream ends: " + string(r) }

// streamStats counts what a stream did since it was made.
type streamStats struct {
	Subscribers int    // connected now
	Resumed     uint64 // subscribers who needed no full document
	Dropped     uint64 // cut off because they did not read
	Bytes       uint64 // sent, as compressed
}

// A stream is the http.Handler of the document as server-sent events: the whole of it on connecting or after a gap, then
// a merge patch for each revision. Each subscriber is served by its own request's goroutine; what it is sent was
// encoded and deflated once for all. A slow one skips to the latest document and holds up nobody. One that has a newer
// document than this process, from another process of a group, is sent an older one only if this process does not catch
// up within 2 s.
type stream struct {
	cache *cache
	opts  streamOptions
	log   *slog.Logger

	closing chan struct{} // closed by Close
	once    sync.Once
	reason  EndReason // why, written before closing is closed
	beat    atomic.Pointer[heartbeat]

	subscribers             atomic.Int64
	resumed, dropped, bytes atomic.Uint64
}

// A heartbeat is the beat event of one second, shared by all who beat in it.
type heartbeat struct {
	revision uint64
	second   int64
	event    *sse.Event
}

// newStream makes the stream of a cache's document.
func newStream(cache *cache, opts streamOptions) *stream {
	opts.Beat = orDefault(opts.Beat, 10*time.Second)
	opts.WriteTimeout = orDefault(opts.WriteTimeout, 10*time.Second)
	if opts.MaxSubscribers <= 0 {
		opts.MaxSubscribers = 10_000
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &stream{cache: cache, opts: opts, log: opts.Log, closing: make(chan struct{})}
}

// Close sends all subscribers why they are cut off and lets no new ones in. It does not wait for them:
// http.Server.Shutdown does.
func (s *stream) Close(reason EndReason) {
	s.once.Do(func() {
		s.reason = reason
		close(s.closing)
	})
}

// Stats returns the counts so far.
func (s *stream) Stats() streamStats {
	return streamStats{
		Subscribers: int(s.subscribers.Load()), Resumed: s.resumed.Load(), Dropped: s.dropped.Load(), Bytes: s.bytes.Load(),
	}
}

// ServeHTTP serves one subscriber until it leaves or the stream ends.
func (s *stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		writeProblem(w, http.StatusMethodNotAllowed, "The stream can only be read: use GET.")
		return
	}
	if s.subscribers.Add(1); !s.admit(w, r) {
		s.subscribers.Add(-1)
		return
	}
	defer s.subscribers.Add(-1)
	sub := sse.NewWriter(w, r, headers.AcceptsGzip(r.Header["Accept-Encoding"]), s.opts.WriteTimeout)
	if err := s.feed(sub, r); errors.Is(err, os.ErrDeadlineExceeded) {
		s.dropped.Add(1)
		s.log.Debug("stream subscriber dropped: it does not read", "remote", r.RemoteAddr, "error", err)
	}
	s.bytes.Add(sub.Sent)
}

// admit answers those who cannot be served.
func (s *stream) admit(w http.ResponseWriter, r *http.Request) bool {
	select {
	case <-s.closing:
		w.Header().Set("Retry-After", retryAfter)
		writeProblem(w, http.StatusServiceUnavailable, "The server is stopping. Connect again in "+retryAfter+" seconds.")
		return false
	default:
	}
	if s.subscribers.Load() > int64(s.opts.MaxSubscribers) {
		w.Header().Set("Retry-After", retryAfter)
		writeProblem(w, http.StatusServiceUnavailable, "Too many streams are open. Read the document by GET instead, or close another page.")
		return false
	}
	if _, _, err := s.cache.Get(r.Context()); err != nil {
		writeUnavailable(w)
		return false
	}
	return true
}

// catchUp is how long a subscriber who has a newer document than this process is kept waiting for that one: it comes
// from another process, which is a little ahead.
const catchUp = 2 * time.Second

// feed sends events until one of the two sides ends it. The error is that of a failed write.
func (s *stream) feed(sub *sse.Writer, r *http.Request) error {
	beat := time.NewTicker(s.opts.Beat)
	defer beat.Stop()
	now, has := s.cache.current.Load(), resumeAt(r)
	var late <-chan time.Time // not nil = the subscriber waits for this process to catch up, until then
	var err error
	if has > now.snap.Revision {
		timer := time.NewTimer(catchUp)
		defer timer.Stop()
		late = timer.C
		err = s.sendBeat(sub, now)
	} else {
		err = s.greet(sub, now, has)
		has = now.snap.Revision
	}
	for err == nil {
		select {
		case <-now.next:
			now = s.cache.current.Load() // the latest, which may be several further on
			switch {
			case late == nil:
				err = s.advance(sub, now, has)
			case has <= now.snap.Revision:
				late, err = nil, s.greet(sub, now, has)
			default:
				continue
			}
			has = now.snap.Revision
		case <-late: // its document was lost with whoever published it
			late, err = nil, s.advance(sub, now, has)
			has = now.snap.Revision
		case <-beat.C:
			err = s.sendBeat(sub, now)
		case <-s.closing:
			return sub.End(sse.End(s.cache.zip, string(s.reason)))
		case <-r.Context().Done():
			var reason EndReason
			if errors.As(context.Cause(r.Context()), &reason) {
				return sub.End(sse.End(s.cache.zip, string(reason)))
			}
			return nil // the subscriber has left
		}
	}
	return err
}

// greet brings a new subscriber from the revision it has, 0 for none, to the current one. One that is there already
// is sent a beat, so that it knows at once that it is connected.
func (s *stream) greet(sub *sse.Writer, now *published, revision uint64) error {
	if _, resumed := now.since(revision); resumed {
		s.resumed.Add(1)
	}
	if revision == now.snap.Revision {
		return s.sendBeat(sub, now)
	}
	return s.advance(sub, now, revision)
}

// advance brings a subscriber from a revision to the current one.
func (s *stream) advance(sub *sse.Writer, now *published, revision uint64) error {
	events, _ := now.since(revision)
	return sub.Send(events...)
}

// sendBeat shows a subscriber that the connection lives.
func (s *stream) sendBeat(sub *sse.Writer, now *published) error {
	return sub.Send(s.beatEvent(now.snap.Revision, time.Now()))
}

// beatEvent returns the beat of this second, made by the first who needs it.
func (s *stream) beatEvent(revision uint64, now time.Time) *sse.Event {
	last := s.beat.Load()
	if last == nil || last.revision != revision || last.second != now.Unix() {
		last = &heartbeat{revision, now.Unix(), sse.Beat(s.cache.zip, revision, formatTime(now))}
		s.beat.Store(last)
	}
	return last.event
}

// since returns what brings a subscriber from a revision to the current one: the held patches (true) if they reach back
// that far and are less than the whole, which it is otherwise.
func (p *published) since(revision uint64) (events []*sse.Event, resumed bool) {
	if revision == p.snap.Revision {
		return nil, true
	}
	from, found := slices.BinarySearchFunc(p.patches, revision, func(d *delta, revision uint64) int {
		return cmp.Compare(d.from, revision)
	})
	if !found {
		return []*sse.Event{p.snap.event()}, false
	}
	size := 0
	for _, d := range p.patches[from:] {
		events = append(events, d.event)
		size += d.event.Size()
	}
	if size >= len(p.snap.JSON) {
		return []*sse.Event{p.snap.event()}, false
	}
	return events, true
}

// resumeAt is the revision a subscriber says it has; 0 = none. A browser sends Last-Event-ID only when it reconnects by
// itself; on its first connection the page names in the query the revision it was delivered with.
func resumeAt(r *http.Request) uint64 {
	if revision, ok := headers.ParseRevision(r.Header.Get("Last-Event-Id")); ok {
		return revision
	}
	revision, _ := headers.ParseRevision(r.URL.Query().Get("revision"))
	return revision
}
