package runner

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const byteOrderMark = '\uFEFF'

var escapeSequence = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?|[@-Z\\\\^_])")

// plainText is what a program wrote, as text: valid UTF-8 without marks of byte order and without a terminal's escapes.
func plainText(raw []byte) string {
	raw = fromUTF16(raw)
	s := strings.ToValidUTF8(string(raw), string(utf8.RuneError))
	if strings.IndexByte(s, 0x1b) >= 0 {
		s = escapeSequence.ReplaceAllString(s, "")
	}
	if strings.ContainsRune(s, byteOrderMark) {
		s = strings.ReplaceAll(s, string(byteOrderMark), "")
	}
	return s
}

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
	return clipTo(s, len(s))
}

// clipTo cuts a text of which there were total bytes.
func clipTo(s string, total int) string {
	return strings.ToValidUTF8(s[:min(len(s), maxLine)], "") + fmt.Sprintf(" … [cut, %d bytes in all]", total)
}

// fromUTF16 decodes a line of UTF-16, which its zero bytes show. It was cut at the byte of its newline, of which
// the zero byte is left: before the next line, or at the end of this one.
func fromUTF16(raw []byte) []byte {
	if bytes.IndexByte(raw, 0) < 0 {
		return raw
	}
	var order binary.ByteOrder = binary.LittleEndian
	units, marked := raw, bytes.HasPrefix(raw, []byte{0xff, 0xfe})
	switch {
	case bytes.HasPrefix(raw, []byte{0xfe, 0xff}):
		order, marked = binary.BigEndian, true
	case raw[0] == 0 && len(raw)%2 == 0:
		order = binary.BigEndian
	case raw[0] == 0:
		units = raw[1:]
	}
	if len(units)%2 == 1 {
		units = units[:len(units)-1]
	}
	decoded := make([]uint16, 0, len(units)/2)
	ascii := 0
	for i := 0; i < len(units); i += 2 {
		unit := order.Uint16(units[i:])
		if unit > 0 && unit < 0x80 {
			ascii++
		}
		decoded = append(decoded, unit)
	}
	if len(decoded) < 2 || !marked && ascii < len(decoded)/2 {
		return raw
	}
	return []byte(string(utf16.Decode(decoded)))
}

// clip shortens what a refusal quotes from a line.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
