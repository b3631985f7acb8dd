package supervisor

import (
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// supervisor is this process.
type supervisor struct {
	title    title
	starts   chan func() // of programs
	socket   *os.File
	messages chan message // from the host; closed when it is gone
	signals  chan os.Signal
	began    time.Time
	lastBeat atomic.Int64 // when the host last said anything, since began
}

// serve makes one attempt after another until the host is gone or somebody ends this process by hand.
func (s *supervisor) serve() int {
	for {
		s.title.set("supervisor", "idle")
		select {
		case m, ok := <-s.messages:
			if !ok {
				return 0
			}
			if m.word != start {
				continue // it came too late for its attempt
			}
			s.title.set("run "+m.order.Name, m.order.Name+" job "+strconv.FormatInt(m.order.Job, 10))
			a := &attempt{supervisor: s, order: m.order, files: m.files}
			if !a.run() {
				return 1
			}
		case <-s.signals:
			return 0
		}
	}
}

// listen passes on what the host says until it is gone. It ends with the process.
func (s *supervisor) listen() {
	defer close(s.messages)
	in := inbox{socket: s.socket}
	for {
		m, err := in.next()
		if err != nil {
			return
		}
		s.lastBeat.Store(int64(time.Since(s.began)))
		if m.word != Beat {
			s.messages <- m
		}
	}
}

// silence is how long the host has said nothing.
func (s *supervisor) silence() time.Duration {
	return time.Since(s.began) - time.Duration(s.lastBeat.Load())
}

// send writes reports. It fails when the host is gone.
func (s *supervisor) send(reports ...Report) bool {
	var b []byte
	for _, r := range reports {
		b = r.append(b)
	}
	_, err := s.socket.Write(b)
	return err == nil
}
