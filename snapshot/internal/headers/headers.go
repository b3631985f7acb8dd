// Package headers reads and writes header fields. The functions that read allocate nothing.
package headers

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// AcceptsGzip reports whether Accept-Encoding allows gzip. Without the header it does not: only who asks is compressed.
func AcceptsGzip(fields []string) bool {
	wildcard := false
	for _, field := range fields {
		for rest := field; rest != ""; {
			var item string
			item, rest, _ = strings.Cut(rest, ",")
			coding, params, _ := strings.Cut(item, ";")
			switch coding = strings.TrimSpace(coding); {
			case strings.EqualFold(coding, "gzip"), strings.EqualFold(coding, "x-gzip"):
				return weight(params) > 0
			case coding == "*":
				wildcard = weight(params) > 0
			}
		}
	}
	return wildcard
}

// weight reads the q of a list item's parameters; what cannot be read is 0.
func weight(params string) float64 {
	for params != "" {
		var param string
		param, params, _ = strings.Cut(params, ";")
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				return 0
			}
			return q
		}
	}
	return 1
}

// Match returns the first of the entity tags that If-None-Match names, by weak comparison: one of these two, or the first for
// "*". Empty = neither.
func Match(fields []string, first, second string) string {
	for _, field := range fields {
		for rest := field; rest != ""; {
			var tag string
			tag, rest = cutTag(rest)
			switch tag {
			case first, "*":
				return first
			case second:
				return second
			}
		}
	}
	return ""
}

// cutTag cuts the first entity tag, without its W/, from a list of them. A tag may hold commas.
func cutTag(list string) (tag, rest string) {
	list = strings.TrimLeft(list, " \t,")
	list = strings.TrimPrefix(list, "W/")
	if !strings.HasPrefix(list, `"`) {
		tag, rest, _ = strings.Cut(list, ",")
		return strings.TrimSpace(tag), rest
	}
	if end := strings.IndexByte(list[1:], '"'); end >= 0 {
		return list[:end+2], list[end+2:]
	}
	return "", ""
}

// CacheStatus writes the Cache-Status field (RFC 9211): how the cache of that name found what it serves, and for how many
// seconds it stays fresh; negative since when it is not. stored says that it was made for this answer.
func CacheStatus(name, detail string, stored bool, ttl int) string {
	how := "hit"
	if stored {
		how = "fwd=miss; stored"
	}
	return name + "; " + how + "; ttl=" + strconv.Itoa(ttl) + "; detail=" + token(detail)
}

// ServerTiming writes the Server-Timing field: what was done and the milliseconds it took.
func ServerTiming(rung string, took time.Duration) string {
	return fmt.Sprintf("%s;dur=%.1f", strings.ReplaceAll(token(rung), ":", "-"), float64(took.Microseconds())/1000)
}

// token makes a text one that header fields take without quotes.
func token(text string) string {
	return strings.Map(func(r rune) rune {
		if r == ':' || r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, text)
}

// maxRevision is the largest integer that every JSON reader holds exactly.
const maxRevision = 1<<53 - 1

// ParseRevision reads a revision as Last-Event-ID and ?revision= carry it.
func ParseRevision(text string) (uint64, bool) {
	revision, err := strconv.ParseUint(text, 10, 64)
	if err != nil || revision == 0 || revision > maxRevision {
		return 0, false
	}
	return revision, true
}
