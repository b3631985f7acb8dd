package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
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
