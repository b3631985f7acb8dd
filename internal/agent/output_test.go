package agent

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
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
		{"progress beyond", `{"progress":7,"msg":"x"}`, Line{Level: "info", Msg: "x", HasMsg: true, Progress: pointer(1.0)}},
		{"progress below", `{"progress":-1}`, Line{Level: "info", Progress: pointer(0.0)}},
		{"no progress", `{"progress":null,"usage":null}`, Line{Level: "info"}},
		{"progress text", `{"progress":"half"}`, Line{Level: "info"}},
		{"usage", `{"usage":{"input_tokens":1,"output_tokens":2,"cost_usd":0.5}}`, Line{Level: "info", Usage: &Usage{1, 2, 0.5}}},
		{"absurd usage", `{"usage":{"input_tokens":-1}}`, Line{Level: "info"}},
		{"enqueue", `{"enqueue":{"agent":"hash","args":{"p":1},"priority":2,"delay":"10s","queue":"shared"}}`, Line{Level: "info",
			Enqueue: &EnqueueRequest{Agent: "hash", Args: []byte(`{"p":1}`), Priority: 2, Delay: 10 * time.Second, Queue: "shared"}}},
		{"enqueue bare", `{"msg":"x","enqueue":{"agent":"hash"}}`, Line{Level: "info", Msg: "x", HasMsg: true, Enqueue: &EnqueueRequest{Agent: "hash", Args: []byte(`{}`)}}},
		{"enqueue seconds", `{"enqueue":{"agent":"hash","delay":1.5}}`, Line{Level: "info", Enqueue: &EnqueueRequest{Agent: "hash", Args: []byte(`{}`), Delay: 1500 * time.Millisecond}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, ParseLine([]byte(tt.raw), time.Time{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseLineRefusesEnqueue(t *testing.T) {
	for _, request := range []string{
		`1`, `null`, `[]`, `{}`, `{"agent":"No"}`, `{"agent":"hash","arg":{}}`, `{"agent":"hash","args":[]}`, `{"agent":"hash","args":"x"}`,
		`{"agent":"hash","priority":5}`, `{"agent":"hash","delay":"soon"}`, `{"agent":"hash","delay":-1}`, `{"agent":"hash","delay":1e300}`,
		`{"agent":"hash","delay":"999999h"}`, `{"agent":"hash","queue":"a b"}`,
	} {
		l := ParseLine([]byte(`{"msg":"m","enqueue":`+request+`}`), time.Time{})
		if l.Enqueue != nil || !strings.HasPrefix(l.Refused, "enqueue refused: ") || l.Level != "error" || !strings.HasPrefix(l.Msg, l.Refused) {
			t.Errorf("%s: %+v", request, l)
		}
	}
}

func TestReadLinesCutsLongOnes(t *testing.T) {
	long := strings.Repeat("é", maxLine) // twice maxLine bytes
	input := "one\n\n" + long + "\ntwo\n" + `{"enqueue":{"agent":"hash","args":{"x":"` + long + `"}}}` + "\nno newline"
	for name, reader := range map[string]io.Reader{
		"whole":     strings.NewReader(input),
		"bytewise":  iotest.OneByteReader(strings.NewReader(input)),
		"with data": iotest.DataErrReader(strings.NewReader(input)),
	} {
		t.Run(name, func(t *testing.T) {
			var lines []Line
			readLines(reader, func(l Line) { lines = append(lines, l) })
			if len(lines) != 5 {
				t.Fatalf("%d lines", len(lines))
			}
			if lines[0].Msg != "one" || lines[2].Msg != "two" || lines[4].Msg != "no newline" {
				t.Errorf("%q %q %q", lines[0].Msg, lines[2].Msg, lines[4].Msg)
			}
			if msg := lines[1].Msg; !strings.HasSuffix(msg, "é … [cut, 32768 bytes in all]") || len(msg) > maxLine+50 {
				t.Errorf("%d bytes, end %q", len(msg), msg[len(msg)-40:])
			}
			if lines[3].Refused == "" || lines[3].Level != "error" {
				t.Errorf("a request that was cut is lost in silence: %+v", lines[3])
			}
		})
	}
}

func FuzzLine(f *testing.F) {
	for _, seed := range []string{
		"text", `{"level":"warn","msg":"x","progress":0.4,"usage":{"cost_usd":0.1},"enqueue":{"agent":"hash","args":{},"delay":"1s"}}`,
		"\x1b[31m\xff\x00\r", `{"level":30,"msg":["\ud800"],"k":"v"}`, "a\nb\n",
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
			if e := l.Enqueue; e != nil && (!goodName(e.Agent) || e.Delay < 0 || e.Args[0] != '{') {
				t.Fatalf("request %+v", e)
			}
		}
		check(ParseLine(data, time.Now()))
		readLines(bytes.NewReader(data), check)
	})
}
