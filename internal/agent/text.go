package agent

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// afterReturn keeps what a terminal would show of a line that a progress bar rewrote.
func afterReturn(raw []byte) []byte {
	raw = bytes.TrimRight(raw, "\r")
	return raw[bytes.LastIndexByte(raw, '\r')+1:]
}

var escapeSequence = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?|[@-Z\\\\^_])")

// cleanText makes text safe to store and show anywhere: valid UTF-8, no terminal escapes, no control characters but
// tab and newline.
func cleanText(s string) string {
	if strings.IndexByte(s, 0x1b) >= 0 {
		s = escapeSequence.ReplaceAllString(s, "")
	}
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r >= 0x7f && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, s)
}

func clipLine(s string) string {
	if len(s) <= maxLine {
		return s
	}
	return strings.ToValidUTF8(s[:maxLine], "") + fmt.Sprintf(" … [cut, %d bytes in all]", len(s))
}
