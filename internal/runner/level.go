package runner

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// The keys under which logging libraries write the level, those with a name of it before those with a number.
var levelKeys = []string{
	"level", "severity", "levelname", "level_name", "levelName", "log.level", "loglevel", "logLevel", "LogLevel", "log_level", "lvl",
	"severity_text", "severityText", "SeverityText", "@l", "Level", "Severity",
	"levelno", "level_number", "level_value", "severity_number", "severityNumber", "SeverityNumber", "PRIORITY", "syslog_level",
}

// levelKeysWithin are objects that hold it.
var levelKeysWithin = []string{"log", "record", "level", "severity"}

// levelIn finds the level of an object; the key is the one that it was found under, empty when there is none.
func levelIn(object map[string]json.RawMessage) (level, key string) {
	for _, named := range []bool{true, false} { // a name is clearer than a number
		for _, key := range levelKeys {
			raw, ok := object[key]
			if !ok {
				continue
			}
			text, isText := textOf(raw)
			number, isNumber := numberOf(raw)
			switch {
			case named && isText && !isNumber:
				if level := levelNamed(text); level != "" {
					return level, key
				}
			case !named && isNumber:
				return levelNumbered(object, key, number), key
			}
		}
	}
	for _, key := range levelKeysWithin {
		var within map[string]json.RawMessage
		if raw := object[key]; len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &within) != nil {
			continue
		}
		if name, ok := within["name"]; ok && within["level"] == nil {
			within["level"] = name
		}
		if nested, ok := within["level"]; ok && len(nested) > 0 && nested[0] == '{' { // {"record":{"level":{"name":"ERROR"}}}
			var deeper map[string]json.RawMessage
			if json.Unmarshal(nested, &deeper) == nil {
				within["level"] = deeper["name"]
			}
		}
		delete(within, "severity")
		if level, _ := levelIn(map[string]json.RawMessage{"level": within["level"]}); level != "" {
			return level, key
		}
	}
	return "", ""
}

// levelNumbered reads a number by the scale of whose key it stands under.
func levelNumbered(object map[string]json.RawMessage, key string, n float64) string {
	_, gelf := object["short_message"]
	switch {
	case key == "PRIORITY" || key == "syslog_level" || gelf || key == "severity" && n < 8 && n == math.Trunc(n):
		return bySteps(7-n, 0.5, 2.5, 3.5) // syslog: 7 debug, 6 info, 5 notice, 4 warning, 3 error, ... 0 emergency
	case key == "levelno" || key == "level_number":
		return bySteps(n, 20, 30, 40) // Python
	case strings.HasPrefix(strings.ToLower(key), "severity") && strings.HasSuffix(strings.ToLower(key), "number"):
		return bySteps(n, 9, 13, 17) // OpenTelemetry
	case key == "severity" && n >= 100:
		return bySteps(n, 200, 400, 500) // Google Cloud
	case n >= 1000:
		return bySteps(n, 20_000, 30_000, 40_000) // log4j, logback
	case n >= 100:
		return bySteps(n, 200, 300, 400) // Monolog
	case n <= 0:
		return "info"
	}
	return bySteps(n, 30, 40, 50) // bunyan, pino
}

// bySteps names the level of a number by where info, warn and error begin.
func bySteps(n, info, warn, err float64) string {
	switch {
	case n < info:
		return "debug"
	case n < warn:
		return "info"
	case n < err:
		return "warn"
	}
	return "error"
}

// levelNamed reads the names that logging libraries write; empty for any other text.
func levelNamed(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if at := strings.IndexAny(name, "+-"); at > 0 { // slog's ERROR+2
		if _, err := strconv.Atoi(name[at:]); err == nil {
			name = name[:at]
		}
	}
	switch name {
	case "debug", "trace", "verbose", "dbug", "dbg", "trce", "trc", "finest", "finer", "fine", "silly", "d", "t", "v", "verb":
		return "debug"
	case "info", "information", "informational", "notice", "inf", "i", "n", "success", "http", "config", "log", "default":
		return "info"
	case "warn", "warning", "wrn", "w", "wrng":
		return "warn"
	case "error", "err", "eror", "e", "fail", "failure", "severe", "fatal", "ftl", "f", "critical", "crit", "crt", "c", "panic", "dpanic", "alert", "emergency", "emerg":
		return "error"
	}
	return ""
}

// Where a line of plain text names its level.
const (
	levelWords = `TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERR|ERROR|CRIT|CRITICAL|FATAL|SEVERE|ALERT|EMERG|PANIC`
	anyWords   = `trace|trce|debug|dbug|dbg|info|inf|notice|warn|warning|wrn|err|error|fail|crit|critical|fatal|severe|alert|emerg|panic`
)

var (
	glogForm    = regexp.MustCompile(`^([IWEFD])\d{4} \d\d:\d\d:\d\d`)
	syslogForm  = regexp.MustCompile(`^<(\d{1,3})>`)
	logfmtForm  = regexp.MustCompile(`(?i)(?:^|[\s{])(?:level|lvl|severity|loglevel|log[._]level|levelname)="?([a-z]+(?:[+-]\d)?|\d\d)"?(?:[\s},]|$)`)
	bracketForm = regexp.MustCompile(`(?i)^[^\[]{0,80}(?:\[[^\]]{0,60}\][^\[]{0,40}){0,3}?\[\s*(` + anyWords + `)\s*\]`)
	// A level after nothing but times, names in brackets, and one name: "2026-01-02 15:04:05,678 - app - ERROR - text".
	headForm = regexp.MustCompile(`^(?:[\[(]?[^\s]{0,40}\d[^\s]{0,40}[\])]?[\s|,-]+){0,4}(?:\[[^\]]{0,60}\][\s|:-]+){0,2}(?:[\w.$/-]{1,60} ?[|:-][\s|:-]*){0,2}[\[(<]?(` +
		levelWords + `)[\])>]?(?:[\s:|\-,]|$)`)
	envLogForm = regexp.MustCompile(`^\[[^\]]{0,40}\s(` + levelWords + `)[\s\]]`)
	colonForm  = regexp.MustCompile(`(?i)^\s{0,4}(?:(?:php|uncaught|\S{1,60}:)\s)?(?:fatal |parse )?(` + anyWords + `)(?:\[[A-Z]{0,4}\d*\])?:(?:\s|$)`)
	rubyForm   = regexp.MustCompile(`^([DIWEF]), \[\d{4}-`)
	npmForm    = regexp.MustCompile(`^npm (ERR!|error|WARN|warn)(?:\s|$)`)
)

// levelHead is how much of a line's beginning its level is looked for in.
const levelHead = 300

// levelOfText reads the level that a line of plain text begins with, or that it has as level=; empty when there is none.
func levelOfText(text string) string {
	head := text
	if len(head) > levelHead {
		head = head[:levelHead]
	}
	if strings.IndexByte(text, '=') > 0 {
		if level := levelAsKey(text); level != "" {
			return level
		}
	}
	if !namesLevel(head) {
		return ""
	}
	if m := syslogForm.FindStringSubmatch(head); m != nil {
		n, _ := strconv.Atoi(m[1])
		if n < 192 {
			return bySteps(float64(7-n%8), 0.5, 2.5, 3.5)
		}
	}
	if m := npmForm.FindStringSubmatch(head); m != nil {
		return levelNamed(strings.TrimSuffix(m[1], "!"))
	}
	for _, form := range []*regexp.Regexp{glogForm, rubyForm, headForm, envLogForm, bracketForm, colonForm} {
		if m := form.FindStringSubmatch(head); m != nil {
			return levelNamed(m[1])
		}
	}
	return ""
}

// namesLevel is quick: whether a text begins as glog's, Ruby's or syslog's lines do, or a word in it is a level's name.
func namesLevel(head string) bool {
	if len(head) > 2 && (head[0] == '<' || head[1] >= '0' && head[1] <= '9' || head[1] == ',') {
		return true
	}
	begin := -1
	for i := 0; i <= len(head); i++ {
		if i < len(head) && (head[i]|0x20 >= 'a' && head[i]|0x20 <= 'z') {
			if begin < 0 {
				begin = i
			}
			continue
		}
		if begin >= 0 && i-begin >= 3 && i-begin <= len("informational") && levelNamed(head[begin:i]) != "" {
			return true
		}
		begin = -1
	}
	return false
}

// levelAsKey reads level=, as logfmt has it.
func levelAsKey(text string) string {
	for _, key := range []string{"evel", "EVEL", "lvl", "everity", "EVERITY"} {
		if !strings.Contains(text, key) {
			continue
		}
		m := logfmtForm.FindStringSubmatch(text)
		if m == nil {
			return ""
		}
		if n, err := strconv.Atoi(m[1]); err == nil {
			return levelNumbered(nil, "level", float64(n))
		}
		return levelNamed(m[1])
	}
	return ""
}
