package cluster

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// requester makes the same request again and again and measures the answers, with as few allocations as may be: what the
// tests themselves cost is in what they measure.
type requester struct {
	client *http.Client
	body   bytes.Buffer // as it was sent, until the next call
}

func newRequester() *requester {
	return &requester{client: &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 2, DisableCompression: true},
	}}
}

// ask gives the headers and the status of the answer, once its body is there.
func (r *requester) ask(request *http.Request) (header http.Header, status int, err error) {
	r.body.Reset()
	response, err := r.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	_, err = r.body.ReadFrom(response.Body)
	return response.Header, response.StatusCode, err
}

// text is the last body, decompressed.
func (r *requester) text(header http.Header) ([]byte, error) {
	if header.Get("Content-Encoding") != "gzip" {
		return r.body.Bytes(), nil
	}
	reader, err := gzip.NewReader(&r.body)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(reader)
	return text, errors.Join(err, reader.Close())
}

func (r *requester) close() { r.client.CloseIdleConnections() }

// atPace calls do at a steady pace until the context ends.
func atPace(ctx context.Context, every time.Duration, do func()) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			do()
		}
	}
}
