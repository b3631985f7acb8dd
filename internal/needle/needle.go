// Package needle finds a text in what users see of a job, regardless of case and of how JSON escapes it.
package needle

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Needle is a text that is looked for: in what users see of a job, whatever its case, and whatever JSON makes of it.
type Needle struct {
	Text     string
	folded   []string // with and without the space that pretty JSON has after a colon
	escaped  bool     // it has what JSON writes as an escape
	IsNumber bool
}

// New makes a needle of a text; nil when there is nothing to look for.
func New(text string) *Needle {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	n := &Needle{Text: text, folded: []string{fold(text)}, escaped: strings.Contains(text, `\`)}
	if plain := strings.ReplaceAll(n.folded[0], `": `, `":`); plain != n.folded[0] {
		n.folded = append(n.folded, plain)
	}
	_, err := strconv.ParseInt(text, 10, 64)
	n.IsNumber = err == nil
	return n
}

// fold makes texts equal that differ in case, or in how their characters are composed.
func fold(text string) string {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return cases.Fold().String(norm.NFC.String(text))
		}
	}
	return strings.ToLower(text)
}

// In looks into a plain text.
func (n *Needle) In(text string) bool {
	text = fold(text)
	for _, folded := range n.folded {
		if strings.Contains(text, folded) {
			return true
		}
	}
	return false
}

// InJSON looks into a JSON text as it is meant, and into the text itself.
func (n *Needle) InJSON(text string) bool {
	return n.In(decoded(text)) || n.escaped && n.In(text)
}

// decoded is a JSON text without white space and with its strings as they are meant: {"path":"C:\tmp"}.
func decoded(text string) string {
	if !strings.ContainsAny(text, "\\ \t\r\n") {
		return text
	}
	var out strings.Builder
	out.Grow(len(text))
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case ' ', '\t', '\r', '\n':
		case '"':
			end := i + 1
			for end < len(text) && text[end] != '"' {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end, len(text)-1)
			out.WriteByte('"')
			out.WriteString(unescaped(text[i:end+1]) + `"`)
			i = end
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// unescaped is the meaning of a string of JSON in its quotes.
func unescaped(quoted string) string {
	if strings.Contains(quoted, `\`) {
		var text string
		if json.Unmarshal([]byte(quoted), &text) == nil {
			return text
		}
	}
	return strings.Trim(quoted, `"`)
}
