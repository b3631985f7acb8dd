package runner

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	maxLine   = 16 << 10 // of a message
	lastLines = 20

	// maxRaw bounds a line as it is written: one that asks for work holds arguments of up to a mebibyte.
	maxRaw = 1<<20 + maxLine

	maxLive = 1 << 10 // of a line that is not at its end

	mostChunk = 32 << 10 // is read at a time
)

// readLines calls each for every line of r until r ends. A message longer than maxLine is cut and marked.
func readLines(r io.Reader, each func(Line)) {
	s := &scanner{each: each}
	chunk := make([]byte, 1<<10) // most programs say little
	for {
		n, err := r.Read(chunk)
		s.write(chunk[:n])
		if n == len(chunk) && n < mostChunk {
			chunk = make([]byte, mostChunk)
		}
		if err != nil {
			s.end()
			return
		}
		s.showLive()
	}
}

// scanner parts what a program writes into lines. A carriage return goes back to the begin of the line, as on a terminal:
// what a progress bar overwrites is gone, and its state at the end of the line is what the line says. An object that would
// be overwritten is taken first.
type scanner struct {
	each  func(Line)
	raw   []byte // since the last newline or carriage return, at most maxRaw
	total int    // the same, dropped bytes included
	asks  bool   // what was dropped may have asked for work
	over  []byte // what the line showed before the carriage return
	bar   bool   // there was one in this line
	live  string // what was shown last of a line that goes on
}

func (s *scanner) write(data []byte) {
	for len(data) > 0 {
		at := bytes.IndexAny(data, "\r\n")
		if at < 0 {
			s.keep(data)
			return
		}
		s.keep(data[:at])
		if data[at] == '\n' {
			s.endLine()
		} else {
			s.goBack()
		}
		data = data[at+1:]
	}
}

func (s *scanner) keep(data []byte) {
	s.total += len(data)
	room := min(maxRaw-len(s.raw), len(data))
	s.raw = append(s.raw, data[:room]...)
	if dropped := data[room:]; len(dropped) > 0 && !s.asks {
		s.asks = bytes.Contains(dropped, []byte(`enqueue`))
	}
}

// goBack is a carriage return.
func (s *scanner) goBack() {
	s.bar = true
	switch {
	case blank(s.raw): // what was shown still is
	case bytes.IndexByte(s.raw, '{') >= 0 && (s.total > len(s.raw) || isProtocol(plainText(s.raw))):
		s.emit()
	default:
		s.over = append(s.over[:0], s.raw...)
	}
	s.reset()
}

func (s *scanner) endLine() {
	switch {
	case blank(s.raw) && s.over != nil:
		s.raw, s.total = append(s.raw[:0], s.over...), len(s.over)
		s.emit()
	case s.total > 0 || !s.bar:
		s.emit()
	}
	s.reset()
	s.over, s.bar, s.live = nil, false, ""
}

func (s *scanner) end() {
	if s.total > 0 || s.over != nil {
		s.endLine()
	}
}

func (s *scanner) emit() {
	if s.total == 0 {
		return
	}
	for _, l := range parse(s.raw, s.total, s.asks, time.Now()) {
		s.each(l)
	}
}

func (s *scanner) reset() {
	s.raw, s.total, s.asks = s.raw[:0], 0, false
	if cap(s.raw) > 4*maxLine {
		s.raw = nil
	}
}

// showLive shows the state of a progress bar whose line has not ended.
func (s *scanner) showLive() {
	if !s.bar {
		return
	}
	shown := s.raw
	if blank(shown) {
		shown = s.over
	}
	text := strings.TrimSpace(cleanText(plainText(shown[:min(len(shown), maxLive)])))
	if text == "" || text == s.live {
		return
	}
	s.live = text
	s.each(Line{At: time.Now(), Level: "info", Msg: text, Live: true})
}

func blank(raw []byte) bool { return len(bytes.Trim(raw, " \t\x00")) == 0 }

// parse reads a line of which raw is kept.
func parse(raw []byte, total int, asks bool, at time.Time) []Line {
	if total <= len(raw) {
		return parseText(plainText(raw), at)
	}
	text := plainText(raw)
	l := Line{At: at, Level: orInfo(levelOfText(text))}
	if m := cutLevel.FindStringSubmatch(text); m != nil && strings.HasPrefix(strings.TrimSpace(text), "{") {
		l.Level = orInfo(levelNamed(m[1]))
	}
	l.Msg = clipTo(cleanText(text), total)
	l.HasMsg = true
	if asks || asksForWork(text) {
		l.refuse(fmt.Sprintf("a line has at most %d bytes and this one %d: put the data in a file and pass its path", maxRaw, total), text)
	}
	return []Line{l}
}
