package asynq

import (
	"errors"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// asynq keeps its records as protocol buffers whose Go types are internal to it. These are the fields that are shown, by the numbers
// in its proto/asynq.proto (v0.26).

var errMessage = errors.New("not a message of asynq")

// fields calls take for each field of a message: with a number for varints, else with bytes.
func fields(message []byte, take func(field protowire.Number, number uint64, bytes []byte)) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errMessage
		}
		message = message[n:]
		switch kind {
		case protowire.VarintType:
			number, n := protowire.ConsumeVarint(message)
			if n < 0 {
				return errMessage
			}
			take(field, number, nil)
			message = message[n:]
		case protowire.BytesType:
			bytes, n := protowire.ConsumeBytes(message)
			if n < 0 {
				return errMessage
			}
			take(field, 0, bytes)
			message = message[n:]
		default:
			n := protowire.ConsumeFieldValue(field, kind, message)
			if n < 0 {
				return errMessage
			}
			message = message[n:]
		}
	}
	return nil
}

// task is a TaskMessage.
type task struct {
	kind, id, queue, group, failure string
	payload                         []byte
	retry, retried                  int64
	timeoutS, retentionS            int64
	deadline, lastFailed, completed int64 // unix seconds; 0: none
}

func parseTask(message []byte) (t task, err error) {
	err = fields(message, func(field protowire.Number, number uint64, bytes []byte) {
		switch field {
		case 1:
			t.kind = string(bytes)
		case 2:
			t.payload = bytes
		case 3:
			t.id = string(bytes)
		case 4:
			t.queue = string(bytes)
		case 5:
			t.retry = int64(int32(number))
		case 6:
			t.retried = int64(int32(number))
		case 7:
			t.failure = string(bytes)
		case 8:
			t.timeoutS = int64(number)
		case 9:
			t.deadline = int64(number)
		case 11:
			t.lastFailed = int64(number)
		case 12:
			t.retentionS = int64(number)
		case 13:
			t.completed = int64(number)
		case 14:
			t.group = string(bytes)
		}
	})
	if err == nil && (t.kind == "" || t.id == "") {
		err = errMessage
	}
	return t, err
}

// server is a ServerInfo.
type server struct {
	host, id, status string
	pid, slots, busy int64
	queues           []string
	startedAt        *time.Time
}

func parseServer(message []byte) (s server, err error) {
	err = fields(message, func(field protowire.Number, number uint64, bytes []byte) {
		switch field {
		case 1:
			s.host = string(bytes)
		case 2:
			s.pid = int64(int32(number))
		case 3:
			s.id = string(bytes)
		case 4:
			s.slots = int64(int32(number))
		case 5: // an entry of a map from names to priorities
			_ = fields(bytes, func(field protowire.Number, _ uint64, name []byte) {
				if field == 1 {
					s.queues = append(s.queues, string(name))
				}
			})
		case 7:
			s.status = string(bytes)
		case 8:
			s.startedAt = timestamp(bytes)
		case 9:
			s.busy = int64(int32(number))
		}
	})
	if err == nil && s.id == "" {
		err = errMessage
	}
	return s, err
}

// work is a WorkerInfo: what a server does at the moment.
type work struct {
	host, server, task, kind, queue string
	pid                             int64
	payload                         []byte
	startedAt                       *time.Time
}

func parseWork(message []byte) (w work, err error) {
	err = fields(message, func(field protowire.Number, number uint64, bytes []byte) {
		switch field {
		case 1:
			w.host = string(bytes)
		case 2:
			w.pid = int64(int32(number))
		case 3:
			w.server = string(bytes)
		case 4:
			w.task = string(bytes)
		case 5:
			w.kind = string(bytes)
		case 6:
			w.payload = bytes
		case 7:
			w.queue = string(bytes)
		case 8:
			w.startedAt = timestamp(bytes)
		}
	})
	if err == nil && w.task == "" {
		err = errMessage
	}
	return w, err
}

// entry is a SchedulerEntry.
type entry struct {
	id, spec, kind string
	next, last     *time.Time
}

func parseEntry(message []byte) (e entry, err error) {
	err = fields(message, func(field protowire.Number, _ uint64, bytes []byte) {
		switch field {
		case 1:
			e.id = string(bytes)
		case 2:
			e.spec = string(bytes)
		case 3:
			e.kind = string(bytes)
		case 6:
			e.next = timestamp(bytes)
		case 7:
			e.last = timestamp(bytes)
		}
	})
	if err == nil && e.id == "" {
		err = errMessage
	}
	return e, err
}

// timestamp reads a google.protobuf.Timestamp; nil when there is none, or it is the zero time of Go.
func timestamp(message []byte) *time.Time {
	var seconds, nanos int64
	if fields(message, func(field protowire.Number, number uint64, _ []byte) {
		switch field {
		case 1:
			seconds = int64(number)
		case 2:
			nanos = int64(int32(number))
		}
	}) != nil {
		return nil
	}
	at := time.Unix(seconds, nanos).UTC()
	if seconds == 0 || at.IsZero() || at.Year() < 1970 {
		return nil
	}
	return &at
}

// unix reads seconds; nil for 0.
func unix(seconds int64) *time.Time {
	if seconds == 0 {
		return nil
	}
	at := time.Unix(seconds, 0).UTC()
	return &at
}
