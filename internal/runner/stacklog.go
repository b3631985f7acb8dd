package runner

import (
	"bytes"
	"strings"
)

// How much is kept of the log around the report of a runtime, in bytes. Python prints its stack before the reason, others behind it, and
// Java the cause of all at the very end.
const (
	stackBefore = 4 << 10
	stackAfter  = 3 << 9
	stackEnd    = 2 << 10
	stackLine   = 800 // of a message of one line
)

// stackLog keeps what the log says around the last report of a runtime, a few KB however much it is.
type stackLog struct {
	last    []byte // the messages so far, their end at least
	report  []byte // what came before the report, and it
	room    int    // how much of what follows belongs to report
	further int    // bytes behind report
}

// add takes the next message. Reports says that a report begins with it, or, in languages that print the reason last, ends.
func (s *stackLog) add(msg string, reports bool) {
	most := stackLine
	if strings.Contains(msg, "\n") {
		most = stackBefore
	}
	begin := len(s.last)
	s.last = append(append(s.last, msg[:min(len(msg), most)]...), '\n')
	added := s.last[begin:]
	switch {
	case reports:
		s.report = append(s.report[:0], tail(s.last, stackBefore)...)
		s.room, s.further = stackAfter, 0
	case s.room > 0:
		s.report = append(s.report, added...)
		s.room -= len(added)
	case s.report != nil:
		s.further += len(added)
	}
	if len(s.last) > 4*stackBefore {
		s.last = append(s.last[:0], tail(s.last, stackBefore)...)
	}
}

func (s *stackLog) text() string {
	return string(s.report) + string(tail(s.last, min(s.further, stackEnd)))
}

// tail is the whole lines in the last bytes of a text.
func tail(text []byte, most int) []byte {
	if len(text) <= most {
		return text
	}
	text = text[len(text)-most-1:]
	return text[bytes.IndexByte(text, '\n')+1:]
}
