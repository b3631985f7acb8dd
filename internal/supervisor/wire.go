package supervisor

import (
	"errors"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"
)

// The host and a supervisor share a stream socket. On it the host sends orders, one attempt each, with the files of the
// attempt beside them, and between them single bytes; its end-of-file means that the host is gone. The supervisor answers with
// reports. Both are written and read by the same binary, so their form is the simplest one that needs no large package.
const (
	SocketFD = 3

	start byte = 'O' // an order follows: its length in four bytes, then its body
	Stop  byte = 'T' // end the attempt
	Kill  byte = 'K' // end it at once
	Beat  byte = 'B' // the host lives

	MaxOrder = 16 << 20

	// The files of an order, in this order: standard input, output and error of the program, then perhaps one of the host's
	// that the supervisor does nothing with but hold open until the attempt is over.
	leastFiles, mostFiles = 3, 4
)

// Order is what to run.
type Order struct {
	Program string
	Argv    []string
	Env     []string
	Dir     string
	Grace   time.Duration // between SIGTERM and SIGKILL
	Fence   time.Duration // of silence of the host, after which the attempt is ended; 0 = it may be silent
	Name    string        // of the agent, for the list of processes
	Job     int64         // for the same
}

// Encode returns the bytes that send an order.
func (o Order) Encode() ([]byte, error) {
	body := make([]byte, 5, 4096)
	body[0] = start
	body = appendText(body, o.Program)
	body = appendList(body, o.Argv)
	body = appendList(body, o.Env)
	body = appendText(body, o.Dir)
	for _, number := range []int64{int64(o.Grace), int64(o.Fence), o.Job} {
		body = appendText(body, strconv.FormatInt(number, 10))
	}
	body = appendText(body, o.Name)
	size := len(body) - 5
	if size > MaxOrder {
		return nil, errors.New("command and environment have " + strconv.Itoa(size) + " bytes, more than " + strconv.Itoa(MaxOrder))
	}
	putNumber(body[1:], size)
	return body, nil
}

// decodeOrder reads the body of an order.
func decodeOrder(body []byte) (o Order, err error) {
	p := parser{rest: body}
	o.Program = p.text()
	o.Argv = p.list()
	o.Env = p.list()
	o.Dir = p.text()
	o.Grace = p.duration()
	o.Fence = p.duration()
	o.Job = p.integer()
	o.Name = p.text()
	return o, p.err
}

// message is what the host says: a word, or an order with its files.
type message struct {
	word  byte
	order Order
	files []int
}

// inbox takes the host's messages off the socket.
type inbox struct {
	socket *os.File
	read   []byte // and not yet understood
	files  []int  // received with it

	chunk  [16 << 10]byte
	beside [64]byte // holds more than the files of one order
}

// next waits for a message.
func (in *inbox) next() (message, error) {
	for {
		m, used, err := in.parse()
		if err != nil {
			return message{}, err
		}
		if used > 0 {
			in.read = in.read[used:]
			return m, nil
		}
		if err := in.receive(); err != nil {
			return message{}, err
		}
	}
}

// parse understands the first message of what was read; used is 0 when a part of it is still to come.
func (in *inbox) parse() (m message, used int, err error) {
	if len(in.read) == 0 {
		return m, 0, nil
	}
	m.word = in.read[0]
	if m.word != start {
		return m, 1, nil
	}
	if len(in.read) < 5 {
		return m, 0, nil
	}
	size := number(in.read[1:])
	if size < 0 || size > MaxOrder {
		return m, 0, errors.New("an order of " + strconv.Itoa(size) + " bytes")
	}
	if len(in.read) < 5+size {
		return m, 0, nil
	}
	if m.order, err = decodeOrder(in.read[5 : 5+size]); err != nil {
		return m, 0, err
	}
	if len(in.files) < leastFiles || len(in.files) > mostFiles {
		return m, 0, errForm
	}
	m.files, in.files = in.files, nil // there is never more than one order on its way
	return m, 5 + size, nil
}

// receive reads what there is, at least a byte.
func (in *inbox) receive() error {
	if len(in.read) == 0 {
		in.read = nil // lets go of what an order took
	}
	raw, err := in.socket.SyscallConn()
	if err != nil {
		return err
	}
	var n, besides int
	var failure error
	err = raw.Read(func(fd uintptr) (done bool) {
		for {
			n, besides, _, _, failure = syscall.Recvmsg(int(fd), in.chunk[:], in.beside[:], receiveFlags)
			if failure != syscall.EINTR {
				return failure != syscall.EAGAIN
			}
		}
	})
	switch {
	case err != nil:
		return err
	case failure != nil:
		return failure
	case n == 0:
		return io.EOF
	}
	in.read = append(in.read, in.chunk[:n]...)
	return in.accept(in.beside[:besides])
}

// accept takes the files that came beside some bytes.
func (in *inbox) accept(beside []byte) error {
	if len(beside) == 0 {
		return nil
	}
	messages, err := syscall.ParseSocketControlMessage(beside)
	if err != nil {
		return err
	}
	for _, m := range messages {
		files, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return err
		}
		for _, fd := range files {
			syscall.CloseOnExec(fd) // where receiveFlags does not do it
		}
		in.files = append(in.files, files...)
	}
	return nil
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
	Stopped bool // Ended: the supervisor had begun to stop it
	Fenced  bool // Ended: the supervisor had begun to stop it because the host was silent

	Left int // Kept: how many processes live
}

// A Step is what a report is about.
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

// append adds a report to what is to be sent.
func (r Report) append(to []byte) []byte {
	var b [reportSize]byte
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
	return append(append(to, b[:]...), r.Error...)
}

// ReadReport reads what a supervisor sent.
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
