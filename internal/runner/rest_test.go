package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A program that has ended may have written more than was read yet: all of it counts, however long the reader is held up.
func TestOutputOfAnEndedProgramIsReadHoweverSlowly(t *testing.T) {
	for name, held := range map[string]bool{"all of it has ended": false, "something out of reach holds the pipes": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pipes, err := newPipes()
				if err != nil {
					t.Fatal(err)
				}
				defer pipes.closeOurs()
				defer pipes.closeTheirs()
				var said bytes.Buffer
				for n := range 9_000 {
					fmt.Fprintln(&said, n+1)
				}
				if _, err := pipes.stderr.theirs.Write(said.Bytes()); err != nil {
					t.Fatal(err)
				}
				if _, err := pipes.stdout.theirs.WriteString("the result"); err != nil {
					t.Fatal(err)
				}
				_ = pipes.stdout.theirs.Close()
				if !held {
					pipes.closeTheirs()
				}
				seen := 0
				p := &process{pipes: pipes, attempt: &Attempt{OnLine: func(l Line) {
					if seen == 0 { // the database is slow
						<-time.After(5 * drainFor)
					}
					if seen++; l.Msg != fmt.Sprint(seen) {
						t.Errorf("line %q after %d", l.Msg, seen-1)
					}
				}}}
				p.move()
				p.drain()
				if seen != 9_000 || string(p.result.Stdout) != "the result" {
					t.Errorf("%d of 9000 lines, the result %q", seen, p.result.Stdout)
				}
			})
		})
	}
}

// What never stops writing does not keep an attempt from its end.
func TestOutputEndsAfterItsDeadline(t *testing.T) {
	ours, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() { // ends when our end is closed
		defer close(stopped)
		for {
			if _, err := theirs.Write(make([]byte, 4<<10)); err != nil {
				return
			}
		}
	}()
	if err := ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(&output{pipe: ours})
	if !errors.Is(err, os.ErrDeadlineExceeded) || len(got) > 2*maxRest {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	_ = ours.Close()
	<-stopped
	_ = theirs.Close()
}
