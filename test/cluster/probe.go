package cluster

import (
	"context"
	"net/http"
	"time"
)

// Probe asks any server at a steady pace, the way a Viewer does, and judges nothing: what it measures at a server that
// does next to nothing is the noise of the machine.
type Probe struct {
	record
	requester *requester
	stop      context.CancelFunc
	done      chan struct{}
}

// StartProbe begins to ask.
func StartProbe(url string, every time.Duration) (*Probe, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Probe{requester: newRequester(), stop: stop, done: make(chan struct{})}
	request = request.WithContext(ctx)
	go func() { // ended by Close
		defer close(p.done)
		atPace(ctx, every, func() {
			seen := Sample{At: time.Now()}
			_, status, err := p.requester.ask(request)
			seen.Took = time.Since(seen.At)
			if err == nil {
				seen.Status = status
			}
			if ctx.Err() == nil {
				p.add(seen)
			}
		})
	}()
	return p, nil
}

// Close ends the probe.
func (p *Probe) Close() {
	p.stop()
	<-p.done
	p.requester.close()
}
