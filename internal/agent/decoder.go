package agent

import "github.com/agentos/agentos/internal/strictyaml"

// ValidationErrors is everything wrong in agentos.yaml, in the order of its lines, each with how to write it.
type ValidationErrors = strictyaml.Errors

// ValidationError is one of them.
type ValidationError = strictyaml.Error

// decoder reads a fleet from the nodes of its file.
type decoder struct {
	*strictyaml.Decoder
	file, dir string
	places    map[string]places // by agent
}

// keyFor maps what other tools call a setting to what it is called here.
var keyFor = map[string]string{
	"cmd": "command", "exec": "command", "run": "command", "argv": "command", "entrypoint": "command",
	"cwd": "dir", "workdir": "dir", "working_dir": "dir", "directory": "dir", "folder": "dir",
	"retries": "max_attempts", "attempts": "max_attempts", "max_retries": "max_attempts", "retry": "backoff",
	"cron": "schedule", "every": "schedule", "interval": "schedule",
	"parallel": "concurrency", "workers": "concurrency", "slots": "concurrency", "max_workers": "concurrency",
	"environment": "env", "arguments": "args", "params": "args", "input": "args",
	"deadline": "timeout", "grace": "kill_grace", "prio": "priority", "summary": "description", "desc": "description",
	"agent": "agents", "fleet": "agents", "queue": "queues", "listen": "server", "base": "initial", "multiplier": "factor",
}

// Nearest returns the one of known names that a name was probably meant to be, or "".
func Nearest(name string, known []string) string { return strictyaml.Nearest(name, known, nil) }
