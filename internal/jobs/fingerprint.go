package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
)

// variable matches what differs between two errors of the same cause: quoted texts, paths and URLs, UUIDs and long hex
// numbers, numbers with their units.
var variable = regexp.MustCompile(`"[^"]*"|'[^']*'|` + "`[^`]*`" +
	`|(?:[a-z][a-z0-9+.-]*://|\.{0,2}/)[^\s:;,()"']+` +
	`|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b0x[0-9a-fA-F]+\b|\b(?:[0-9a-f]*[0-9][0-9a-f]*){7,}\b` +
	`|[+-]?\d+(?:[.:,]\d+)*`)

const fingerprintLength = 12

// Fingerprint is equal for errors of one agent that differ only in what varies from one to the next.
func Fingerprint(agent, text string) string {
	sum := sha256.Sum256([]byte(agent + "\x00" + variable.ReplaceAllString(Clip(text, 1000), "_")))
	return hex.EncodeToString(sum[:])[:fingerprintLength]
}
