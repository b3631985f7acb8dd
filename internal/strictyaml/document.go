package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// MaxFileSize bounds a file: a thousand agents need about 200 KiB.
const MaxFileSize = 1 << 20

// ReadFile reads a regular file as far as it may be long, and when it was written.
func ReadFile(path string) (data []byte, written time.Time, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, written, err
	}
	if !info.Mode().IsRegular() { // opening a named pipe would wait forever
		return nil, written, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, written, err
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	return data, info.ModTime(), err
}

// Document parses the one YAML document of the file; nil after an error. WhenEmpty says what to write in an empty one.
func (d *Decoder) Document(whenEmpty string) *yaml.Node {
	data := d.data
	if len(data) > MaxFileSize {
		d.errorAtLine(1, "the file is larger than 1 MiB: is it the right one?")
		return nil
	}
	docs := yaml.NewDecoder(bytes.NewReader(data))
	first, err := nextDocument(docs)
	if errors.Is(err, io.EOF) || err == nil && IsNull(first.Content[0]) {
		d.errorAtLine(1, "the file is empty: %s", whenEmpty)
		return nil
	}
	if err != nil {
		d.errorAtLine(syntaxLine(err, data), "not valid YAML: %s", syntaxText(err))
		return nil
	}
	switch second, err := nextDocument(docs); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.errorAtLine(syntaxLine(err, data), "not valid YAML: %s", syntaxText(err))
	default:
		d.Errorf(second, "a second document begins here: keep everything in one, without --- between")
	}
	return first.Content[0]
}

// nextDocument turns a panic of the parser into an error: whatever the file holds, the fleet that runs goes on.
func nextDocument(docs *yaml.Decoder) (doc *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: the parser gave up: %v", p)
		}
	}()
	doc = new(yaml.Node)
	if err := docs.Decode(doc); err != nil {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, io.EOF
	}
	return doc, nil
}

var (
	lineInError   = regexp.MustCompile(`line (\d+): `)
	anchorInError = regexp.MustCompile(`unknown anchor '([^']*)'`)
)

func syntaxText(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := anchorInError.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("*%s refers to an anchor that is not defined above: write &%s before the value meant", m[1], m[1])
	}
	text = lineInError.ReplaceAllString(text, "")
	for _, h := range syntaxHints {
		if strings.Contains(text, h.text) {
			return text + ": " + h.hint
		}
	}
	return text
}

// syntaxHints say how to write what the parser's messages only hint at.
var syntaxHints = []struct{ text, hint string }{
	{"did not find expected alphabetic or numeric", "text that begins with * or & needs quotes: write for example schedule: \"*/5 * * * *\""},
	{"cannot start any token", "indent with spaces, not tabs, and put text that begins with @, %, or ` in quotes"},
	{"mapping values are not allowed", `put text that contains ": " in quotes, and check the indentation`},
	{"could not find expected ':'", "write key: value, and check the indentation"},
	{"did not find expected", "check the brackets, quotes and indentation above this line"},
}

func syntaxLine(err error, data []byte) int {
	if m := lineInError.FindStringSubmatch(err.Error()); m != nil {
		if line, err := strconv.Atoi(m[1]); err == nil {
			return max(line, 1)
		}
	}
	if m := anchorInError.FindStringSubmatch(err.Error()); m != nil { // the parser does not say where
		if at := bytes.Index(data, []byte("*"+m[1])); at >= 0 {
			return 1 + bytes.Count(data[:at], []byte("\n"))
		}
	}
	return 1
}
