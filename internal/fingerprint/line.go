package fingerprint

import (
	"slices"
	"strings"
)

// lastLooked is how many lines are looked at for the last one that says something.
const lastLooked = 20

// details follow an error and say which data it was about, or where to read on.
var details = []string{
	"DETAIL:", "HINT:", "CONTEXT:", "STATEMENT:", "QUERY:", "LINE ", "LOCATION:", "WHERE:", "SQL state:", "^", "~", "Node.js v", "note: ", "make: ***", "make[", "[SQL:", "[parameters:",
	"(Background on this error", "During handling of", "The above exception", "Stack trace:", "Traceback ", "...", "Command exited", "Aborted", "exit status ", "tar: Error is not recoverable", "tar: Exiting with failure status",
}

// errorLine is the line that says what went wrong, normalized: what stands behind the exit status in the text of an attempt's
// error, or else the last line that begins at the margin and is no detail of another. Which line of a log says why is known to
// whoever read the log as it came, and writes it last.
func errorLine(lines []string) string {
	for _, line := range slices.Backward(lines[max(0, len(lines)-lastLooked):]) {
		if reason, is := afterExit(line); is && (reason != "" || len(lines) == 1) {
			return describe(reason, line)
		}
	}
	last := ""
	for i, looked := len(lines)-1, 0; i >= 0 && looked < lastLooked; i-- {
		line := strings.TrimSpace(lines[i])
		if line == "" {
			continue
		}
		if looked++; !beginsWith(line, details) && len(lines[i]) == len(line) {
			return describe(line, line)
		}
		if last == "" {
			last = line
		}
	}
	return describe(last, last) // nothing but details
}

// describe normalizes a line. One that then says nothing is taken with its quoted texts, and else as it is.
func describe(line, whole string) string {
	said := bare(normalize(line, false))
	if !says(said) {
		said = bare(normalize(line, true))
	}
	if !says(said) {
		said = oneLine(whole, maxSaid)
	}
	return said
}

// afterExit is what the text of an attempt's error says besides how the program ended.
func afterExit(line string) (string, bool) {
	rest, is := strings.CutPrefix(line, "exit status ")
	if is {
		rest = rest[digits(rest):]
	} else if rest, is = strings.CutPrefix(line, "ended by SIG"); is {
		rest = strings.TrimLeft(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
	}
	return strings.TrimPrefix(rest, ": "), is && (rest == "" || strings.HasPrefix(rest, ": "))
}

// says reports whether there are words in a normalized text.
func says(text string) bool {
	hidden := false
	for i := range len(text) {
		switch {
		case text[i] == '<':
			hidden = true
		case text[i] == '>':
			hidden = false
		case !hidden && isLetter(text[i]) && i+1 < len(text) && isLetter(text[i+1]):
			return true
		}
	}
	return false
}

// levels are what a logger writes before a message.
var levels = []string{"ERROR", "ERR", "FATAL", "CRITICAL", "SEVERE", "WARN", "WARNING", "INFO", "error", "Error", "err", "fatal", "critical", "E"}

// bare takes off what a logger writes before a message: the time, the level, numbers of processes.
func bare(said string) string {
	for rest := said; ; said = rest {
		rest = strings.TrimLeft(rest, " \t|:,-")
		for _, wrapped := range []string{"<time>", "[<time>]", "(<time>)", "<n>", "[<n>]", "[]"} {
			if after, is := strings.CutPrefix(rest, wrapped); is && (after == "" || strings.IndexByte(" :|,]", after[0]) >= 0) {
				rest = after
			}
		}
		for _, level := range levels {
			after, is := strings.CutPrefix(strings.TrimPrefix(rest, "["), level)
			if is && after != "" && strings.IndexByte(" :]|", after[0]) >= 0 {
				rest = strings.TrimPrefix(after, "]")
				break
			}
		}
		if rest == said || !says(rest) {
			return strings.TrimSpace(said)
		}
	}
}

func beginsWith(text string, any []string) bool {
	return slices.ContainsFunc(any, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
}
