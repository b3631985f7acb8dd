package agent

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
func Nearest(name string, known []string) string {
	best, bestDistance := "", 3
	for _, k := range known {
		if d := distance(name, k); len(name) <= 64 && d < bestDistance && d < len(k)-1 {
			best, bestDistance = k, d
		}
	}
	return best
}

// nearest returns the one of known that word was probably meant to be, or "".
func nearest(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	best, bestDistance := "", 3 // two slips of the finger, or one in a short word
	for _, k := range known {
		if keyFor[word] == k {
			return k
		}
		if d := distance(word, k); d < bestDistance && d < len(k)-1 {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance counts the letters to insert, remove or replace to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
