package engine

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxText is the most that is shown of one text, in bytes.
const MaxText = 1 << 20

// MaxErrorText is how much of an error is kept with its attempt, in bytes.
const MaxErrorText = 4000

// Clip shortens a text to at most n bytes of whole characters.
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	const mark = "…"
	cut := n - len(mark)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + mark
}

// Clean makes text that Postgres and JSON can keep.
func Clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// SizeText writes a number of bytes for people.
func SizeText(bytes int64) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.0f KB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", bytes)
}
