// Package api asks a server as its users do: for the tests that run the real binary.
package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Server is where a server is and who asks it.
type Server struct {
	URL    string // without a path
	Token  string // empty: nobody in particular
	Client *http.Client
}

// StatusError is an answer that is not a success.
type StatusError struct {
	Status int
	Body   string
}

func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %.300s", e.Status, e.Body) }

// Request is a request with the token; the body, JSON, may be nil.
func (s Server) Request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	if err != nil {
		return nil, err
	}
	if s.Token != "" {
		request.Header.Set("Authorization", "Bearer "+s.Token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// Call asks and decodes the answer; in and out may be nil, and an out of *json.RawMessage gets the body as it is. What is
// not a success is a *StatusError.
func (s Server) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := s.Request(ctx, method, path, body)
	if err != nil {
		return err
	}
	response, err := s.Client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %w", method, path, &StatusError{response.StatusCode, string(text)})
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *json.RawMessage:
		*out = text
		return nil
	default:
		return json.Unmarshal(text, out)
	}
}

// Stream connects to the stream of documents and gives each event to take, until the stream ends or take fails. after is the
// last revision that is known; 0 for none.
func (s Server) Stream(ctx context.Context, after uint64, take func(event, data string) error) error {
	request, err := s.Request(ctx, http.MethodGet, "/api/admin/stream", nil)
	if err != nil {
		return err
	}
	if after != 0 {
		request.Header.Set("Last-Event-ID", fmt.Sprint(after))
	}
	response, err := s.Client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the stream was refused: %w", &StatusError{response.StatusCode, response.Status})
	}
	return readEvents(bufio.NewReaderSize(response.Body, 256<<10), take)
}

// readEvents takes server-sent events until the connection ends. Comments and events without a name are left out.
func readEvents(lines *bufio.Reader, take func(event, data string) error) error {
	var event, data string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		line = strings.TrimRight(line, "\r\n")
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if event != "" {
				if err := take(event, data); err != nil {
					return err
				}
			}
			event, data = "", ""
		case key == "event":
			event = value
		case key == "data":
			data += value
		}
	}
}
