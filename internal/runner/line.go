package runner

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Line is one line an agent wrote to standard error.
type Line struct {
	At       time.Time
	Level    string // debug, info, warn or error
	Msg      string // valid UTF-8 without control characters but tab and newline
	HasMsg   bool   // false for a JSON line that only reports progress, usage or work to enqueue
	Live     bool   // Msg is the state of a progress bar that goes on: to be shown and not to be kept
	Progress *float64
	Usage    *Usage
	Enqueue  *EnqueueRequest
	Refused  string         // why the line's enqueue request cannot be honoured; the attempt then fails
	Retry    *time.Duration // how long to wait before the next attempt at the job, if there is one

	// Fingerprint is what the agent calls the failure that a line of level error reports; empty when it does not.
	Fingerprint string

	structured bool // it was an object
	ours       bool // the agent did not write it
}

// Usage is what the agent says it consumed since its last such line: the amounts of an attempt add up.
type Usage struct {
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	CostUSD      float64 `json:"cost_usd"`
}

// ParseLine understands one line of standard error, without its newline. It never fails: what is not an object with one
// of the keys of the protocol or of a log is a message. It returns more than one where a line holds several objects.
func ParseLine(raw []byte, at time.Time) []Line {
	var lines []Line
	s := &scanner{each: func(l Line) {
		l.At = at
		lines = append(lines, l)
	}}
	s.write(raw)
	s.end()
	return lines
}

// CleanLine returns what a log line says, as of an agent's own lines, and the level it names; info when it names none. It
// is for logs that others keep.
func CleanLine(raw string) (level, msg string) {
	if at := strings.LastIndexByte(strings.TrimRight(raw, "\r"), '\r'); at >= 0 {
		raw = strings.TrimRight(raw, "\r")[at+1:]
	}
	text := plainText([]byte(raw))
	trimmed := strings.TrimSpace(text)
	if strings.HasPrefix(trimmed, "{") {
		if members, _, err := readObject(trimmed, 0); err == nil {
			level, _ = levelIn(objectOf(members))
		}
	}
	if level == "" {
		level = levelOfText(text)
	}
	return orInfo(level), clipLine(cleanText(text))
}

// parseText reads a line of plain text.
func parseText(text string, at time.Time) []Line {
	begin, found := objectAt(text)
	if !found {
		l := textLine(text, at)
		if asksForWork(text) {
			l.refuse("it must be an object that begins and ends on one line", text)
		}
		return []Line{l}
	}
	var lines []Line
	if before := text[:begin]; strings.TrimSpace(before) != "" {
		lines = append(lines, textLine(before, at))
	}
	for rest := text[begin:]; strings.TrimSpace(rest) != ""; {
		members, end, err := readObject(rest, 0)
		if err != nil || !understood(members) && !asksForWork(rest[end:]) {
			l := textLine(rest, at)
			if err != nil && asksForWork(rest) {
				l.refuse(err.Error(), text)
			}
			l.structured = err == nil
			return append(lines, l)
		}
		lines = append(lines, objectLines(members, strings.TrimSpace(rest[:end]), at)...)
		rest = strings.TrimLeft(rest[end:], " \t,;\x00")
	}
	return lines
}

func textLine(text string, at time.Time) Line {
	l := Line{At: at, Level: orInfo(levelOfText(text)), Msg: clipLine(cleanText(text))}
	l.HasMsg = strings.TrimSpace(l.Msg) != ""
	return l
}

func orInfo(level string) string {
	if level == "" {
		return "info"
	}
	return level
}

var (
	// workForm is where an object asks for work whose key is the first, workKey where a line does by a quoted key.
	workForm = regexp.MustCompile(`\{\s*["'“‘]?(?i:enqueue)["'”’]?\s*(?::|=>|=)`)
	workKey  = regexp.MustCompile(`["'“‘](?i:enqueue)["'”’]\s*(?::|=>)\s*[\[{(]`)
	// anyWork is how a line asks for work that is an object or the begin of one.
	anyWork  = regexp.MustCompile(`(?i)[{,\s"'“‘:]enqueue["'”’]?\s*(?::|=>)`)
	cutLevel = regexp.MustCompile(`"(?:level|severity|levelname|log\.level|lvl)"\s*:\s*"([A-Za-z]+)"`)
)

// asksForWork reports whether a line that cannot be read as an object would ask for work if it could. Program text, such as
// a stack quotes it, does not.
func asksForWork(text string) bool {
	if !namesWork(text) {
		return false
	}
	trimmed := strings.TrimSpace(text)
	if strings.HasPrefix(trimmed, "{") {
		return anyWork.MatchString(trimmed)
	}
	at := workForm.FindStringIndex(trimmed)
	if at == nil {
		at = workKey.FindStringIndex(trimmed)
	}
	return at != nil && !quoting(trimmed[:at[0]])
}

// namesWork is quick.
func namesWork(text string) bool {
	return strings.Contains(text, "enqueue") || strings.Contains(text, "Enqueue") || strings.Contains(text, "ENQUEUE")
}

// quoting reports whether what follows the text is a quotation or an argument in it.
func quoting(before string) bool {
	before = strings.TrimRight(before, " \t")
	return before != "" && strings.ContainsAny(before[len(before)-1:], "\"'`\\(=,+")
}

// objectAt finds where the line's object begins: at its begin, or behind what a logger or a progress bar wrote before an
// object that asks for work.
func objectAt(text string) (int, bool) {
	at := strings.IndexByte(text, '{')
	if at < 0 {
		return 0, false
	}
	if strings.TrimSpace(text[:at]) == "" {
		return at, true
	}
	if !namesWork(text) {
		return 0, false
	}
	if !asksForWork(text[at:]) || quoting(text[:at]) {
		if m := workForm.FindStringIndex(text); m != nil && !quoting(text[:m[0]]) {
			return m[0], true
		}
		return 0, false
	}
	if members, _, err := readObject(text, at); err == nil && hasWork(members) {
		return at, true
	}
	if m := workForm.FindStringIndex(text); m != nil && !quoting(text[:m[0]]) {
		return m[0], true
	}
	return 0, false
}

// isProtocol reports whether a state of a line that is about to be overwritten is more than text.
func isProtocol(text string) bool {
	text = strings.TrimSpace(text)
	if asksForWork(text) {
		return true
	}
	begin, found := objectAt(text)
	if !found {
		return false
	}
	members, _, err := readObject(text, begin)
	return err == nil && understood(members)
}

func hasWork(members []member) bool {
	return slices.ContainsFunc(members, func(m member) bool { return strings.EqualFold(m.key, "enqueue") })
}

var protocolKeys = []string{"msg", "message", "progress", "usage", "retry_after"}

func understood(members []member) bool {
	if hasWork(members) || slices.ContainsFunc(members, func(m member) bool { return m.key == "level" || slices.Contains(protocolKeys, m.key) }) {
		return true
	}
	_, key := levelIn(objectOf(members))
	return key != ""
}

// objectOf returns the members by key; of two with the same the last, as JSON has it.
func objectOf(members []member) map[string]json.RawMessage {
	object := make(map[string]json.RawMessage, len(members))
	for _, m := range members {
		object[m.key] = m.value
	}
	return object
}

// objectLines makes lines of an object: one, and one for each further request in it.
func objectLines(members []member, text string, at time.Time) []Line {
	if !understood(members) {
		return []Line{textLine(text, at)}
	}
	l := Line{At: at, structured: true}
	object := objectOf(members)
	var levelKey string
	l.Level, levelKey = levelIn(object)
	l.Level = orInfo(l.Level)
	taken := map[string]bool{"level": true, levelKey: true}
	l.readReports(object, taken)

	var further []Line
	for _, m := range members {
		if !strings.EqualFold(m.key, "enqueue") {
			continue
		}
		taken[m.key] = true
		for _, request := range requestsOf(m) {
			into := &l
			if l.Enqueue != nil || l.Refused != "" {
				further = append(further, Line{At: at, Level: l.Level, structured: true})
				into = &further[len(further)-1]
			}
			into.ask(request, m.bad, text)
		}
	}
	refusal := l.Msg
	l.Msg = message(object, taken)
	if l.Refused != "" {
		l.Msg = strings.TrimSpace(refusal + " " + l.Msg)
	}
	l.HasMsg = strings.TrimSpace(l.Msg) != ""
	return append([]Line{l}, further...)
}

// readReports takes what the agent reports of itself. What cannot be understood stays among the further keys of the
// message, where it is seen.
func (l *Line) readReports(object map[string]json.RawMessage, taken map[string]bool) {
	for _, key := range []string{"progress", "usage", "retry_after", "fingerprint"} {
		raw, ok := object[key]
		if !ok || key == "fingerprint" && l.Level != "error" { // elsewhere it may be that of a key or a file

			continue
		}
		understood := isJSONNull(raw)
		switch key {
		case "progress":
			if progress, ok := parseProgress(raw); ok {
				l.Progress, understood = &progress, true
			}
		case "usage":
			if usage, ok := parseUsage(raw); ok && !understood {
				l.Usage, understood = &usage, true
			}
		case "retry_after":
			if pause, err := parseDelay(raw); err == nil && !understood {
				l.Retry, understood = &pause, true
			}
		case "fingerprint":
			if name, ok := textOf(raw); ok && strings.TrimSpace(name) != "" {
				l.Fingerprint, understood = name, true
			}
		}
		taken[key] = understood
	}
}

// requestsOf returns what one key asks for: an object, or a list of them.
func requestsOf(m member) []json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(m.value, &list) == nil && len(list) > 0 {
		return list
	}
	return []json.RawMessage{m.value}
}

// ask reads one request.
func (l *Line) ask(raw json.RawMessage, bad, text string) {
	if bad != "" {
		l.refuse(fmt.Sprintf("it holds %s, which JSON does not know: write null, or a text", bad), text)
		return
	}
	request, err := parseEnqueue(raw)
	if err != nil {
		l.refuse(err.Error(), text)
		return
	}
	l.Enqueue = request
}

// maxQuoted is how much of a line its refusal quotes.
const maxQuoted = 1000

// refuse says why the line cannot be honoured, and quotes it: what was asked for is to be found again.
func (l *Line) refuse(why, text string) {
	quoted := strings.TrimSpace(text)
	if len(quoted) > maxQuoted {
		quoted = strings.ToValidUTF8(quoted[:maxQuoted], "") + "…"
	}
	l.Refused = clipLine(cleanText("enqueue refused: " + why + ": " + quoted))
	l.Level, l.Msg, l.HasMsg = "error", l.Refused, true
}

// textOf returns a text.
func textOf(raw json.RawMessage) (text string, ok bool) {
	return text, len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil
}

// numberOf reads a number, or a text that is one.
func numberOf(raw json.RawMessage) (float64, bool) {
	text, ok := textOf(raw)
	if !ok {
		text = string(raw)
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}

// parseProgress reads a share from 0 to 1; what is above 1, or has a percent sign, is percent; "3/4" is a share too.
func parseProgress(raw json.RawMessage) (float64, bool) {
	text, _ := textOf(raw)
	text = strings.TrimSpace(text)
	n, ok := numberOf(raw)
	if done, all, is := strings.Cut(text, "/"); is {
		a, err1 := strconv.ParseFloat(strings.TrimSpace(done), 64)
		b, err2 := strconv.ParseFloat(strings.TrimSpace(all), 64)
		n, ok = a/b, err1 == nil && err2 == nil && b > 0
	} else if percent, is := strings.CutSuffix(text, "%"); is {
		p, err := strconv.ParseFloat(strings.TrimSpace(percent), 64)
		n, ok = p/100, err == nil
	} else if n > 1 {
		n /= 100
	}
	return min(max(n, 0), 1), ok && !math.IsNaN(n)
}

// parseUsage reads the amounts, as numbers or as texts; parts of a token are rounded. It is not ok when nothing in it is
// an amount, or one of them would spoil the sums over many runs.
func parseUsage(raw json.RawMessage) (u Usage, ok bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return u, false
	}
	const most = 1 << 50
	for key, into := range map[string]func(float64){
		"input_tokens":  func(n float64) { u.InputTokens = int64(math.Round(n)) },
		"output_tokens": func(n float64) { u.OutputTokens = int64(math.Round(n)) },
		"cost_usd":      func(n float64) { u.CostUSD = n },
	} {
		raw, given := object[key]
		if !given || isJSONNull(raw) {
			continue
		}
		n, good := numberOf(raw)
		if !good || n < 0 || n >= most || key == "cost_usd" && n >= 1e9 {
			return Usage{}, false
		}
		into(n)
	}
	return u, true
}

var (
	messageKeys = []string{"msg", "message", "short_message", "@m", "@mt"}
	timeKeys    = []string{"time", "ts", "timestamp", "@timestamp", "@t", "asctime"}
)

// message is msg followed by the line's further keys as key=value, so that what a logger attached is not lost.
func message(object map[string]json.RawMessage, taken map[string]bool) string {
	var b strings.Builder
	for _, key := range messageKeys {
		raw, ok := object[key]
		if !ok || isJSONNull(raw) {
			continue
		}
		msg, isText := textOf(raw)
		if !isText {
			msg = string(raw)
		}
		b.WriteString(msg)
		taken[key] = true
		break
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if taken[key] || slices.Contains(timeKeys, key) {
			continue
		}
		value, ok := scalarText(object[key])
		if !ok {
			value = string(object[key])
		}
		if strings.ContainsAny(value, " \t\n\"") && ok {
			value = fmt.Sprintf("%q", value)
		}
		fmt.Fprintf(&b, " %s=%s", key, value)
	}
	return clipLine(cleanText(strings.TrimSpace(b.String())))
}

func isJSONNull(raw json.RawMessage) bool { return strings.TrimSpace(string(raw)) == "null" }
