package agent

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// The host and the shim share two pipes. On the first the host sends one order and later, perhaps, the byte stop; its
// end-of-file means that the host is gone. On the second the shim answers with reports, one JSON object a line.
const (
	controlFD = 3
	reportFD  = 4

	stop byte = 'T'

	maxOrder = 16 << 20
)

// order is what to run. The child inherits the shim's standard input, output and error.
type order struct {
	Program string        `json:"program"`
	Argv    []string      `json:"argv"`
	Env     []string      `json:"env"`
	Dir     string        `json:"dir"`
	Grace   time.Duration `json:"grace"`
	Name    string        `json:"name"` // what the shim calls itself in a list of processes
}

// report is one step of an attempt: started or failed to, then ended, then swept.
type report struct {
	PID   int    `json:"pid,omitempty"`   // started
	Errno int    `json:"errno,omitempty"` // not started
	Error string `json:"error,omitempty"` // not started, for another reason than an errno

	Ended   bool `json:"ended,omitempty"`
	Code    int  `json:"code,omitempty"`    // exit status; -1 with Signal
	Signal  int  `json:"signal,omitempty"`  // number
	Stopped bool `json:"stopped,omitempty"` // the shim had begun to stop it

	Swept bool `json:"swept,omitempty"` // no descendant is left, except for
	Left  int  `json:"left,omitempty"`  // so many that could not be killed
}

// writeOrder sends an order, its length before it.
func writeOrder(w io.Writer, o order) error {
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode the order: %w", err)
	}
	if len(body) > maxOrder {
		return fmt.Errorf("command and environment have %d bytes, more than %d", len(body), maxOrder)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

func readOrder(r io.Reader) (o order, err error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return o, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxOrder {
		return o, fmt.Errorf("an order of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return o, err
	}
	return o, json.Unmarshal(body, &o)
}
