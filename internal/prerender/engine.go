// Package prerender draws the overview on the server, from the document and by the very components that the browser runs, so that
// a page is complete before any of its scripts has come. It is done in the background, once a document at most: a request finds
// the page drawn.
//
// The script is ui/dist/prerender.js (ui/src/prerender.ts). It knows neither who will look at the page nor in which zone, and
// every age in it is that of the moment at which the document was published; the header of the page tells that moment.
package prerender

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/dop251/goja"

	"github.com/agentos/agentos/snapshot"
)

// Script is the name of the file with the script, within the built dashboard.
const Script = "prerender.js"

// patience is how long drawing a page may take. It takes some 60 ms; a script that hangs must not keep a core for ever.
const patience = 10 * time.Second

// shim is what the script expects of its surroundings, beyond the language.
const shim = `globalThis.URL = class { constructor(href) { this.href = href; this.pathname = "/"; this.search = "" } }`

// Engine draws pages. It is for one goroutine at a time.
type Engine struct {
	vm   *goja.Runtime
	draw goja.Callable
	now  time.Time // what the script takes for the present
}

// NewEngine reads the script and makes it ready, which takes some 50 ms. ui is the built dashboard.
func NewEngine(ui fs.FS) (*Engine, error) {
	script, err := fs.ReadFile(ui, Script)
	if err != nil {
		return nil, fmt.Errorf("read the script that draws pages: %w", err)
	}
	program, err := goja.Compile(Script, string(script), true)
	if err != nil {
		return nil, fmt.Errorf("the script that draws pages: %w", err)
	}
	e := &Engine{vm: goja.New()}
	e.vm.SetTimeSource(func() time.Time { return e.now })
	if _, err := e.vm.RunString(shim); err != nil {
		return nil, err
	}
	if _, err := e.vm.RunProgram(program); err != nil {
		return nil, fmt.Errorf("run %s: %w", Script, err)
	}
	draw, ok := goja.AssertFunction(e.vm.Get("draw"))
	if !ok {
		return nil, errors.New(Script + " has no function draw: run \"make ui\"")
	}
	e.draw = draw
	return e, nil
}

// boot is the page's data block of that name, without anybody signed in.
type boot struct {
	Fleet  bool `json:"fleet"`
	Acts   bool `json:"acts"`
	Served struct {
		Rung  string  `json:"rung"`
		AgeS  float64 `json:"age_s"`
		Stale bool    `json:"stale"`
	} `json:"served"`
}

// Draw returns the overview as HTML, for the inside of the page's body: as it was when the document was published. fleet: agents
// can be given work and paused; acts: jobs and queues can be acted on.
func (e *Engine) Draw(doc *snapshot.Snapshot, fleet, acts bool) (html []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil { // the engine is a large program of others
			err = fmt.Errorf("draw the overview: %v", cause)
		}
	}()
	about := boot{Fleet: fleet, Acts: acts}
	about.Served.Rung, about.Served.Stale = "memory", doc.Stale
	block, err := json.Marshal(about)
	if err != nil {
		return nil, err
	}
	e.now = doc.At
	timer := time.AfterFunc(patience, func() { e.vm.Interrupt("it took too long") })
	defer func() {
		timer.Stop()
		e.vm.ClearInterrupt()
	}()
	value, err := e.draw(goja.Undefined(), e.vm.ToValue(string(doc.JSON)), e.vm.ToValue(string(block)))
	if err != nil {
		return nil, fmt.Errorf("draw the overview: %w", err)
	}
	return []byte(value.String()), nil
}
