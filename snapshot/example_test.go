package snapshot_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// What a shop's panel shows: on its real database each takes seconds.
func slowOrders(context.Context) (any, error) { return map[string]int{"open": 12, "late": 1}, nil }
func slowStock(context.Context) (any, error)  { return map[string]int{"lamps": 3}, nil }

// folder is where the examples keep files: in a program, its data folder.
var folder, _ = os.MkdirTemp("", "snapshot-")

// A slow admin panel behind a snapshot: two queries that take seconds become one answer that takes microseconds.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	panel, err := snapshot.Open(ctx, snapshot.Options{
		Sections: []snapshot.Section{
			{Name: "orders", Collect: slowOrders},
			{Name: "stock", Collect: slowStock},
		},
		File: filepath.Join(folder, "panel.json"), // what a restarted process shows at once
	})
	if err != nil {
		panic(err)
	}
	defer panel.Close(context.Background()) // when the last document is in the file
	go panel.Run(ctx)
	mux := http.NewServeMux() // put your authorization around both
	mux.Handle("GET /panel", panel.Handler())
	mux.Handle("GET /panel/stream", panel.Stream())
	fmt.Println(get(mux, "/panel")["orders"])
	// Output: map[late:1 open:12]
}

// get asks a handler for a document.
func get(handler http.Handler, path string) (doc map[string]any) {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	_ = json.Unmarshal(answer.Body.Bytes(), &doc)
	return doc
}

// A panel over three slow HTTP services, of which one fails after a while: what it said last stays on screen, with its age
// and the reason.
func Example_services() {
	var down atomic.Bool
	service := func(status string) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if status == "busy" && down.Load() {
				http.Error(w, "out of memory", http.StatusInternalServerError)
				return
			}
			time.Sleep(20 * time.Millisecond) // they are slow; the panel is not
			fmt.Fprintf(w, `{"status": %q}`, status)
		}))
	}
	var sections []snapshot.Section
	for name, status := range map[string]string{"billing": "ok", "search": "busy", "mail": "idle"} {
		server := service(status)
		defer server.Close()
		sections = append(sections, snapshot.Section{
			Name: name, Path: "services." + name, Deadline: 5 * time.Second,
			Unmetered: true, // it costs the database nothing
			Collect:   func(ctx context.Context) (any, error) { return fetch(ctx, server.URL) },
		})
	}
	ctx := context.Background()
	panel, err := snapshot.Open(ctx, snapshot.Options{Name: "services", Sections: sections}) // and panel.Run(ctx) in a program
	if err != nil {
		panic(err)
	}
	show := func() {
		doc, _, err := panel.Get(ctx)
		if err != nil {
			panic(err)
		}
		var v struct {
			Services map[string]struct{ Status string }
		}
		_ = json.Unmarshal(doc.JSON, &v)
		fmt.Printf("%s %s %s %q\n", v.Services["billing"].Status, v.Services["search"].Status, v.Services["mail"].Status, doc.Sections["search"].Error)
	}
	show()
	down.Store(true)
	_ = panel.Refresh(ctx)
	show()
	// Output:
	// ok busy idle ""
	// ok busy idle "500 Internal Server Error"
}

// fetch returns what a service answers, as it is.
func fetch(ctx context.Context, url string) (any, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	body, err := io.ReadAll(response.Body)
	return json.RawMessage(body), err
}

// Something has changed: the section touched is collected and published at once, not at the next tick.
func ExamplePanel_Nudge() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	open := make(chan int, 2)
	open <- 12
	open <- 13
	panel, err := snapshot.Open(ctx, snapshot.Options{Interval: time.Hour, Sections: []snapshot.Section{{
		Name:    "orders",
		Collect: func(context.Context) (any, error) { return map[string]int{"open": <-open}, nil },
	}}})
	if err != nil {
		panic(err)
	}
	go panel.Run(ctx)
	for s := range panel.Watch(ctx) {
		var doc struct{ Orders struct{ Open int } }
		_ = json.Unmarshal(s.JSON, &doc)
		fmt.Println(doc.Orders.Open)
		if doc.Orders.Open == 13 {
			break
		}
		panel.Nudge("orders")
	}
	// Output:
	// 12
	// 13
}

// Two processes show one document: one of them collects, whichever has the lease, and both show it. A real link is one
// of package redislink or pglink; this one is in memory.
func ExampleOpen_links() {
	hub := snapshottest.NewHub("redis")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var ended []chan error
	process := func(name string) *snapshot.Panel {
		panel, err := snapshot.Open(ctx, snapshot.Options{
			Sections: []snapshot.Section{{Name: "orders", Collect: func(context.Context) (any, error) {
				return map[string]string{"collected by": name}, nil
			}}},
			Links: []link.Link{hub.Link(name)}, Process: name,
		})
		if err != nil {
			panic(err)
		}
		run := make(chan error, 1)
		ended = append(ended, run)
		go func() { run <- panel.Run(ctx) }()
		return panel
	}
	show := func(panel *snapshot.Panel) {
		for s := range panel.Watch(ctx) {
			fmt.Println(s.Publisher, string(s.JSON[:len(`{"orders":{"collected by":"one"}`)]))
			break
		}
	}
	show(process("one"))
	show(process("two"))

	stop()
	for _, run := range ended {
		fmt.Println(<-run)
	}
	// Output:
	// one {"orders":{"collected by":"one"}
	// one {"orders":{"collected by":"one"}
	// <nil>
	// <nil>
}

// Code that embeds the document, as in the first HTML page, asks for the best there is.
func ExamplePanel_Get() {
	panel, err := snapshot.Open(context.Background(), snapshot.Options{
		Sections: []snapshot.Section{{Name: "orders", Collect: slowOrders}},
	})
	if err != nil {
		panic(err)
	}
	for range 2 {
		s, served, err := panel.Get(context.Background())
		if err != nil {
			panic(err)
		}
		fmt.Println(served.Rung, served.Stale, len(s.JSON) > 0)
	}
	// Output:
	// rebuild false true
	// memory false true
}
