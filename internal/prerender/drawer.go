package prerender

import (
	"context"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/agentos/agentos/snapshot"
)

const (
	// often is the time between two drawings while pages are asked for.
	often = 5 * time.Second
	// seldom is that time when nobody has asked for one in a while.
	seldom = 15 * time.Second
	// head is the lead of everything else that a process has to do when it starts.
	head = 2 * time.Second
	// awhile is how long a page asked for is remembered.
	awhile = 5 * time.Minute
)

// Keep is how long a drawing may be shown. One that is older is of no use: the page is then made by the browser alone.
const Keep = 2 * seldom

// Drawing is the overview as it was at a document.
type Drawing struct {
	Of   *snapshot.Snapshot
	HTML []byte
}

// Options say what is drawn.
type Options struct {
	Panel *snapshot.Panel
	UI    fs.FS        // the built dashboard
	Log   *slog.Logger // nil: discard

	Page Page
}

// Drawer keeps a drawing of the newest document.
type Drawer struct {
	opts   Options
	latest atomic.Pointer[Drawing]
	asked  atomic.Int64 // unix ns of the last Latest
	wanted chan struct{}
}

// New makes a drawer. Run draws.
func New(opts Options) *Drawer {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Drawer{opts: opts, wanted: make(chan struct{}, 1)}
}

// Latest is the newest drawing; nil when there is none that may still be shown.
func (d *Drawer) Latest() *Drawing {
	before := d.asked.Swap(time.Now().UnixNano())
	if time.Since(time.Unix(0, before)) > awhile {
		select {
		case d.wanted <- struct{}{}: // Run may be in its longer pause
		default:
		}
	}
	drawing := d.latest.Load()
	if drawing == nil || (drawing.Of != d.opts.Panel.Current() && time.Since(drawing.Of.At) > Keep) {
		return nil
	}
	return drawing
}

// Run draws until the context ends. A page that cannot be drawn is not shown, which is told once in the log: the browser makes
// it by itself.
func (d *Drawer) Run(ctx context.Context) error {
	if !d.pause(ctx, head) {
		return nil
	}
	engine, err := NewEngine(d.opts.UI)
	if err != nil {
		d.opts.Log.Warn("pages are made by the browser alone", "error", err)
		return nil
	}
	told := ""
	for {
		if doc := d.opts.Panel.Current(); doc != nil && !d.drawn(doc) {
			html, err := engine.Draw(doc, d.opts.Page)
			switch {
			case err == nil:
				d.latest.Store(&Drawing{Of: doc, HTML: html})
			case err.Error() != told:
				told = err.Error()
				d.opts.Log.Warn("a page is made by the browser alone", "error", err)
			}
		}
		if !d.pause(ctx, d.pace()) {
			return nil
		}
	}
}

func (d *Drawer) drawn(doc *snapshot.Snapshot) bool {
	drawing := d.latest.Load()
	return drawing != nil && drawing.Of == doc
}

// pace is the time until the next drawing.
func (d *Drawer) pace() time.Duration {
	if d.latest.Load() == nil || time.Since(time.Unix(0, d.asked.Load())) < awhile {
		return often
	}
	return seldom
}

// pause waits, at most until somebody asks for a page who is the first in a while; false: the context has ended.
func (d *Drawer) pause(ctx context.Context, length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-d.wanted:
	}
	return true
}
