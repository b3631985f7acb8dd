package agent

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

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
