package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// load is what a round of requests over kept connections came to.
type load struct {
	requests int
	p50, p99 time.Duration
	cpu      time.Duration // of the server, per request
}

// pressure asks a contestant for one path over so many connections, each one request after the other, for a while.
func (c *contestant) pressure(ctx context.Context, path string, connections int, length time.Duration) (load, error) {
	before, err := cpuOf(c.pid())
	if err != nil {
		return load{}, err
	}
	times := make([][]time.Duration, connections)
	errs := make([]error, connections)
	var group sync.WaitGroup
	deadline := time.Now().Add(length)
	for i := range connections {
		group.Go(func() { times[i], errs[i] = c.ask(ctx, path, deadline) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return load{}, err
	}
	after, err := cpuOf(c.pid())
	if err != nil {
		return load{}, err
	}
	all := slices.Sorted(slices.Values(slices.Concat(times...)))
	if len(all) == 0 {
		return load{}, fmt.Errorf("%s has answered nothing within %v", c.name, length)
	}
	return load{len(all), quantile(all, 0.5), quantile(all, 0.99), (after - before) / time.Duration(len(all))}, nil
}

// ask sends the same bytes again and again, and reads of each answer only what gives its length. It is as plain as it is because it
// shares the processor with what is measured.
func (c *contestant) ask(ctx context.Context, path string, deadline time.Time) (times []time.Duration, err error) {
	host := strings.TrimPrefix(c.url, "http://")
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline.Add(10 * time.Second)); err != nil {
		return nil, err
	}
	request := []byte("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer " + c.token + "\r\n\r\n")
	reader := bufio.NewReaderSize(conn, 128<<10)
	for time.Now().Before(deadline) {
		began := time.Now()
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		if err := skipAnswer(reader); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}

// skipAnswer reads one answer with a Content-Length to its end. What is not a success is an error.
func skipAnswer(r *bufio.Reader) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("it answers %q", bytes.TrimSpace(status))
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("the answer has no Content-Length")
	}
	_, err = r.Discard(length)
	return err
}

// fetch gets one answer as it is sent, compressed if the contestant compresses.
func (c *contestant) fetch(ctx context.Context, path, encoding string) ([]byte, error) {
	request, err := c.api().Request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept-Encoding", encoding)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s%s: %s", c.url, path, response.Status)
	}
	return io.ReadAll(response.Body)
}
