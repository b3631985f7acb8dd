package shim

import (
	"errors"
	"io"
	"strconv"
	"time"
)

// The host and the shim share two pipes. On the first the host sends one order and later single bytes; its end-of-file
// means that the host is gone. On the second the shim answers with reports. Both are written and read by the same
// binary, so their form is the simplest one that needs no large package.
const (
	ControlFD = 3
	ReportFD  = 4
	HoldFD    = 5 // a file of the host's, perhaps, that the shim does nothing with but hold open

	Stop byte = 'T' // end the attempt
	Beat byte = 'B' // the host lives

	MaxOrder = 16 << 20
)

// Order is what to run. The child inherits the shim's standard input, output and error.
type Order struct {
	Program string
	Argv    []string
	Env     []string
	Dir     string
	Grace   time.Duration // between SIGTERM and SIGKILL
	Fence   time.Duration // of silence of the host, after which the attempt is ended; 0 = it may be silent
	Name    string        // what the shim calls itself in a list of processes
}

// WriteOrder sends an order, its length before it.
func WriteOrder(w io.Writer, o Order) error {
	body := make([]byte, 4, 4096)
	body = appendText(body, o.Program)
	body = appendList(body, o.Argv)
	body = appendList(body, o.Env)
	body = appendText(body, o.Dir)
	body = appendText(body, strconv.FormatInt(int64(o.Grace), 10))
	body = appendText(body, strconv.FormatInt(int64(o.Fence), 10))
	body = appendText(body, o.Name)
	size := len(body) - 4
	if size > MaxOrder {
		return errors.New("command and environment have " + strconv.Itoa(size) + " bytes, more than " + strconv.Itoa(MaxOrder))
	}
	putNumber(body, size)
	_, err := w.Write(body)
	return err
}

// ReadOrder reads what WriteOrder wrote.
func ReadOrder(r io.Reader) (o Order, err error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return o, err
	}
	size := number(length[:])
	if size < 0 || size > MaxOrder {
		return o, errors.New("an order of " + strconv.Itoa(size) + " bytes")
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return o, err
	}
	p := parser{rest: body}
	o.Program = p.text()
	o.Argv = p.list()
	o.Env = p.list()
	o.Dir = p.text()
	o.Grace = p.duration()
	o.Fence = p.duration()
	o.Name = p.text()
	return o, p.err
}

// A Report is one step of an attempt: started or failed to, then ended, then swept. Between these it may be that something
// of it is kept.
type Report struct {
	Step  Step
	PID   int    // Started; Kept: of one process that could not be killed
	Errno int    // Failed, by the number of a system error; Kept: EPERM when that process runs as another user
	Error string // Failed, for another reason

	Code    int  // Ended: exit status; -1 with Signal
	Signal  int  // Ended: number
	Stopped bool // Ended: the shim had begun to stop it
	Fenced  bool // Ended: the shim had begun to stop it because the host was silent

	Left int // Kept: how many processes live
}

// A Step is what a report tells.
type Step byte

// The steps in their order; an attempt that Failed ends there.
const (
	Started Step = 'S'
	Failed  Step = 'F'
	Ended   Step = 'E'
	Swept   Step = 'W' // nothing is left
	Kept    Step = 'K' // what was killed still lives, and is waited for
)

const reportSize = 1 + 1 + 6*4 // step, flags, numbers; then the text

// WriteReport sends a report.
func WriteReport(w io.Writer, r Report) error {
	b := make([]byte, reportSize, reportSize+len(r.Error))
	b[0] = byte(r.Step)
	if r.Stopped {
		b[1] |= 1
	}
	if r.Fenced {
		b[1] |= 2
	}
	for i, n := range []int{r.PID, r.Errno, r.Code, r.Signal, r.Left, len(r.Error)} {
		putNumber(b[2+4*i:], n)
	}
	_, err := w.Write(append(b, r.Error...))
	return err
}

// ReadReport reads what WriteReport wrote.
func ReadReport(from io.Reader) (Report, error) {
	var b [reportSize]byte
	if _, err := io.ReadFull(from, b[:]); err != nil {
		return Report{}, err
	}
	n := func(i int) int { return number(b[2+4*i:]) }
	size := n(5)
	if size < 0 || size > 64<<10 {
		return Report{}, errors.New("a report of " + strconv.Itoa(size) + " bytes")
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(from, text); err != nil {
		return Report{}, err
	}
	return Report{
		Step: Step(b[0]), PID: n(0), Errno: n(1), Code: n(2), Signal: n(3), Left: n(4), Error: string(text),
		Stopped: b[1]&1 != 0, Fenced: b[1]&2 != 0,
	}, nil
}

func putNumber(b []byte, n int) {
	b[0], b[1], b[2], b[3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
}

func number(b []byte) int {
	return int(int32(uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])))
}

func appendText(b []byte, s string) []byte {
	at := len(b)
	b = append(append(b, 0, 0, 0, 0), s...)
	putNumber(b[at:], len(s))
	return b
}

func appendList(b []byte, list []string) []byte {
	b = appendText(b, strconv.Itoa(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

// parser takes an order's body apart. After an error everything is empty.
type parser struct {
	rest []byte
	err  error
}

var errForm = errors.New("the order is broken")

func (p *parser) text() string {
	if p.err != nil || len(p.rest) < 4 {
		p.err = errForm
		return ""
	}
	size := number(p.rest)
	p.rest = p.rest[4:]
	if size < 0 || size > len(p.rest) {
		p.err = errForm
		return ""
	}
	s := string(p.rest[:size])
	p.rest = p.rest[size:]
	return s
}

func (p *parser) integer() int64 {
	n, err := strconv.ParseInt(p.text(), 10, 64)
	if err != nil {
		p.err = errForm
	}
	return n
}

func (p *parser) duration() time.Duration { return time.Duration(p.integer()) }

func (p *parser) list() []string {
	count := p.integer()
	if count < 0 || count > int64(len(p.rest)/4) {
		p.err = errForm
	}
	if p.err != nil {
		return nil
	}
	list := make([]string, 0, count)
	for range count {
		list = append(list, p.text())
	}
	return list
}
