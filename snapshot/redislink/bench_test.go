package redislink_test

import (
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/redislink"
	"github.com/agentos/agentos/test/servers"
)

// BenchmarkStoreToListener takes the time from the start of Store in one process until the document is in another one.
func BenchmarkStoreToListener(b *testing.B) {
	redis := servers.StartRedis(b)
	from, err := redislink.Open(b.Context(), redis.URL(), redislink.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer from.Close()
	to, err := redislink.Open(b.Context(), redis.URL(), redislink.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ready, received, ended := make(chan struct{}), make(chan []byte, 1), make(chan struct{})
	go func() {
		defer close(ended)
		_ = to.Listen(b.Context(), link.Listener{OnReady: func() { close(ready) }, OnDocument: func(doc []byte) { received <- doc }})
	}()
	defer func() {
		to.Close()
		<-ended
	}()
	<-ready
	text := strings.Repeat("a line of a document ", 55_000/21)
	var storing time.Duration
	for b.Loop() {
		b.StopTimer()
		doc := document(b, text)
		b.StartTimer()
		began := time.Now()
		if err := from.Store(b.Context(), doc); err != nil {
			b.Fatal(err)
		}
		storing += time.Since(began)
		if got := <-received; len(got) != len(doc.JSON) {
			b.Fatalf("%d bytes arrived, %d were stored", len(got), len(doc.JSON))
		}
	}
	b.ReportMetric(float64(storing.Nanoseconds())/float64(b.N), "store-ns/op")
}
