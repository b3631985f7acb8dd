package agent

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

var (
	fleetKeys = []string{"agents", "queues", "server"}
	agentKeys = []string{
		"description", "command", "dir", "queue", "concurrency", "timeout", "kill_grace", "max_attempts", "backoff",
		"env", "pass_env", "schedule", "catch_up", "spread", "args", "priority", "cut_off", "limit", "max_losses", "overlap",
		"exit_later", "exit_never",
	}
	backoffKeys = []string{"initial", "factor", "max", "jitter"}
	queueKeys   = []string{"concurrency"}
)

// The queue engine takes the same form for a queue and at least two characters for a kind of job.
var (
	nameForm = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)
	envForm  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
)

const (
	nameRule       = "names have 2 to 63 characters, a-z and 0-9, with single - or _ between"
	maxDescription = 500
	maxConcurrency = 1000
	maxLimit       = 10_000
	commandExample = "command: [sh, agents/hash.sh]"
)

// GoodName reports whether a text can be the name of an agent or of a queue.
func GoodName(s string) bool { return len(s) >= 2 && len(s) <= 63 && nameForm.MatchString(s) }

// fleet reads the whole document.
func (d *decoder) fleet(root *yaml.Node) *Fleet {
	top, ok := d.mapping(root, "the file", "agents: and below it the agents", fleetKeys)
	if !ok {
		return nil
	}
	d.places = map[string]places{}
	f := &Fleet{Path: d.file, Dir: d.dir, places: d.places}
	shared := d.sharedQueues(top.get("queues"))
	agents := top.get("agents")
	if agents == nil {
		d.errorf(root, "there are no agents: write agents: and below it at least one agent")
		return nil
	}
	before := len(d.errs)
	entries, _ := d.mapping(agents, "agents", "agents: {hash: {command: [sh, hash.sh]}}", nil)
	if len(entries) == 0 && len(d.errs) == before {
		d.errorf(agents, "there are no agents: write at least one below agents:")
	}
	own := map[string]bool{}
	for _, e := range entries {
		own[e.key.Value] = true
	}
	for _, e := range entries {
		if s := d.agent(e, shared, own); s != nil {
			f.Agents = append(f.Agents, s)
		}
	}
	f.Queues = queuesOf(f.Agents, shared)
	f.Hash = f.hash()
	return f
}

func (d *decoder) sharedQueues(n *yaml.Node) []QueueSpec {
	if n == nil {
		return nil
	}
	entries, _ := d.mapping(n, "queues", "queues: {shared: {concurrency: 4}}", nil)
	var queues []QueueSpec
	for _, e := range entries {
		name := e.key.Value
		if !GoodName(name) {
			d.errorf(e.key, "%q cannot be a queue's name: %s", clip(name), nameRule)
			continue
		}
		before := len(d.errs)
		set, _ := d.mapping(e.value, "queue "+name, name+": {concurrency: 4}", queueKeys)
		if len(d.errs) == before && set.get("concurrency") == nil {
			d.errorf(e.key, "queue %s has no concurrency: write %s: {concurrency: 4}", name, name)
		}
		queues = append(queues, QueueSpec{Name: name, Concurrency: d.number(set.get("concurrency"), "concurrency", maxConcurrency, 1)})
	}
	return queues
}

// agent reads one entry under `agents`; nil when there is nothing to go on with.
func (d *decoder) agent(e field, shared []QueueSpec, own map[string]bool) *Spec {
	name := e.key.Value
	if !GoodName(name) {
		d.errorf(e.key, "%q cannot be an agent's name: %s", clip(name), nameRule)
		return nil
	}
	set, ok := d.mapping(e.value, "agent "+name, name+": {"+commandExample+"}", agentKeys)
	if !ok {
		return nil
	}
	s := &Spec{
		Name:        name,
		Description: d.description(set.get("description")),
		Dir:         d.workingDir(set.get("dir")),
		Timeout:     d.duration(set.get("timeout"), "timeout", time.Millisecond, MaxTimeout, DefaultTimeout),
		KillGrace:   d.duration(set.get("kill_grace"), "kill_grace", 0, 5*time.Minute, DefaultKillGrace),
		MaxAttempts: d.number(set.get("max_attempts"), "max_attempts", 1000, DefaultMaxAttempts),
		MaxLosses:   d.number(set.get("max_losses"), "max_losses", 1000, DefaultMaxLosses),
		Backoff:     d.backoff(set.get("backoff")),
		Env:         d.env(set.get("env")),
		PassEnv:     d.passEnv(set.get("pass_env")),
		Schedule:    d.schedule(set.get("schedule")),
		CatchUp:     d.catchUp(set),
		Spread:      d.spread(set),
		Overlap:     choice(d, set.get("overlap"), "overlap", OverlapAllow, OverlapSkip),
		Args:        d.args(set.get("args")),
		Priority:    d.number(set.get("priority"), "priority", 4, 1),
		CutOff:      choice(d, set.get("cut_off"), "cut_off", CutOffStop, CutOffContinue),
	}
	if n := set.get("limit"); n != nil {
		s.Limit = d.number(n, "limit", maxLimit, 1)
	}
	s.ExitLater, s.ExitNever = d.exits(set)
	s.Queue, s.Concurrency = d.queue(name, set, shared, own)
	s.Command = d.command(e.key, set.get("command"), s)
	d.places[name] = placesOf(e.key, set)
	return s
}

func (d *decoder) description(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	text, _ := d.text(n, "description", "description: Hashes one file")
	if len(text) > maxDescription {
		d.errorf(n, "description is longer than %d bytes: keep to what fits in a line or two", maxDescription)
	}
	return strings.TrimSpace(text)
}

// queue returns the queue of an agent and how many attempts of it may run at once.
func (d *decoder) queue(name string, set fields, shared []QueueSpec, own map[string]bool) (string, int) {
	n, queue := set.get("queue"), name
	if n != nil {
		queue, _ = d.text(n, "queue", "queue: shared")
	}
	at := slices.IndexFunc(shared, func(q QueueSpec) bool { return q.Name == queue })
	limit := set.get("concurrency")
	switch {
	case at >= 0:
		return queue, d.number(limit, "concurrency", shared[at].Concurrency, shared[at].Concurrency)
	case queue == name || queue == "": // empty: an error already
	case own[queue]:
		d.errorf(n, "the queue %s is agent %s's own: to share it write queues: {%s: {concurrency: 4}}", queue, queue, queue)
	case !GoodName(queue):
		d.errorf(n, "%q cannot be a queue's name: %s", clip(queue), nameRule)
	default:
		d.errorf(n, "the queue %s has no settings: write queues: {%s: {concurrency: 4}} at the end of the file%s", queue, queue, didYouMean(queue, shared))
	}
	return queue, d.number(limit, "concurrency", maxConcurrency, 1)
}

func didYouMean(queue string, shared []QueueSpec) string {
	names := make([]string, len(shared))
	for i, q := range shared {
		names[i] = q.Name
	}
	if near := nearest(queue, names); near != "" {
		return ", or did you mean " + near + "?"
	}
	return ""
}

func queuesOf(agents []*Spec, shared []QueueSpec) []QueueSpec {
	var queues []QueueSpec
	for _, s := range agents {
		if s.Queue == s.Name && !slices.ContainsFunc(shared, func(q QueueSpec) bool { return q.Name == s.Queue }) {
			queues = append(queues, QueueSpec{Name: s.Queue, Concurrency: s.Concurrency})
		}
	}
	queues = append(queues, shared...)
	for i := range queues {
		for _, s := range agents {
			if s.Queue == queues[i].Name {
				queues[i].Agents = append(queues[i].Agents, s.Name)
			}
		}
	}
	return queues
}

func (d *decoder) backoff(n *yaml.Node) Backoff {
	b := DefaultBackoff
	if n == nil {
		return b
	}
	set, ok := d.mapping(n, "backoff", "backoff: {initial: 1s, factor: 2, max: 5m}", backoffKeys)
	if !ok {
		return b
	}
	b.Initial = d.duration(set.get("initial"), "initial", time.Millisecond, MaxTimeout, b.Initial)
	b.Factor = d.factor(set.get("factor"), "factor", 1, 100, b.Factor)
	b.Max = d.duration(set.get("max"), "max", time.Millisecond, 30*MaxTimeout, max(b.Max, b.Initial))
	b.Jitter = d.factor(set.get("jitter"), "jitter", 0, 1, b.Jitter)
	if b.Max < b.Initial {
		d.errorf(n, "backoff: max (%s) is shorter than initial (%s): swap them", short(b.Max), short(b.Initial))
	}
	return b
}

// choice returns one of two words, the first when it is not given or wrong.
func choice[T ~string](d *decoder, n *yaml.Node, what string, usual, other T) T {
	if n == nil {
		return usual
	}
	text, ok := d.text(n, what, what+": "+string(other))
	switch given := T(text); {
	case !ok:
	case given == usual || given == other:
		return given
	default:
		d.errorf(n, "%s is %q: write %s: %s, or %s: %s", what, clip(text), what, usual, what, other)
	}
	return usual
}

// exits reads which exit statuses mean "later" and "never again".
func (d *decoder) exits(set fields) (later, never []int) {
	later = d.statuses(set.get("exit_later"), "exit_later", DefaultExitLater)
	never = d.statuses(set.get("exit_never"), "exit_never", DefaultExitNever)
	for _, status := range never {
		if !slices.Contains(later, status) {
			continue
		}
		this := func(n int) bool { return n == status }
		switch { // what is asked for wins over what is by default
		case set.get("exit_never") == nil:
			never = slices.DeleteFunc(slices.Clone(never), this)
		case set.get("exit_later") == nil:
			later = slices.DeleteFunc(slices.Clone(later), this)
		default:
			d.errorf(set.get("exit_never"), "the exit status %d is in exit_later and in exit_never: keep one", status)
		}
	}
	return later, never
}

// statuses reads a list of exit statuses.
func (d *decoder) statuses(n *yaml.Node, what string, otherwise []int) []int {
	if n == nil {
		return otherwise
	}
	texts, _ := d.texts(n, what, what+": ["+strconv.Itoa(otherwise[0])+"]")
	list := []int{}
	for _, text := range texts {
		status, err := strconv.Atoi(text)
		if err != nil || status < 1 || status > 255 {
			d.errorf(n, "%s lists exit statuses from 1 to 255, and %q is none: write %s: [%d]", what, clip(text), what, otherwise[0])
			continue
		}
		list = append(list, status)
	}
	return list
}

func (d *decoder) env(n *yaml.Node) map[string]string {
	env := map[string]string{}
	if n == nil {
		return env
	}
	set, _ := d.mapping(n, "env", "env: {LANG: C}", nil)
	for _, f := range set {
		d.envName(f.key, f.key.Value)
		env[f.key.Value], _ = d.text(f.value, "env "+clip(f.key.Value), "env: {LANG: C}")
	}
	return env
}

func (d *decoder) passEnv(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	names, _ := d.texts(n, "pass_env", "pass_env: [API_KEY]")
	for _, name := range names {
		d.envName(n, name)
	}
	return names
}

func (d *decoder) envName(n *yaml.Node, name string) {
	switch {
	case reservedEnv(name):
		d.errorf(n, "the variable %s is set by agentos itself: choose another name", name)
	case !envForm.MatchString(name):
		d.errorf(n, "%q cannot be the name of an environment variable: letters, digits and _", clip(name))
	}
}

func (d *decoder) schedule(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	text, ok := d.text(n, "schedule", `schedule: "@every 20s"`)
	if !ok {
		return ""
	}
	if _, err := ParseSchedule(text); err != nil {
		d.errorf(n, "%s", err)
	}
	return text
}

// catchUp reads how late a missed time of the schedule is made up for.
func (d *decoder) catchUp(set fields) time.Duration {
	const always, never = 0, -1
	n := d.ofSchedule(set, "catch_up")
	if n == nil {
		return always
	}
	switch resolve(n).Value {
	case "true", "always":
		return always
	case "false", "never", "0", "0s":
		return never
	}
	return d.duration(n, "catch_up", time.Second, 366*24*time.Hour, time.Hour)
}

func (d *decoder) spread(set fields) time.Duration {
	return d.duration(d.ofSchedule(set, "spread"), "spread", 0, 24*time.Hour, 0)
}

// ofSchedule returns a setting that means nothing without a schedule.
func (d *decoder) ofSchedule(set fields, key string) *yaml.Node {
	n := set.get(key)
	if n != nil && set.get("schedule") == nil {
		d.errorf(n, `%s is for agents with a schedule: write schedule: "@hourly" beside it, or leave it out`, key)
		return nil
	}
	return n
}

func (d *decoder) workingDir(n *yaml.Node) string {
	if n == nil {
		return d.dir
	}
	text, ok := d.text(n, "dir", "dir: .")
	if !ok {
		return d.dir
	}
	return d.absolute(text)
}

// absolute makes a path of the file absolute.
func (d *decoder) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(d.dir, path)
}
