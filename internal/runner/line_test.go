package runner

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/agentos/agentos/internal/agent"
)

func pointer[T any](v T) *T { return &v }

func TestParseLine(t *testing.T) {
	tests := []struct {
		name, raw string
		want      Line
	}{
		{"text", "hello", Line{Level: "info", Msg: "hello", HasMsg: true}},
		{"blank", " \t ", Line{Level: "info", Msg: " \t "}},
		{"windows line", "hello\r", Line{Level: "info", Msg: "hello", HasMsg: true}},
		{"progress bar", "10 %\r20 %\r30 %", Line{Level: "info", Msg: "30 %", HasMsg: true}},
		{"colours", "\x1b[1;31mred\x1b[0m \x1b]0;title\x07x", Line{Level: "info", Msg: "red x", HasMsg: true}},
		{"not UTF-8", "a\xff\x00b", Line{Level: "info", Msg: "a\uFFFD\uFFFDb", HasMsg: true}},
		{"other JSON", `{"a":1}`, Line{Level: "info", Msg: `{"a":1}`, HasMsg: true}},
		{"broken JSON", `{"msg":"a`, Line{Level: "info", Msg: `{"msg":"a`, HasMsg: true}},
		{"JSON list", `["msg"]`, Line{Level: "info", Msg: `["msg"]`, HasMsg: true}},
		{"message", `{"level":"warn","msg":"a\nb"}`, Line{Level: "warn", Msg: "a\nb", HasMsg: true}},
		{"message with control", `{"msg":"a\u0000\u001b[1mb"}`, Line{Level: "info", Msg: "a\uFFFDb", HasMsg: true}},
		{"further keys", `{"time":"now","level":"INFO","msg":"hashed","file":"a b","n":3,"x":{"y":1}}`, Line{Level: "info", Msg: `hashed file="a b" n=3 x={"y":1}`, HasMsg: true}},
		{"numbered level", `{"level":50,"msg":"x"}`, Line{Level: "error", Msg: "x", HasMsg: true}},
		{"unknown level", `{"level":"loud","msg":"x"}`, Line{Level: "info", Msg: "x", HasMsg: true}},
		{"level of wrong type", `{"level":[],"msg":5}`, Line{Level: "info", Msg: "5", HasMsg: true}},
		{"progress", `{"progress":0.25}`, Line{Level: "info", Progress: pointer(0.25)}},
		{"progress in percent", `{"progress":7,"msg":"x"}`, Line{Level: "info", Msg: "x", HasMsg: true, Progress: pointer(0.07)}},
		{"progress beyond", `{"progress":700}`, Line{Level: "info", Progress: pointer(1.0)}},
		{"progress as a text", `{"progress":"0.5"}`, Line{Level: "info", Progress: pointer(0.5)}},
		{"progress with a sign", `{"progress":"50%"}`, Line{Level: "info", Progress: pointer(0.5)}},
		{"progress with a sign, small", `{"progress":" 0.5 % "}`, Line{Level: "info", Progress: pointer(0.005)}},
		{"progress as a fraction", `{"progress":"3/4"}`, Line{Level: "info", Progress: pointer(0.75)}},
		{"progress NaN", `{"progress":NaN,"msg":"x"}`, Line{Level: "info", Msg: "x", HasMsg: true}},
		{"progress below", `{"progress":-1}`, Line{Level: "info", Progress: pointer(0.0)}},
		{"no progress", `{"progress":null,"usage":null}`, Line{Level: "info"}},
		{"progress text", `{"progress":"half"}`, Line{Level: "info", Msg: "progress=half", HasMsg: true}},
		{"usage", `{"usage":{"input_tokens":1,"output_tokens":2,"cost_usd":0.5}}`, Line{Level: "info", Usage: &Usage{1, 2, 0.5}}},
		{"usage as texts and fractions", `{"usage":{"input_tokens":"812","output_tokens":96.0,"cost_usd":"0.0031"}}`, Line{Level: "info", Usage: &Usage{812, 96, 0.0031}}},
		{"absurd usage", `{"usage":{"input_tokens":-1}}`, Line{Level: "info", Msg: `usage={"input_tokens":-1}`, HasMsg: true}},
		{"retry after", `{"msg":"slow down","retry_after":"90s"}`, Line{Level: "info", Msg: "slow down", HasMsg: true, Retry: pointer(90 * time.Second)}},
		{"retry after seconds", `{"retry_after":"1.5"}`, Line{Level: "info", Retry: pointer(1500 * time.Millisecond)}},
		{"enqueue", `{"enqueue":{"agent":"hash","args":{"p":1},"priority":2,"delay":"10s","queue":"shared"}}`, Line{Level: "info",
			Enqueue: &EnqueueRequest{Agent: "hash", Args: []byte(`{"p":1}`), Priority: 2, Delay: 10 * time.Second, Queue: "shared"}}},
		{"enqueue bare", `{"msg":"x","enqueue":{"agent":"hash"}}`, Line{Level: "info", Msg: "x", HasMsg: true, Enqueue: &EnqueueRequest{Agent: "hash", Args: []byte(`{}`)}}},
		{"enqueue seconds", `{"enqueue":{"agent":"hash","delay":1.5}}`, Line{Level: "info", Enqueue: &EnqueueRequest{Agent: "hash", Args: []byte(`{}`), Delay: 1500 * time.Millisecond}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff([]Line{tt.want}, ParseLine([]byte(tt.raw), time.Time{}), cmpopts.IgnoreUnexported(Line{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What an agent writes in place of JSON and clearly means: none of it may be lost.
func TestParseLineAcceptsWhatIsMeant(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	hash := EnqueueRequest{Agent: "hash", Args: []byte(`{"p":1}`)}
	tests := []struct {
		name, raw string
		want      []EnqueueRequest
	}{
		{"single quotes", `{'enqueue': {'agent': 'hash', 'args': {'p': 1}}}`, []EnqueueRequest{hash}},
		{"trailing commas", `{"enqueue":{"agent":"hash","args":{"p":1,},},}`, []EnqueueRequest{hash}},
		{"bare keys", `{ enqueue: { agent: 'hash', args: { p: 1 } } }`, []EnqueueRequest{hash}},
		{"Python's words", `{'enqueue': {'agent': 'hash', 'args': {'a': True, 'b': None, 'c': (1, 2), 'd': 'it\'s "x"'}}}`,
			[]EnqueueRequest{{Agent: "hash", Args: []byte(`{"a":true,"b":null,"c":[1,2],"d":"it's \"x\""}`)}}},
		{"Ruby's arrows", `{"enqueue"=>{"agent"=>"hash", "args"=>{"p"=>1}, "queue"=>nil}}`, []EnqueueRequest{hash}},
		{"digits", `{'enqueue':{'agent':'hash','args':{'n':3544790567247868102,'f':.5,'g':+1.,}}}`,
			[]EnqueueRequest{{Agent: "hash", Args: []byte(`{"n":3544790567247868102,"f":0.5,"g":1}`)}}},
		{"as written", `{"enqueue":{"agent":"hash","args":{"n": 1.50, "s":"\u00e9"}}}`, []EnqueueRequest{{Agent: "hash", Args: []byte(`{"n": 1.50, "s":"\u00e9"}`)}}},
		{"two objects", `{"enqueue":{"agent":"hash","args":{"p":1}}}{"enqueue":{"agent":"hash","args":{"p":1}}}`, []EnqueueRequest{hash, hash}},
		{"objects and text", `{"msg":"a"}, {"enqueue":{"agent":"hash","args":{"p":1}}} done`, []EnqueueRequest{hash}},
		{"not ours and ours", `{"a":1} {"enqueue":{"agent":"hash","args":{"p":1}}}`, []EnqueueRequest{hash}},
		{"two in one object", `{"enqueue":{"agent":"hash","args":{"p":1}},"enqueue":{"agent":"hash","args":{"p":1}}}`, []EnqueueRequest{hash, hash}},
		{"a list", `{"enqueue":[{"agent":"hash","args":{"p":1}},{"agent":"hash","args":{"p":1}}]}`, []EnqueueRequest{hash, hash}},
		{"capitals", `{"Enqueue":{"Agent":"hash","Args":{"p":1}}}`, []EnqueueRequest{hash}},
		{"colours", "\x1b[32m{\x1b[0m\"enqueue\":{\"agent\":\"ha\x1b[1msh\",\"args\":{\"p\":1}}}\x1b[0m", []EnqueueRequest{hash}},
		{"byte order mark", "\uFEFF{\"enqueue\":{\"agent\":\"hash\",\"args\":{\"p\":1}}}", []EnqueueRequest{hash}},
		{"carriage return before", "10 %\r20 %\r{\"enqueue\":{\"agent\":\"hash\",\"args\":{\"p\":1}}}\r", []EnqueueRequest{hash}},
		{"carriage return after", "{\"enqueue\":{\"agent\":\"hash\",\"args\":{\"p\":1}}}\r20 %\r", []EnqueueRequest{hash}},
		{"progress bar without one", `50 % {"enqueue":{"agent":"hash","args":{"p":1}}}`, []EnqueueRequest{hash}},
		{"logger's prefix", `INFO:root:{"enqueue":{"agent":"hash","args":{"p":1}}}`, []EnqueueRequest{hash}},
		{"prefix with braces", `[{a}] {"enqueue":{"agent":"hash","args":{"p":1}}}`, []EnqueueRequest{hash}},
		{"far behind", `{"msg":"` + long + `","enqueue":{"agent":"hash","args":{"p":1}}}`, []EnqueueRequest{hash}},
		{"large", `{"enqueue":{"agent":"hash","args":{"x":"` + long + `"}}}`, []EnqueueRequest{{Agent: "hash", Args: []byte(`{"x":"` + long + `"}`)}}},
		{"UTF-16", utf16Text("\uFEFF"+`{"enqueue":{"agent":"hash","args":{"p":1}}}`, binary.LittleEndian), []EnqueueRequest{hash}},
		{"UTF-16, a later line", "\x00" + utf16Text(`{"enqueue":{"agent":"hash","args":{"p":1}}}`, binary.LittleEndian), []EnqueueRequest{hash}},
		{"UTF-16, the other order", utf16Text(`{"enqueue":{"agent":"hash","args":{"p":1}}}`, binary.BigEndian) + "\x00", []EnqueueRequest{hash}},
		{"numbers as texts", `{"enqueue":{"agent":"hash","args":{"p":1},"priority":"2","delay":"10"}}`,
			[]EnqueueRequest{{Agent: "hash", Args: []byte(`{"p":1}`), Priority: 2, Delay: 10 * time.Second}}},
		{"arguments encoded twice", `{"enqueue":{"agent":"hash","args":"{\"p\":1}"}}`, []EnqueueRequest{hash}},
		{"strange blanks", "{\u00a0\"enqueue\" :\u2003{\"agent\":\"hash\",\"args\":{\"p\":1}}}", []EnqueueRequest{hash}},
		{"as text in a text", `{"level":"debug","msg":"sent {\"enqueue\":{\"agent\":\"hash\"}}"}`, nil},
		{"program text in a stack", `    print('{"enqueue": {"agent": "hash"}}')`, nil},
		{"program text with a call", `    emit({"enqueue": {"agent": "hash"}})`, nil},
		{"the word", `enqueue: nothing to do {ok}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []EnqueueRequest
			for _, l := range ParseLine([]byte(tt.raw), time.Time{}) {
				if l.Refused != "" {
					t.Errorf("refused: %.300s", l.Refused)
				}
				if l.Enqueue != nil {
					got = append(got, *l.Enqueue)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%.2000s", diff)
			}
		})
	}
}

// A request for work that cannot be read is refused, and the error names the line.
func TestParseLineRefusesWhatItCannotRead(t *testing.T) {
	for name, raw := range map[string]string{
		"NaN":                `{"enqueue":{"agent":"hash","args":{"x":NaN}}}`,
		"infinity":           `{"enqueue":{"agent":"hash","args":{"x":[-Infinity]}}}`,
		"cut off":            `{"enqueue":{"agent":"hash","args":{"x":1}`,
		"an object inside":   `{"enqueue":{"agent":"hash","args":[Object]}}`,
		"Ruby's symbols":     `{:enqueue=>{:agent=>"hash"}}`,
		"typographic":        `{“enqueue”:{“agent”:“hash”}}`,
		"a date":             `{'enqueue': {'agent': 'hash', 'args': {'at': datetime.date(2026, 1, 2)}}}`,
		"begin of an object": `  "enqueue": {`,
		"prefixed":           `INFO:root:{"enqueue":{"agent":"hash","args":{"x":}}}`,
		"behind another":     `{"msg":"a"} {"enqueue":{"agent":"hash","args":{"x":}}}`,
		"one of two":         `{"enqueue":{"agent":"hash"},"enqueue":{"agent":"hash","args":{"x":NaN}}}`,
		"args a list":        `{"enqueue":{"agent":"hash","args":[1]}}`,
		"args a text":        `{"enqueue":{"agent":"hash","args":"x=1"}}`,
		"half a priority":    `{"enqueue":{"agent":"hash","priority":1.5}}`,
		"in days":            `{"enqueue":{"agent":"hash","delay":"1d"}}`,
		"a key too many":     `{"enqueue":{"agent":"hash","scheduled_at":"2026-01-02"}}`,
		"nested too deep":    `{"enqueue":{"agent":"hash","args":{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}}}`,
		"before a return":    "{\"enqueue\":{\"agent\":}}\r50 %",
		"too long":           `{"enqueue":{"agent":"hash","args":{"x":"` + strings.Repeat("x", 2<<20) + `"}}}`,
		"too far behind":     `{"msg":"` + strings.Repeat("x", 2<<20) + `","enqueue":{"agent":"hash"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			refused := ""
			for _, l := range ParseLine([]byte(raw), time.Time{}) {
				if l.Refused != "" {
					refused = l.Refused
					if l.Level != "error" || !l.HasMsg {
						t.Errorf("it is not seen: %+v", l)
					}
				}
			}
			quoted, _, _ := strings.Cut(raw[:min(len(raw), 60)], "\r")
			if !strings.HasPrefix(refused, "enqueue refused: ") || !strings.Contains(refused, strings.TrimSpace(quoted)) {
				t.Errorf("refused: %q", refused)
			}
		})
	}
}

func utf16Text(s string, order binary.AppendByteOrder) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

func TestParseLineKnowsTheLevel(t *testing.T) {
	for raw, want := range map[string]string{
		`{"severity":"ERROR","message":"x"}`:                                        "error",
		`{"levelname":"WARNING","message":"x"}`:                                     "warn",
		`{"log.level":"warn","message":"x"}`:                                        "warn",
		`{"log":{"level":"error"},"message":"x"}`:                                   "error",
		`{"text":"x","record":{"level":{"name":"CRITICAL","no":50},"message":"x"}}`: "error",
		`{"level":{"name":"DEBUG"},"msg":"x"}`:                                      "debug",
		`{"level":10,"msg":"x"}`:                                                    "debug",
		`{"level":"40","msg":"x"}`:                                                  "warn",
		`{"level":60,"msg":"x"}`:                                                    "error",
		`{"levelno":30,"msg":"x"}`:                                                  "warn",
		`{"levelno":40,"levelname":"ERROR","msg":"x"}`:                              "error",
		`{"version":"1.1","host":"a","short_message":"x","level":3}`:                "error",
		`{"version":"1.1","host":"a","short_message":"x","level":4}`:                "warn",
		`{"version":"1.1","host":"a","short_message":"x","level":7}`:                "debug",
		`{"PRIORITY":"3","MESSAGE":"x"}`:                                            "error",
		`{"severity":500,"message":"x"}`:                                            "error",
		`{"severity_number":13,"body":"x"}`:                                         "warn",
		`{"level":400,"level_name":"ERROR","message":"x"}`:                          "error",
		`{"level":300,"message":"x"}`:                                               "warn",
		`{"level":"INFO","level_value":20000,"message":"x"}`:                        "info",
		`{"level_value":40000,"message":"x"}`:                                       "error",
		`{"@l":"Fatal","@mt":"x"}`:                                                  "error",
		`{"LogLevel":"Critical","Message":"x"}`:                                     "error",
		`{"level":"ERROR+2","msg":"x"}`:                                             "error",
		`{"level":"DEBUG-4","msg":"x"}`:                                             "debug",
		`{"lvl":"eror","msg":"x"}`:                                                  "error",
		`{'level': 'ERR', 'msg': 'x'}`:                                              "error",
		`{"level":"crit","msg":"` + strings.Repeat("x", 20<<10) + `"}`:              "error",
		`{"msg":"` + strings.Repeat("x", 20<<10) + `","level":"error"}`:             "error",
		`{"level":"warn","msg":"` + strings.Repeat("x", 2<<20) + `"}`:               "warn",
		`time=2026-01-02T15:04:05Z level=ERROR msg="x y"`:                           "error",
		`msg="` + strings.Repeat("x", 20<<10) + `" level=warning`:                   "warn",
		`lvl=crit msg=x`:                                                            "error",
		`level=50 msg=x`:                                                            "error",
		`E0102 15:04:05.123456       1 main.go:12] x`:                               "error",
		`W0102 15:04:05.123456       1 main.go:12] x`:                               "warn",
		`[ERROR] x`:   "error",
		`[ error ] x`: "error",
		`2026/01/02 15:04:05 [error] 7#7: *1 open() failed`:      "error",
		`2026-01-02 15:04:05,678 - app - WARNING - x`:            "warn",
		`2026-01-02 15:04:05.678 ERROR 7 --- [main] c.E.App : x`: "error",
		`15:04:05.678 [main] ERROR com.example.App - x`:          "error",
		`[2026-01-02T15:04:05Z WARN  app::main] x`:               "warn",
		`ERROR:root:x`:                                 "error",
		`CRITICAL: x`:                                  "error",
		`error: x`:                                     "error",
		`error[E0308]: mismatched types`:               "error",
		`main.c:3:5: warning: unused`:                  "warn",
		`PHP Warning:  x in y`:                         "warn",
		`fatal: not a git repository`:                  "error",
		`npm ERR! code ENOENT`:                         "error",
		`npm warn deprecated x`:                        "warn",
		`E, [2026-01-02T15:04:05.678 #7] ERROR -- : x`: "error",
		`fail: App.Worker[0]`:                          "error",
		`<3>x`:                                         "error",
		`<6>x`:                                         "info",
		"\x1b[31mERROR\x1b[0m x":                       "error",
		`no error here`:                                "info",
		`it said ERROR and went on`:                    "info",
		`errors: 0`:                                    "info",
		`level 3 reached`:                              "info",
	} {
		lines := ParseLine([]byte(raw), time.Time{})
		if len(lines) != 1 || lines[0].Level != want {
			t.Errorf("%.100s: %.300s, want %s", raw, fmt.Sprint(lines), want)
		}
		if level, msg := CleanLine(raw); level != want || len(msg) > maxLine+100 {
			t.Errorf("another's %.100s: %s", raw, level)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, seed := range []string{
		"text", `{"level":"warn","msg":"x","progress":0.4,"usage":{"cost_usd":0.1},"enqueue":{"agent":"hash","args":{},"delay":"1s"}}`,
		"\x1b[31m\xff\x00\r", "10%\r{'enqueue': {'agent': 'hash', 'args': {'x': NaN, 'y': (1, -.5e3, \"\\u00e9\\x41\")},}}\r\uFEFFINFO:{enqueue: [", "\xff\xfe{\x00}\x00", `{"level":30,"msg":["\ud800"],"k":"v"}`, "a\nb\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		check := func(l Line) {
			if !utf8.ValidString(l.Msg) || strings.ContainsAny(l.Msg, "\x00\x1b\r") || len(l.Msg) > 4*maxLine {
				t.Fatalf("unsafe message %q", l.Msg)
			}
			switch l.Level {
			case "debug", "info", "warn", "error":
			default:
				t.Fatalf("level %q", l.Level)
			}
			if l.Progress != nil && !(*l.Progress >= 0 && *l.Progress <= 1) {
				t.Fatalf("progress %v", *l.Progress)
			}
			if e := l.Enqueue; e != nil && (!agent.GoodName(e.Agent) || e.Delay < 0 || e.Args[0] != '{') {
				t.Fatalf("request %+v", e)
			}
		}
		for _, l := range ParseLine(data, time.Now()) {
			check(l)
		}
		readLines(bytes.NewReader(data), check)
	})
}
