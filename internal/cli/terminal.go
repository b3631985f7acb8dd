package cli

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// terminal writes text without what a terminal would obey: results, log lines, errors and names are the agents' and the callers', who
// are not to move the cursor, rename the window, or hide what stands beside. Tabs and line ends stay.
type terminal struct{ io.Writer }

// Write is for whole texts: a character must not be split over two calls.
func (t terminal) Write(p []byte) (int, error) {
	clean := p
	if !isHarmless(p) {
		text := strings.ToValidUTF8(strings.ReplaceAll(string(p), "\r\n", "\n"), string(utf8.RuneError))
		clean = []byte(strings.Map(harmless, text))
	}
	if _, err := t.Writer.Write(clean); err != nil {
		return 0, err
	}
	return len(p), nil
}

func isHarmless(p []byte) bool {
	return utf8.Valid(p) && !bytes.ContainsFunc(p, func(c rune) bool { return harmless(c) != c })
}

// harmless puts a visible character in place of one that acts on the terminal: the control characters, and those that change the
// direction of the text after them.
func harmless(c rune) rune {
	switch {
	case c == '\t', c == '\n':
		return c
	case c < ' ', c >= 0x7f && c < 0xa0, c >= 0x202a && c <= 0x202e, c >= 0x2066 && c <= 0x2069, c == 0x200e, c == 0x200f, c == 0x061c,
		c == 0x2028, c == 0x2029:
		return utf8.RuneError
	}
	return c
}
