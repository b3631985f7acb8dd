package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// pollers ask a server for paths, one after the other, every five seconds, as the replaced page does.
type pollers struct {
	stop    context.CancelFunc
	group   sync.WaitGroup
	refused atomic.Int64 // calls that were not answered with a success
	rounds  atomic.Int64 // of all paths
}

// pollEvery is how long a poller waits after a round.
const pollEvery = 5 * time.Second

func startPollers(ctx context.Context, c *contestant, n int, paths ...string) *pollers {
	ctx, stop := context.WithCancel(ctx)
	p := &pollers{stop: stop}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n, DisableCompression: true}}
	for i := range n {
		p.group.Go(func() { // ended by close
			if pause(ctx, pollEvery*time.Duration(i)/time.Duration(n)) != nil { // not all at the same moment
				return
			}
			for {
				for _, path := range paths {
					p.ask(ctx, client, c, path)
				}
				p.rounds.Add(1)
				if pause(ctx, pollEvery) != nil {
					client.CloseIdleConnections()
					return
				}
			}
		})
	}
	return p
}

func (p *pollers) ask(ctx context.Context, client *http.Client, c *contestant, path string) {
	request, err := c.api().Request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return
	}
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := client.Do(request)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close() // it was read to its end
		if err == nil && response.StatusCode != http.StatusOK {
			err = errors.New(response.Status)
		}
	}
	if err != nil && ctx.Err() == nil {
		p.refused.Add(1)
	}
}

func (p *pollers) close() {
	p.stop()
	p.group.Wait()
}
