package snapshot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/agentos/agentos/snapshot"
	"github.com/agentos/agentos/snapshot/snapshottest"
)

// The sources of a shop's panel: on its real database each takes seconds.
func orders(ctx context.Context) (any, error) {
	return map[string]any{"open": 12, "late": 1}, nil
}

func stock(ctx context.Context) (any, error) {
	return map[string]any{"items": map[string]any{"7": map[string]any{"order": 1, "name": "lamp", "left": 3}}}, nil
}

// A slow admin panel behind a snapshot: two queries that take seconds become one answer that takes microseconds.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	folder, err := os.MkdirTemp("", "shop-") // in a program: its data folder
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)

	cache := snapshot.NewCache(snapshot.CacheOptions{
		Tiers: []snapshot.Tier{snapshot.NewFileTier(filepath.Join(folder, "panel.json"))},
	})
	warmer, err := snapshot.NewWarmer(cache, []snapshot.Section{
		{Name: "orders", Path: "shop.orders", Source: snapshot.SourceFunc(orders)},
		{Name: "stock", Path: "shop.stock", Source: snapshot.SourceFunc(stock)},
	}, snapshot.WarmerOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := cache.Restore(ctx); err != nil {
		fmt.Println(err)
		return
	}
	warmed := make(chan error, 1)
	go func() { warmed <- warmer.Run(ctx) }()

	mux := http.NewServeMux() // put your authorization around both
	mux.Handle("GET /api/panel", snapshot.NewHandler(cache, snapshot.HandlerOptions{Name: "shop"}))
	mux.Handle("GET /api/panel/stream", snapshot.NewStream(cache, snapshot.StreamOptions{}))

	server := httptest.NewServer(mux)
	defer server.Close()
	answer, err := http.Get(server.URL + "/api/panel")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	var panel struct {
		Shop struct {
			Orders, Stock json.RawMessage
		}
	}
	fmt.Println(answer.StatusCode, json.Unmarshal(body, &panel))
	fmt.Println(string(panel.Shop.Orders))
	fmt.Println(string(panel.Shop.Stock))

	stop() // in this order: the last document is in the file when the process ends
	fmt.Println(<-warmed, cache.Close(context.Background()))
	// Output:
	// 200 <nil>
	// {"late":1,"open":12}
	// {"items":{"7":{"left":3,"name":"lamp","order":1}}}
	// <nil> <nil>
}

// Something has changed: the section touched is collected and published at once, not at the next tick.
func ExampleWarmer_Nudge() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	open := make(chan int, 2)
	open <- 12
	open <- 13
	cache := snapshot.NewCache(snapshot.CacheOptions{})
	warmer, err := snapshot.NewWarmer(cache, []snapshot.Section{{
		Name: "orders",
		Source: snapshot.SourceFunc(func(context.Context) (any, error) {
			return map[string]int{"open": <-open}, nil
		}),
	}}, snapshot.WarmerOptions{Interval: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	go warmer.Run(ctx)
	for s := range cache.Watch(ctx) {
		var doc struct{ Orders struct{ Open int } }
		_ = json.Unmarshal(s.JSON, &doc)
		fmt.Println(doc.Orders.Open)
		if doc.Orders.Open == 13 {
			break
		}
		warmer.Nudge("orders")
	}
	// Output:
	// 12
	// 13
}

// Two processes show one document: one of them collects, whichever has the lease, and both show it. A real link is one
// of package redistier or pgtier; this one is in memory.
func ExampleGroup() {
	hub := snapshottest.NewHub("redis")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var ended []chan error
	process := func(name string) *snapshot.Cache {
		link := hub.Link(name)
		cache := snapshot.NewCache(snapshot.CacheOptions{Tiers: []snapshot.Tier{link}})
		collect := func(context.Context) (any, error) { return map[string]string{"collected by": name}, nil }
		warmer, err := snapshot.NewWarmer(cache, []snapshot.Section{{Name: "orders", Source: snapshot.SourceFunc(collect)}},
			snapshot.WarmerOptions{Name: name})
		if err != nil {
			panic(err)
		}
		group, err := snapshot.NewGroup(cache, warmer, snapshot.GroupOptions{Links: []snapshot.Link{link}})
		if err != nil {
			panic(err)
		}
		run := make(chan error, 1)
		ended = append(ended, run)
		go func() { run <- group.Run(ctx) }() // in place of warmer.Run
		return cache
	}
	show := func(cache *snapshot.Cache) {
		for s := range cache.Watch(ctx) {
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

// What a consumer of the stream does with a patch event.
func ExampleApply() {
	doc := []byte(`{"orders":{"open":12,"late":1}}`)
	patch := []byte(`{"orders":{"open":13,"late":null}}`)
	doc, err := snapshot.Apply(doc, patch)
	fmt.Println(string(doc), err)
	// Output: {"orders":{"open":13}} <nil>
}

// Code that embeds the document, as in the first HTML page, asks the ladder itself.
func ExampleCache_Get() {
	cache := snapshot.NewCache(snapshot.CacheOptions{RebuildTimeout: time.Second})
	_, err := snapshot.NewWarmer(cache, []snapshot.Section{{Name: "orders", Source: snapshot.SourceFunc(orders)}},
		snapshot.WarmerOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		s, served, err := cache.Get(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(served.Rung, served.Stale, len(s.JSON) > 0)
	}
	// Output:
	// rebuild false true
	// memory false true
}
