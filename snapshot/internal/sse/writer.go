package sse

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/http"
	"time"
)

// A Writer is the writing end of one stream. Only its request's goroutine uses it.
type Writer struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration // of one write
	gzip    bool
	begun   bool
	sum     uint32 // CRC-32 of what was sent, before compression, for the gzip trailer
	size    uint32 // and its length
	Sent    uint64 // bytes written
}

// The ends of a gzip stream whose middle are events: they close each other like brackets.
var (
	gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff} // deflate, no name, no time, unknown system
	lastBlock  = []byte{3, 0}                                  // an empty deflate block that says it is the last
)

// reconnect is how many milliseconds later a browser that lost the stream connects again.
const reconnect = "retry: 1000\n\n"

// NewWriter makes the writer of one stream. No write may take longer than the timeout.
func NewWriter(w http.ResponseWriter, r *http.Request, gzip bool, timeout time.Duration) *Writer {
	s := &Writer{w: w, control: http.NewResponseController(w), timeout: timeout, gzip: gzip}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "private, no-cache")
	header.Add("Vary", "Accept-Encoding")
	header.Set("X-Accel-Buffering", "no") // reverse proxies: pass on each event at once
	if r.ProtoMajor == 1 {
		header.Set("Connection", "close") // the write deadline must not outlive the stream on a kept connection
	}
	if s.gzip {
		header.Set("Content-Encoding", "gzip")
	}
	_ = s.control.SetReadDeadline(time.Time{}) // a server's ReadTimeout is for requests; a stream outlives it
	return s
}

// Send writes events and passes them on at once. It fails when the subscriber has gone, or does not read for the time
// of the timeout.
func (s *Writer) Send(events ...*Event) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(s.timeout)) // not every writer has deadlines; net/http's has
	if err := s.begin(); err != nil {
		return err
	}
	for _, f := range events {
		if err := s.sendEvent(f); err != nil {
			return err
		}
	}
	return s.control.Flush()
}

// begin opens the stream: the gzip header, and for everyone when to reconnect.
func (s *Writer) begin() error {
	if s.begun {
		return nil
	}
	s.begun = true
	if !s.gzip {
		return s.write([]byte(reconnect))
	}
	if err := s.write(gzipHeader); err != nil {
		return err
	}
	s.measure([]byte(reconnect))
	return s.write(storedBlock(reconnect))
}

func (s *Writer) sendEvent(f *Event) error {
	if !s.gzip {
		return s.write(f.plain)
	}
	s.measure(f.plain)
	return s.write(f.deflated())
}

// End sends the last event and closes the stream properly, so that readers see an end and not a broken file.
func (s *Writer) End(last *Event) error {
	err := s.Send(last)
	if err != nil || !s.gzip {
		return err
	}
	trailer := binary.LittleEndian.AppendUint32(lastBlock[:len(lastBlock):len(lastBlock)], s.sum)
	return s.write(binary.LittleEndian.AppendUint32(trailer, s.size))
}

func (s *Writer) measure(plain []byte) {
	s.sum = crc32.Update(s.sum, crc32.IEEETable, plain)
	s.size += uint32(len(plain))
}

func (s *Writer) write(data []byte) error {
	n, err := s.w.Write(data)
	s.Sent += uint64(n)
	if err == nil && n < len(data) {
		return errors.New("short write")
	}
	return err
}

// storedBlock is a short text as one uncompressed deflate block, not the last.
func storedBlock(text string) []byte {
	block := []byte{0}
	block = binary.LittleEndian.AppendUint16(block, uint16(len(text)))
	block = binary.LittleEndian.AppendUint16(block, ^uint16(len(text)))
	return append(block, text...)
}
