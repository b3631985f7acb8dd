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
const shim = `globalThis.URL = class { constructor(href) { this.href = href; this.pathname = "/"; this.search = ""; this.searchParams = { get() { return null } } } }`

// Engine draws pages. Each drawing has a JavaScript runtime of its own: it costs a millisecond, and nothing of one drawing,
// neither memory nor state, reaches the next. An Engine may be used by several goroutines.
type Engine struct {
	program *goja.Program
}

// NewEngine reads the script and compiles it, which takes some 15 ms. ui is the built dashboard.
func NewEngine(ui fs.FS) (*Engine, error) {
	script, err := fs.ReadFile(ui, Script)
	if err != nil {
		return nil, fmt.Errorf("read the script that draws pages: %w", err)
	}
	program, err := goja.Compile(Script, string(script), true)
	if err != nil {
		return nil, fmt.Errorf("the script that draws pages: %w", err)
	}
	e := &Engine{program: program}
	if _, err := e.load(goja.New()); err != nil {
		return nil, err
	}
	return e, nil
}

// load runs the script in a new runtime and returns its function that draws.
func (e *Engine) load(vm *goja.Runtime) (goja.Callable, error) {
	if _, err := vm.RunString(shim); err != nil {
		return nil, err
	}
	if _, err := vm.RunProgram(e.program); err != nil {
		return nil, fmt.Errorf("run %s: %w", Script, err)
	}
	draw, ok := goja.AssertFunction(vm.Get("draw"))
	if !ok {
		return nil, errors.New(Script + " has no function draw: run \"make generate\"")
	}
	return draw, nil
}

// Page is what a page shows beside the document.
type Page struct {
	Fleet bool   `json:"fleet"` // agents can be given work and paused
	Acts  bool   `json:"acts"`  // jobs and queues can be acted on
	Base  string `json:"base"`  // the path of a proxy that the server is below; empty: none
}

// boot is the page's data block of that name, without anybody signed in.
type boot struct {
	Page
	Now    time.Time `json:"now"`
	Served struct {
		Rung  string  `json:"rung"`
		AgeS  float64 `json:"age_s"`
		Stale bool    `json:"stale"`
	} `json:"served"`
}

// Draw returns the overview as HTML, for the inside of the page's body: as it was when the document was published.
func (e *Engine) Draw(doc *snapshot.Snapshot, page Page) (html []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil { // the engine is a large program of others
			err = fmt.Errorf("draw the overview: %v", cause)
		}
	}()
	about := boot{Page: page, Now: doc.At}
	about.Served.Rung, about.Served.Stale = "memory", doc.Stale
	block, err := json.Marshal(about)
	if err != nil {
		return nil, err
	}
	vm := goja.New()
	vm.SetTimeSource(func() time.Time { return doc.At })
	timer := time.AfterFunc(patience, func() { vm.Interrupt("it took too long") })
	defer timer.Stop()
	draw, err := e.load(vm)
	if err != nil {
		return nil, err
	}
	value, err := draw(goja.Undefined(), vm.ToValue(string(doc.JSON)), vm.ToValue(string(block)))
	if err != nil {
		return nil, fmt.Errorf("draw the overview: %w", err)
	}
	return []byte(value.String()), nil
}
