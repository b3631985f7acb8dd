package section

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	maxAnswer    = 1 << 20 // bytes of an answer, after it is unpacked
	maxRedirects = 5
)

type headersKey struct{}

// newClient follows redirects to http and https only, and gives no header of ours to another host.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost = 4
	transport.MaxIdleConns = 20
	transport.IdleConnTimeout = 30 * time.Second
	return &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		first := via[0].URL
		switch {
		case len(via) > maxRedirects:
			return fmt.Errorf("more than %d redirects: write the address they lead to", maxRedirects)
		case r.URL.Scheme != "http" && r.URL.Scheme != "https":
			return errors.New("a redirect leads to an address that is not http or https")
		}
		r.Header.Del("Referer") // the address may hold a key
		if r.URL.Host != first.Host || first.Scheme == "https" && r.URL.Scheme == "http" {
			names, _ := r.Context().Value(headersKey{}).([]string)
			for _, name := range names {
				r.Header.Del(name)
			}
		}
		return nil
	}}
}

// http reads JSON.
func (v *visit) http(ctx context.Context, h *HTTP) (any, error) {
	status, body, err := v.get(ctx, h.URL, h.Headers)
	if err != nil {
		return nil, err
	}
	host := hostOf(h.URL)
	if status < 200 || status > 299 {
		return nil, fmt.Errorf("%s answered %d %s: expected 200", host, status, http.StatusText(status))
	}
	value, err := parseJSON(body)
	if err != nil {
		return nil, fmt.Errorf("%s answered %w", host, err)
	}
	return v.picked(value)
}

// get reads an answer of bounded size.
func (v *visit) get(ctx context.Context, address string, headers map[string]Secret) (status int, body []byte, err error) {
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	request, err := http.NewRequestWithContext(context.WithValue(ctx, headersKey{}, names), http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: the address is not valid", hostOf(address))
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "agentos")
	for name, secret := range headers {
		value, err := v.secret(secret)
		if err != nil {
			return 0, nil, fmt.Errorf("header %s: %w", name, err)
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return 0, nil, fmt.Errorf("header %s: the value has more than one line: keep one", name)
		}
		request.Header.Set(name, value)
	}
	response, err := v.c.client.Do(request)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) { // its text has the whole address
			err = of.Err
		}
		return 0, nil, fmt.Errorf("%s does not answer: %w", hostOf(address), err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("%s: the answer broke off: %w", hostOf(address), err)
	case len(body) > maxAnswer:
		return 0, nil, fmt.Errorf("%s answered more than %d MB: ask for less", hostOf(address), maxAnswer>>20)
	}
	return response.StatusCode, body, nil
}

// hostOf names an address without its path, which may hold a key.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the address"
	}
	return u.Host
}

// parseJSON reads one JSON value; the error goes on after "answered".
func parseJSON(body []byte) (any, error) {
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) == 0 {
		return nil, errors.New("nothing: expected JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(trimmed))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err == nil && !decoder.More() {
		return value, nil
	}
	if trimmed[0] == '<' {
		return nil, errors.New("HTML or XML: expected JSON; is it the address of the API, not of a page?")
	}
	start, _ := clip(oneLine(plain(string(trimmed[:min(len(trimmed), 100)]))), 40)
	return nil, fmt.Errorf("no valid JSON; it begins with %q", start)
}

func readSmall(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case info.Size() > most:
		return nil, fmt.Errorf("%s is larger than %d KiB: is it the right file?", path, most>>10)
	}
	return os.ReadFile(path)
}
