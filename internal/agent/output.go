package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxLine   = 16 << 10
	lastLines = 20
)

// Line is one line an agent wrote to standard error.
type Line struct {
	At       time.Time
	Level    string // debug, info, warn or error
	Msg      string // valid UTF-8 without control characters but tab and newline
	HasMsg   bool   // false for a JSON line that only reports progress, usage or work to enqueue
	Progress *float64
	Usage    *Usage
	Enqueue  *EnqueueRequest
	Refused  string // why the line's enqueue request cannot be honoured; the attempt then fails
}

// Usage is what the agent says it consumed since its last such line: the amounts of an attempt add up.
type Usage struct {
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	CostUSD      float64 `json:"cost_usd"`
}

// EnqueueRequest is a job an agent asks for. It becomes one when the attempt ends well.
type EnqueueRequest struct {
	Agent    string
	Args     json.RawMessage // a JSON object; {} when none were given
	Priority int             // 1 to 4; 0 means the agent's own
	Delay    time.Duration
	Queue    string // empty means the agent's own
}

// ParseLine understands one line of standard error, without its newline. It never fails: what is not a JSON object
// with one of the keys level, msg, progress, usage, enqueue is a message of level info.
func ParseLine(raw []byte, at time.Time) Line {
	line := Line{At: at, Level: "info"}
	if trimmed := bytes.TrimSpace(raw); len(trimmed) > 1 && trimmed[0] == '{' {
		var object map[string]json.RawMessage
		if json.Unmarshal(trimmed, &object) == nil && understood(object) {
			line.fill(object)
			return line
		}
	}
	line.Msg = cleanText(string(afterReturn(raw)))
	line.HasMsg = strings.TrimSpace(line.Msg) != ""
	return line
}

var lineKeys = []string{"level", "msg", "progress", "usage", "enqueue"}

func understood(object map[string]json.RawMessage) bool {
	return slices.ContainsFunc(lineKeys, func(key string) bool { _, ok := object[key]; return ok })
}

func (l *Line) fill(object map[string]json.RawMessage) {
	l.Level = level(object["level"])
	var progress float64
	if raw, ok := object["progress"]; ok && !isJSONNull(raw) && json.Unmarshal(raw, &progress) == nil {
		progress = min(max(progress, 0), 1)
		l.Progress = &progress
	}
	var usage Usage
	if raw, ok := object["usage"]; ok && !isJSONNull(raw) && json.Unmarshal(raw, &usage) == nil && usage.sane() {
		l.Usage = &usage
	}
	if raw, ok := object["enqueue"]; ok {
		request, err := parseEnqueue(raw)
		if err != nil {
			l.Refused = clipLine(cleanText("enqueue refused: " + err.Error()))
			l.Level = "error"
		} else {
			l.Enqueue = request
		}
	}
	l.Msg = message(object)
	if l.Refused != "" {
		l.Msg = strings.TrimSpace(l.Refused + " " + l.Msg)
	}
	l.HasMsg = strings.TrimSpace(l.Msg) != ""
}

// sane refuses what would spoil the sums over many runs.
func (u Usage) sane() bool {
	const most = 1 << 50
	return u.InputTokens >= 0 && u.InputTokens < most && u.OutputTokens >= 0 && u.OutputTokens < most &&
		u.CostUSD >= 0 && u.CostUSD < 1e9
}

// level reads the names and the numbers that logging libraries write.
func level(raw json.RawMessage) string {
	var number float64
	if json.Unmarshal(raw, &number) == nil && number > 0 {
		switch {
		case number < 30:
			return "debug"
		case number < 40:
			return "info"
		case number < 50:
			return "warn"
		}
		return "error"
	}
	var name string
	_ = json.Unmarshal(raw, &name) // anything else is info
	switch strings.ToLower(name) {
	case "debug", "trace", "verbose":
		return "debug"
	case "warn", "warning":
		return "warn"
	case "error", "err", "fatal", "critical", "panic", "alert", "emergency":
		return "error"
	}
	return "info"
}

// message is msg followed by the line's further keys as key=value, so that what a logger attached is not lost.
func message(object map[string]json.RawMessage) string {
	var b strings.Builder
	var msg string
	for _, key := range []string{"msg", "message"} {
		if raw, ok := object[key]; ok && b.Len() == 0 {
			if json.Unmarshal(raw, &msg) != nil {
				msg = string(raw)
			}
			b.WriteString(msg)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		switch key {
		case "level", "msg", "message", "progress", "usage", "enqueue", "time", "ts", "timestamp":
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

func isJSONNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

func parseEnqueue(raw json.RawMessage) (*EnqueueRequest, error) {
	var wire struct {
		Agent    string          `json:"agent"`
		Args     json.RawMessage `json:"args"`
		Priority int             `json:"priority"`
		Delay    json.RawMessage `json:"delay"`
		Queue    string          `json:"queue"`
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wire); err != nil {
		return nil, fmt.Errorf(`write {"enqueue":{"agent":"hash","args":{}}}: %s`, strings.TrimPrefix(err.Error(), "json: "))
	}
	switch {
	case !goodName(wire.Agent):
		return nil, fmt.Errorf("%q is not an agent's name", clip(wire.Agent))
	case wire.Queue != "" && !goodName(wire.Queue):
		return nil, fmt.Errorf("%q is not a queue's name", clip(wire.Queue))
	case wire.Priority < 0 || wire.Priority > 4:
		return nil, fmt.Errorf("priority %d is not from 1 to 4", wire.Priority)
	}
	args := bytes.TrimSpace(wire.Args)
	switch {
	case len(args) == 0 || isJSONNull(args):
		args = []byte("{}")
	case args[0] != '{':
		return nil, fmt.Errorf("args must be a JSON object")
	}
	delay, err := parseDelay(wire.Delay)
	if err != nil {
		return nil, err
	}
	return &EnqueueRequest{Agent: wire.Agent, Args: args, Priority: wire.Priority, Delay: delay, Queue: wire.Queue}, nil
}

// parseDelay reads "10s" or a number of seconds.
func parseDelay(raw json.RawMessage) (time.Duration, error) {
	if len(raw) == 0 || isJSONNull(raw) {
		return 0, nil
	}
	const most = 366 * 24 * time.Hour
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if d, err := time.ParseDuration(text); err == nil && d >= 0 && d <= most {
			return d, nil
		}
	}
	var seconds float64
	if json.Unmarshal(raw, &seconds) == nil && seconds >= 0 && seconds <= most.Seconds() && !math.IsNaN(seconds) {
		return time.Duration(seconds * float64(time.Second)), nil
	}
	return 0, fmt.Errorf(`delay %s is not like "10s", at most a year`, clip(string(raw)))
}

// afterReturn keeps what a terminal would show of a line that a progress bar rewrote.
func afterReturn(raw []byte) []byte {
	raw = bytes.TrimRight(raw, "\r")
	return raw[bytes.LastIndexByte(raw, '\r')+1:]
}

var escapeSequence = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?|[@-Z\\\\^_])")

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
	return strings.ToValidUTF8(s[:maxLine], "") + fmt.Sprintf(" … [cut, %d bytes in all]", len(s))
}

// readLines calls each for every line of r until r ends. A line longer than maxLine is cut and marked.
func readLines(r io.Reader, each func(Line)) {
	var (
		chunk = make([]byte, 32<<10)
		line  []byte
		total int // bytes of the line, dropped ones included
	)
	emit := func() {
		if total > 0 {
			each(lineOf(line, total))
		}
		line, total = line[:0], 0
	}
	for {
		n, err := r.Read(chunk)
		for rest := chunk[:n]; len(rest) > 0; {
			part, after, complete := bytes.Cut(rest, []byte{'\n'})
			total += len(part)
			line = append(line, part[:min(len(part), maxLine-len(line))]...)
			if complete {
				emit()
			}
			rest = after
		}
		if err != nil {
			emit()
			return
		}
	}
}

func lineOf(raw []byte, total int) Line {
	if total <= len(raw) {
		return ParseLine(raw, time.Now())
	}
	l := Line{At: time.Now(), Level: "info", HasMsg: true}
	l.Msg = cleanText(strings.ToValidUTF8(string(raw), "")) + fmt.Sprintf(" … [cut, %d bytes in all]", total)
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) && bytes.Contains(raw, []byte(`"enqueue"`)) {
		l.Level = "error"
		l.Refused = fmt.Sprintf("enqueue refused: a line has at most %d bytes and this one %d", maxLine, total)
		l.Msg = l.Refused + ": " + l.Msg
	}
	return l
}
