package agent

import (
	"bytes"
	"strings"
	"testing"
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
