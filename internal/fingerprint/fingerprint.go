package fingerprint

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Version is that of the rules. Whoever changes what a text's key is raises it.
const Version = 1

const (
	keyLength   = 12
	maxTitle    = 200
	maxExplicit = 200
)

// Print is what groups a failure.
type Print struct {
	Version int
	Key     string   // 12 hex digits, equal for failures of one cause; empty when there is nothing to go by
	Title   string   // one line for people, with placeholders such as <n> where failures of the group differ
	Why     []string // what the key was made of: its kind ("explicit", "python stack", "error line"), then the parts
}

// Of reads what a failed program wrote last, a few KB of it however long it is, or the text of an error. Explicit is what
// the program itself calls the failure; empty when it does not.
func Of(text, explicit string) Print {
	if name := oneLine(explicit, maxExplicit); name != "" {
		return made(name, "explicit", name)
	}
	lines := lastLines(text)
	s := findStack(lines)
	if s == nil && hasFoldedStack(text) {
		s = findStack(lastLines(unfold.Replace(text[max(0, len(text)-maxHead-maxTail):])))
	}
	if s != nil && s.isReason(lines) {
		return made(s.title(), s.lang+" stack", s.parts()...)
	}
	said := errorLine(lines)
	if said == "" {
		return Print{Version: Version}
	}
	return made(said, "error line", said)
}

// In is the key among the failures of one agent: two agents seldom share a cause when they share a text. It is what the rows of
// attempts hold.
func (p Print) In(agent string) string { return key(agent, p.Key) }

func made(title, kind string, parts ...string) Print {
	why := append([]string{kind}, parts...)
	return Print{Version: Version, Key: key(why...), Title: oneLine(title, maxTitle), Why: why}
}

func key(parts ...string) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(Version) + "\x00" + strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])[:keyLength]
}

// oneLine is a text's words on one line, at most so many bytes.
func oneLine(text string, most int) string {
	if len(text) > 4*most {
		text = text[:4*most]
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if len(text) <= most {
		return text
	}
	cut := most - len("…")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// How much of a text is looked at.
const (
	maxHead = 2 << 10 // of its begin, where a stack of Go or Node says what happened
	maxTail = 6 << 10 // of its end
	maxLine = 800     // of a line
)

// lastLines are the lines that are looked at, each without its end, colours and what is too long.
func lastLines(text string) []string {
	var tail []string
	kept, end := 0, len(text)
	for end > 0 && kept < maxTail {
		begin := strings.LastIndexByte(text[:end], '\n') + 1
		line := cleanLine(text[begin:end])
		tail, kept, end = append(tail, line), kept+len(line)+1, begin-1
	}
	var lines []string
	for begin, kept := 0, 0; begin < end && kept < maxHead; {
		line := text[begin:end]
		if i := strings.IndexByte(line, '\n'); i >= 0 {
			line = line[:i]
		}
		begin += len(line) + 1
		lines = append(lines, cleanLine(line))
		kept += len(lines[len(lines)-1]) + 1
	}
	for i := len(tail) - 1; i >= 0; i-- {
		lines = append(lines, tail[i])
	}
	return lines
}

// cleanLine takes out colours, control characters and the blanks at the end.
func cleanLine(line string) string {
	if len(line) > 2*maxLine { // colours take some
		line = line[:2*maxLine]
	}
	for i := range len(line) {
		if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
			line = withoutControls(line)
			break
		}
	}
	line = strings.TrimRight(line, " \t")
	return line[:min(len(line), maxLine)]
}

func withoutControls(line string) string {
	if at := strings.LastIndexByte(strings.TrimRight(line, "\r"), '\r'); at >= 0 {
		line = line[at+1:] // what a terminal shows of it
	}
	out := make([]byte, 0, len(line))
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == 0x1b && i+1 < len(line) && line[i+1] == '[': // ends with a letter
			for i += 2; i < len(line) && (line[i] < '@' || line[i] > '~'); i++ {
			}
		case c == 0x1b && i+1 < len(line) && line[i+1] == ']': // a title or a link, ends with a bell or ESC \
			for i += 2; i < len(line) && line[i] != 7 && line[i] != 0x1b; i++ {
			}
			if i+1 < len(line) && line[i] == 0x1b && line[i+1] == '\\' {
				i++
			}
		case c >= ' ' && c != 0x7f, c == '\t':
			out = append(out, c)
		}
	}
	return string(out)
}
