package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// redacted stands where a secret was.
const redacted = `"[redacted]"`

// secretParts make a key's value a secret when its name, in lower case and without punctuation, contains one of them.
var secretParts = []string{
	"password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "privatekey", "authorization", "cookie",
	"credential", "bearer", "sessionid",
}

// secretNames are keys too short to be looked for inside others.
var secretNames = []string{"pass", "pwd", "auth", "pin", "jwt"}

func secretKey(key string) bool {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, key)
	if slices.Contains(secretNames, name) {
		return true
	}
	return slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(name, part) })
}

// redact returns the JSON text in its compact form without the values of keys that name secrets. Numbers and truth
// values stay: "max_tokens": 100 is none. Of what is not JSON nothing is returned.
func redact(text string) (string, bool) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var out bytes.Buffer
	if err := redactValue(decoder, &out, false); err != nil {
		return "", false
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return "", false
	}
	return out.String(), true
}

func redactValue(decoder *json.Decoder, out *bytes.Buffer, secret bool) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	switch value := token.(type) {
	case json.Delim:
		if secret { // leave out whatever is inside
			out.WriteString(redacted)
			out = &bytes.Buffer{}
		}
		return redactInside(decoder, out, value)
	case string:
		if secret && value != "" {
			out.WriteString(redacted)
			return nil
		}
		return encode(out, value)
	default: // number, true, false, null
		return encode(out, value)
	}
}

func redactInside(decoder *json.Decoder, out *bytes.Buffer, open json.Delim) error {
	out.WriteByte(byte(open))
	for first := true; decoder.More(); first = false {
		if !first {
			out.WriteByte(',')
		}
		secret := false
		if open == '{' {
			token, err := decoder.Token()
			if err != nil {
				return err
			}
			key, _ := token.(string)
			if err := encode(out, key); err != nil {
				return err
			}
			out.WriteByte(':')
			secret = secretKey(key)
		}
		if err := redactValue(decoder, out, secret); err != nil {
			return err
		}
	}
	closing, err := decoder.Token()
	if err != nil {
		return err
	}
	out.WriteByte(byte(closing.(json.Delim)))
	return nil
}

func encode(out *bytes.Buffer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // the newline
	return nil
}
