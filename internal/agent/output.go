package agent

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	maxLine   = 16 << 10
	lastLines = 20
)

// readLines calls each for every line of r until r ends. A line longer than maxLine is cut and marked.
func readLines(r io.Reader, each func(Line)) {
	var (
		chunk = make([]byte, 32<<10)
		line  []byte
		total int // bytes of the line, dropped ones included
	)
	emit := func() {
		if total > 0 {
			each(lineOf(line, total))
		}
		line, total = line[:0], 0
	}
	for {
		n, err := r.Read(chunk)
		for rest := chunk[:n]; len(rest) > 0; {
			part, after, complete := bytes.Cut(rest, []byte{'\n'})
			total += len(part)
			line = append(line, part[:min(len(part), maxLine-len(line))]...)
			if complete {
				emit()
			}
			rest = after
		}
		if err != nil {
			emit()
			return
		}
	}
}

func lineOf(raw []byte, total int) Line {
	if total <= len(raw) {
		return ParseLine(raw, time.Now())
	}
	l := Line{At: time.Now(), Level: "info", HasMsg: true}
	l.Msg = cleanText(strings.ToValidUTF8(string(raw), "")) + fmt.Sprintf(" … [cut, %d bytes in all]", total)
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) && bytes.Contains(raw, []byte(`"enqueue"`)) {
		l.Level = "error"
		l.Refused = fmt.Sprintf("enqueue refused: a line has at most %d bytes and this one %d", maxLine, total)
		l.Msg = l.Refused + ": " + l.Msg
	}
	return l
}
