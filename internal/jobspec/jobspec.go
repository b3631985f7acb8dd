// Package jobspec validates a job that is to be enqueued, and fills in what it leaves out from its agent's entry.
package jobspec

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/engine"
	engineriver "github.com/agentos/agentos/internal/engine/river"
	"github.com/agentos/agentos/internal/redact"
)

const (
	maxArgs     = 1 << 20 // bytes
	maxTags     = 20
	maxAttempts = 1000
)

// latest bounds the time of a job: later ones have no text of their own in SQLite and in JSON.
var latest = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// UnknownAgent is the error for a name that no agent of a fleet has.
func UnknownAgent(fleet *agent.Fleet, name string) error {
	known := fleet.Names()
	return &engine.UnknownAgentError{Agent: name, Near: agent.Nearest(name, known), Known: known}
}

var tagForm = regexp.MustCompile(`^[\w][\w\-]+[\w]$`)

// Params is a job as River takes it: what it does not say is as the agent's entry has it.
func Params(fleet *agent.Fleet, p engine.EnqueueParams) (river.InsertManyParams, error) {
	spec := fleet.Agent(p.Agent)
	if spec == nil {
		return river.InsertManyParams{}, UnknownAgent(fleet, p.Agent)
	}
	if err := checkParams(fleet, p); err != nil {
		return river.InsertManyParams{}, err
	}
	opts := &river.InsertOpts{
		Queue:       cmp.Or(p.Queue, spec.Queue),
		Priority:    cmp.Or(p.Priority, spec.Priority),
		MaxAttempts: cmp.Or(p.MaxAttempts, spec.MaxAttempts),
		Tags:        p.Tags,
	}
	if p.ScheduledAt != nil && time.Until(*p.ScheduledAt) > 0 {
		opts.ScheduledAt = *p.ScheduledAt
	}
	raw := p.Args
	if len(raw) == 0 {
		raw = json.RawMessage(`{}`)
	}
	return river.InsertManyParams{Args: engineriver.NewArgs(spec.Name, raw), InsertOpts: opts}, nil
}

func checkParams(fleet *agent.Fleet, p engine.EnqueueParams) error {
	var object map[string]json.RawMessage
	switch {
	case len(p.Args) > maxArgs:
		return engine.ErrorOf(engine.ErrInvalid, "the arguments have %d bytes, more than %d: put the data in a file and pass its path", len(p.Args), maxArgs)
	case depthOf(p.Args) > redact.MaxDepth:
		return engine.ErrorOf(engine.ErrInvalid, "the arguments are nested %d levels deep, more than %d: put the data in a file and pass its path, or pass it as a string", depthOf(p.Args), redact.MaxDepth)
	case len(p.Args) > 0 && (json.Unmarshal(p.Args, &object) != nil || object == nil):
		return engine.ErrorOf(engine.ErrInvalid, `the arguments are not a JSON object: write for example {"path":"/tmp"}`)
	case p.Priority < 0 || p.Priority > 4:
		return engine.ErrorOf(engine.ErrInvalid, "the priority is %d: use 1 (first) to 4", p.Priority)
	case p.MaxAttempts < 0 || p.MaxAttempts > maxAttempts:
		return engine.ErrorOf(engine.ErrInvalid, "max_attempts is %d: use 1 to %d", p.MaxAttempts, maxAttempts)
	case p.ScheduledAt != nil && !p.ScheduledAt.Before(latest):
		return engine.ErrorOf(engine.ErrInvalid, "scheduled_at is %s: use a time before %s", p.ScheduledAt.Format(time.RFC3339), latest.Format(time.RFC3339))
	case len(p.Tags) > maxTags:
		return engine.ErrorOf(engine.ErrInvalid, "%d tags are too many: use at most %d", len(p.Tags), maxTags)
	case p.Queue != "" && !Serves(fleet, p.Queue):
		return engine.ErrorOf(engine.ErrInvalid, "no worker serves the queue %q; there are: %s", p.Queue, strings.Join(QueueNames(fleet), ", "))
	}
	for _, tag := range p.Tags {
		if len(tag) > 255 || !tagForm.MatchString(tag) {
			return engine.ErrorOf(engine.ErrInvalid, "%q cannot be a tag: use 3 to 255 letters, digits, _ or - inside", engine.Clip(tag, 60))
		}
	}
	return nil
}

// depthOf is how deep the lists and objects of a JSON text are nested in each other.
func depthOf(text []byte) (deepest int) {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// QueueNames are those of QueuesOf, in the order of the file.
func QueueNames(fleet *agent.Fleet) []string {
	names := make([]string, 0, len(fleet.Queues)+1)
	for _, q := range fleet.Queues {
		names = append(names, q.Name)
	}
	return append(names, river.QueueDefault)
}

// Serves reports whether workers of a fleet serve a queue.
func Serves(fleet *agent.Fleet, queue string) bool {
	_, known := QueuesOf(fleet)[queue]
	return known
}

// defaultSlots bounds River's "default" queue, where other River clients put jobs that name no queue.
const defaultSlots = 32

// QueuesOf are the queues of a fleet, with River's own "default".
func QueuesOf(fleet *agent.Fleet) map[string]river.QueueConfig {
	queues := map[string]river.QueueConfig{}
	total := 0
	for _, spec := range fleet.Agents {
		total += spec.Concurrency
	}
	queues[river.QueueDefault] = river.QueueConfig{MaxWorkers: max(1, min(total, defaultSlots))}
	for _, q := range fleet.Queues {
		queues[q.Name] = river.QueueConfig{MaxWorkers: q.Concurrency}
	}
	return queues
}
