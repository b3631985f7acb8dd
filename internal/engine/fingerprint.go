package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// variable matches what differs between two errors of the same cause: paths and URLs, UUIDs and long hex numbers, numbers
// with their units; with quoted before it, quoted texts too.
const (
	quoted   = `"[^"]*"|'[^']*'|` + "`[^`]*`|"
	variable = `(?:[a-z][a-z0-9+.-]*://|\.{0,2}/)[^\s:;,()"']+` +
		`|\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\b|\b0x[0-9a-fA-F]+\b|\b[0-9a-fA-F]{7,}\b|@[0-9a-f]{4,8}\b` +
		`|[+-]?\d+(?:[.:,]\d+)*`
)

var (
	variableOrQuoted = regexp.MustCompile(quoted + variable)
	variableOnly     = regexp.MustCompile(variable)
	// exitForm is what an error says of how the program ended, before what it says of the reason.
	exitForm = regexp.MustCompile(`^(?:exit status \d+|ended by \w+)`)
	word     = regexp.MustCompile(`\pL{2}`)
)

const fingerprintLength = 12

// Fingerprint is equal for errors of one agent that differ only in what varies from one to the next. An error that says
// nothing else is taken as it is: by its exit status, or by the text that it quotes.
func Fingerprint(agent, text string) string {
	text = Clip(text, 1000)
	masked := mask(variableOrQuoted, text)
	end, said := exitForm.FindString(text), masked
	if end != "" {
		said = mask(variableOrQuoted, text[len(end):])
	}
	if !word.MatchString(said) {
		masked = end + mask(variableOnly, text[len(end):])
	}
	sum := sha256.Sum256([]byte(agent + "\x00" + masked))
	return hex.EncodeToString(sum[:])[:fingerprintLength]
}

// mask replaces what varies, but no word that might as well be a hex number.
func mask(form *regexp.Regexp, text string) string {
	return form.ReplaceAllStringFunc(text, func(found string) string {
		if strings.Trim(found, "abcdefABCDEF") == "" {
			return found
		}
		return "_"
	})
}
