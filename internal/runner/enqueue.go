package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/agent"
)

// EnqueueRequest is a job an agent asks for. It becomes one when the attempt ends well.
type EnqueueRequest struct {
	Agent    string
	Args     json.RawMessage // a JSON object; {} when none were given
	Priority int             // 1 to 4; 0 means the agent's own
	Delay    time.Duration
	Queue    string // empty means the agent's own
}

func parseEnqueue(raw json.RawMessage) (*EnqueueRequest, error) {
	var wire struct {
		Agent    string          `json:"agent"`
		Args     json.RawMessage `json:"args"`
		Priority json.RawMessage `json:"priority"`
		Delay    json.RawMessage `json:"delay"`
		Queue    string          `json:"queue"`
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wire); err != nil {
		return nil, fmt.Errorf(`write {"enqueue":{"agent":"hash","args":{}}}: %s`, strings.TrimPrefix(err.Error(), "json: "))
	}
	priority, ok := numberOf(wire.Priority)
	if !ok {
		priority = 0
	}
	switch {
	case !agent.GoodName(wire.Agent):
		return nil, fmt.Errorf("%q is not an agent's name", clip(wire.Agent))
	case wire.Queue != "" && !agent.GoodName(wire.Queue):
		return nil, fmt.Errorf("%q is not a queue's name", clip(wire.Queue))
	case !ok && len(wire.Priority) > 0 && !isJSONNull(wire.Priority), priority != math.Trunc(priority), priority < 0, priority > 4:
		return nil, fmt.Errorf("priority %s is not from 1 to 4", clip(string(wire.Priority)))
	}
	args := bytes.TrimSpace(wire.Args)
	if text, is := textOf(args); is && strings.HasPrefix(strings.TrimSpace(text), "{") && json.Valid([]byte(text)) { // encoded twice
		args = []byte(strings.TrimSpace(text))
	}
	switch {
	case len(args) == 0 || isJSONNull(args):
		args = []byte("{}")
	case args[0] != '{':
		return nil, fmt.Errorf("args must be a JSON object")
	}
	delay, err := parseDelay(wire.Delay)
	if err != nil {
		return nil, err
	}
	return &EnqueueRequest{Agent: wire.Agent, Args: args, Priority: int(priority), Delay: delay, Queue: wire.Queue}, nil
}

// parseDelay reads "10s" or a number of seconds.
func parseDelay(raw json.RawMessage) (time.Duration, error) {
	if len(raw) == 0 || isJSONNull(raw) {
		return 0, nil
	}
	const most = 366 * 24 * time.Hour
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if d, err := time.ParseDuration(text); err == nil && d >= 0 && d <= most {
			return d, nil
		}
	}
	if seconds, ok := numberOf(raw); ok && seconds >= 0 && seconds <= most.Seconds() {
		return time.Duration(seconds * float64(time.Second)), nil
	}
	return 0, fmt.Errorf(`delay %s is not like "10s", at most a year`, clip(string(raw)))
}
