package headers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/agentos/agentos/snapshot/internal/headers"
)

func TestAcceptEncoding(t *testing.T) {
	for field, want := range map[string]bool{
		"gzip": true, "gzip, deflate, br": true, "br;q=1.0, gzip;q=0.8, *;q=0.1": true, "GZip": true, "x-gzip": true, "*": true,
		"br , gzip ; q=0.5": true, "gzip;foo=1;q=0.001": true,
		"": false, "identity": false, "br": false, "gzip;q=0": false, "gzip; Q=0.0": false, "gzip;q=x": false, "*;q=0": false,
		"gzip;q=0, *": false, "*, gzip;q=0": false, "gzipped": false, "gzip;q=-1": false,
	} {
		if got := headers.AcceptsGzip([]string{field}); got != want {
			t.Errorf("Accept-Encoding: %s: %v", field, got)
		}
	}
	if headers.AcceptsGzip(nil) || !headers.AcceptsGzip([]string{"br", "gzip"}) {
		t.Error("several or no fields are misread")
	}
}

func TestParseRevision(t *testing.T) {
	for text, want := range map[string]uint64{"1": 1, "1767366245678": 1767366245678, "9007199254740991": 1<<53 - 1} {
		if got, ok := headers.ParseRevision(text); !ok || got != want {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "0", "-1", "+1", " 1", "1.0", "1e3", "0x1", "9007199254740992", "99999999999999999999", "x"} {
		if got, ok := headers.ParseRevision(text); ok || got != 0 {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
}

func FuzzLastEventID(f *testing.F) {
	for _, text := range []string{"", "0", "1767366245678", "007", "-5", "1e9", "18446744073709551616", "\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := headers.ParseRevision(text)
		if ok != (got != 0) || got >= 1<<53 {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
		if ok && strings.TrimLeft(text, "0") != fmt.Sprint(got) {
			t.Errorf("%q was read as %d", text, got)
		}
	})
}
