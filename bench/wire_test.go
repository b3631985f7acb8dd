package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"strings"
	"testing"
	"time"
)

// deflated is an event as the server sends it: deflated by itself, flushed, without a last block.
func deflated(t *testing.T, text string) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, 6)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestPublishTimeIsThatOfAPatch(t *testing.T) {
	const patch = "event: patch\nid: 7\ndata: {\"from\":6,\"to\":7,\"patch\":{\"timestamp\":\"2026-01-02T15:04:05.678Z\"}}\n\n"
	at, ok := publishTime(deflated(t, patch))
	if want := time.Date(2026, 1, 2, 15, 4, 5, 678e6, time.UTC); !ok || !at.Equal(want) {
		t.Errorf("%v, %v, want %v", at, ok, want)
	}
	for name, sample := range map[string][]byte{
		"a beat":                  deflated(t, "event: beat\ndata: {\"revision\":7}\n\n"),
		"a patch without a time":  deflated(t, "event: patch\nid: 7\ndata: {\"from\":6,\"to\":7,\"patch\":{}}\n\n"),
		"the head of a stream":    {0x1f, 0x8b, 8, 0},
		"what is cut in the half": deflated(t, patch)[:20],
	} {
		if at, ok := publishTime(sample); ok {
			t.Errorf("%s was published at %v", name, at)
		}
	}
}

func TestChunksAreReadWithTheirFraming(t *testing.T) {
	const body = "5\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n"
	reader := bufio.NewReader(strings.NewReader(body))
	var chunk []byte
	total := 0
	for _, want := range []string{"hello", "abcdefghijklmnopqrstuvwxyz"} {
		var framed int
		var err error
		if chunk, framed, err = readChunk(reader, chunk); err != nil || string(chunk) != want {
			t.Fatalf("%q, %v, want %q", chunk, err, want)
		}
		total += framed
	}
	if total != len(body)-len("0\r\n\r\n") {
		t.Errorf("%d bytes", total)
	}
	if _, _, err := readChunk(reader, chunk); err == nil {
		t.Error("the last chunk is no end")
	}
}

func TestAnswersAreSkippedToTheirEnd(t *testing.T) {
	reader := bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nX: y\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	for i := range 2 {
		if err := skipAnswer(reader); err != nil {
			t.Fatalf("answer %d: %v", i+1, err)
		}
	}
	for _, text := range []string{
		"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "",
	} {
		if err := skipAnswer(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%q is a success", text)
		}
	}
}
