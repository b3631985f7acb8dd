package runner

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
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
			if lines[3].Enqueue == nil || !strings.Contains(string(lines[3].Enqueue.Args), long) {
				t.Errorf("a long request is lost: %.300s", fmt.Sprint(lines[3]))
			}
		})
	}
}

// A progress bar goes back to the begin of its line: its state is shown while the line goes on, and the line says the last
// one, however many there were.
func TestReadLinesFollowsAProgressBar(t *testing.T) {
	r, w := io.Pipe()
	lines := make(chan Line, 100)
	go func() {
		readLines(r, func(l Line) { lines <- l })
		close(lines)
	}()
	next := func() Line {
		select {
		case l := <-lines:
			return l
		case <-time.After(20 * time.Second):
			t.Fatal("no line comes")
			return Line{}
		}
	}
	write := func(text string) {
		if _, err := io.WriteString(w, text); err != nil {
			t.Error(err)
		}
	}
	write("\r 10 % of a")
	if l := next(); !l.Live || l.Msg != "10 % of a" || l.HasMsg {
		t.Errorf("the state is %+v", l)
	}
	write("\r\x1b[K 20 % of a\r")
	if l := next(); !l.Live || l.Msg != "20 % of a" {
		t.Errorf("the next state is %+v", l)
	}
	write("{\"progress\":0.5}\r")
	if l := next(); l.Progress == nil || *l.Progress != 0.5 {
		t.Errorf("the report between is %+v", l)
	}
	go write(strings.Repeat("\r"+strings.Repeat("#", 1000), 5000) + "\r100 %\nafter\n")
	for l := next(); ; l = next() {
		if l.HasMsg {
			if l.Msg != "100 %" || l.Live {
				t.Errorf("the line says %.100s", fmt.Sprint(l))
			}
			break
		}
	}
	if l := next(); l.Msg != "after" || !l.HasMsg {
		t.Errorf("after it comes %+v", l)
	}
	w.Close()
	if l, more := <-lines; more {
		t.Errorf("at the end comes %+v", l)
	}
}
