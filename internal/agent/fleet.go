package agent

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/agentos/agentos/internal/strictyaml"
)

var (
	fleetKeys = []string{"agents", "queues", "sections", "server", "alerts"} // sections are read by package section
	agentKeys = []string{
		"description", "command", "dir", "queue", "concurrency", "timeout", "kill_grace", "max_attempts", "backoff",
		"env", "pass_env", "schedule", "catch_up", "spread", "args", "priority", "cut_off", "limit", "max_losses", "overlap",
		"exit_later", "exit_never",
	}
	backoffKeys = []string{"initial", "factor", "max", "jitter"}
	queueKeys   = []string{"concurrency"}
)

const (
	maxDescription = 500
	maxConcurrency = 1000
	maxLimit       = 10_000
	commandExample = "command: [sh, agents/hash.sh]"
)

// GoodName reports whether a text can be the name of an agent or of a queue.
func GoodName(s string) bool { return strictyaml.GoodName(s) }

// fleet reads the whole document.
func (d *decoder) fleet(root *yaml.Node) *Fleet {
	top, ok := d.Mapping(root, "the file", "agents: and below it the agents", fleetKeys)
	if !ok {
		return nil
	}
	d.places = map[string]places{}
	f := &Fleet{Path: d.file, Dir: d.dir, places: d.places}
	shared := d.sharedQueues(top.Get("queues"))
	agents := top.Get("agents")
	if agents == nil {
		d.Errorf(root, "there are no agents: write agents: and below it at least one agent")
		return nil
	}
	before := d.Count()
	entries, _ := d.Mapping(agents, "agents", "agents: {hash: {command: [sh, hash.sh]}}", nil)
	if len(entries) == 0 && d.Count() == before {
		d.Errorf(agents, "there are no agents: write at least one below agents:")
	}
	own := map[string]bool{}
	for _, e := range entries {
		own[e.Key.Value] = true
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
	entries, _ := d.Mapping(n, "queues", "queues: {shared: {concurrency: 4}}", nil)
	var queues []QueueSpec
	for _, e := range entries {
		name := e.Key.Value
		if !GoodName(name) {
			d.Errorf(e.Key, "%q cannot be a queue's name: %s", strictyaml.Clip(name), strictyaml.NameRule)
			continue
		}
		before := d.Count()
		set, _ := d.Mapping(e.Value, "queue "+name, name+": {concurrency: 4}", queueKeys)
		if d.Count() == before && set.Get("concurrency") == nil {
			d.Errorf(e.Key, "queue %s has no concurrency: write %s: {concurrency: 4}", name, name)
		}
		queues = append(queues, QueueSpec{Name: name, Concurrency: d.Number(set.Get("concurrency"), "concurrency", maxConcurrency, 1)})
	}
	return queues
}

// agent reads one entry under `agents`; nil when there is nothing to go on with.
func (d *decoder) agent(e strictyaml.Field, shared []QueueSpec, own map[string]bool) *Spec {
	name := e.Key.Value
	if !GoodName(name) {
		d.Errorf(e.Key, "%q cannot be an agent's name: %s", strictyaml.Clip(name), strictyaml.NameRule)
		return nil
	}
	set, ok := d.Mapping(e.Value, "agent "+name, name+": {"+commandExample+"}", agentKeys)
	if !ok {
		return nil
	}
	s := &Spec{
		Name:        name,
		Description: d.description(set.Get("description")),
		Dir:         d.workingDir(set.Get("dir")),
		Timeout:     d.Duration(set.Get("timeout"), "timeout", time.Millisecond, MaxTimeout, DefaultTimeout),
		KillGrace:   d.Duration(set.Get("kill_grace"), "kill_grace", 0, 5*time.Minute, DefaultKillGrace),
		MaxAttempts: d.Number(set.Get("max_attempts"), "max_attempts", 1000, DefaultMaxAttempts),
		MaxLosses:   d.Number(set.Get("max_losses"), "max_losses", 1000, DefaultMaxLosses),
		Backoff:     d.backoff(set.Get("backoff")),
		Env:         d.env(set.Get("env")),
		PassEnv:     d.passEnv(set.Get("pass_env")),
		Schedule:    d.schedule(set.Get("schedule")),
		CatchUp:     d.catchUp(set),
		Spread:      d.spread(set),
		Overlap:     choice(d, set.Get("overlap"), "overlap", OverlapAllow, OverlapSkip),
		Args:        d.args(set.Get("args")),
		Priority:    d.Number(set.Get("priority"), "priority", 4, 1),
		CutOff:      choice(d, set.Get("cut_off"), "cut_off", CutOffStop, CutOffContinue),
	}
	if n := set.Get("limit"); n != nil {
		s.Limit = d.Number(n, "limit", maxLimit, 1)
	}
	s.ExitLater, s.ExitNever = d.exits(set)
	s.Queue, s.Concurrency = d.queue(name, set, shared, own)
	s.Command = d.command(e.Key, set.Get("command"), s)
	d.places[name] = placesOf(e.Key, set)
	return s
}

func (d *decoder) description(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	text, _ := d.Text(n, "description", "description: Hashes one file")
	if len(text) > maxDescription {
		d.Errorf(n, "description is longer than %d bytes: keep to what fits in a line or two", maxDescription)
	}
	return strings.TrimSpace(text)
}

// queue returns the queue of an agent and how many attempts of it may run at once.
func (d *decoder) queue(name string, set strictyaml.Fields, shared []QueueSpec, own map[string]bool) (string, int) {
	n, queue := set.Get("queue"), name
	if n != nil {
		queue, _ = d.Text(n, "queue", "queue: shared")
	}
	at := slices.IndexFunc(shared, func(q QueueSpec) bool { return q.Name == queue })
	limit := set.Get("concurrency")
	switch {
	case at >= 0:
		return queue, d.Number(limit, "concurrency", shared[at].Concurrency, shared[at].Concurrency)
	case queue == name || queue == "": // empty: an error already
	case own[queue]:
		d.Errorf(n, "the queue %s is agent %s's own: to share it write queues: {%s: {concurrency: 4}}", queue, queue, queue)
	case !GoodName(queue):
		d.Errorf(n, "%q cannot be a queue's name: %s", strictyaml.Clip(queue), strictyaml.NameRule)
	default:
		d.Errorf(n, "the queue %s has no settings: write queues: {%s: {concurrency: 4}} at the end of the file%s", queue, queue, didYouMean(queue, shared))
	}
	return queue, d.Number(limit, "concurrency", maxConcurrency, 1)
}

func didYouMean(queue string, shared []QueueSpec) string {
	names := make([]string, len(shared))
	for i, q := range shared {
		names[i] = q.Name
	}
	if near := strictyaml.Nearest(queue, names, keyFor); near != "" {
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
	set, ok := d.Mapping(n, "backoff", "backoff: {initial: 1s, factor: 2, max: 5m}", backoffKeys)
	if !ok {
		return b
	}
	b.Initial = d.Duration(set.Get("initial"), "initial", time.Millisecond, MaxTimeout, b.Initial)
	b.Factor = d.Factor(set.Get("factor"), "factor", 1, 100, b.Factor)
	b.Max = d.Duration(set.Get("max"), "max", time.Millisecond, 30*MaxTimeout, max(b.Max, b.Initial))
	b.Jitter = d.Factor(set.Get("jitter"), "jitter", 0, 1, b.Jitter)
	if b.Max < b.Initial {
		d.Errorf(n, "backoff: max (%s) is shorter than initial (%s): swap them", strictyaml.Short(b.Max), strictyaml.Short(b.Initial))
	}
	return b
}

// choice returns one of two words, the first when it is not given or wrong.
func choice[T ~string](d *decoder, n *yaml.Node, what string, usual, other T) T {
	if n == nil {
		return usual
	}
	text, ok := d.Text(n, what, what+": "+string(other))
	switch given := T(text); {
	case !ok:
	case given == usual || given == other:
		return given
	default:
		d.Errorf(n, "%s is %q: write %s: %s, or %s: %s", what, strictyaml.Clip(text), what, usual, what, other)
	}
	return usual
}

// exits reads which exit statuses mean "later" and "never again".
func (d *decoder) exits(set strictyaml.Fields) (later, never []int) {
	later = d.statuses(set.Get("exit_later"), "exit_later", DefaultExitLater)
	never = d.statuses(set.Get("exit_never"), "exit_never", DefaultExitNever)
	for _, status := range never {
		if !slices.Contains(later, status) {
			continue
		}
		this := func(n int) bool { return n == status }
		switch { // what is asked for wins over what is by default
		case set.Get("exit_never") == nil:
			never = slices.DeleteFunc(slices.Clone(never), this)
		case set.Get("exit_later") == nil:
			later = slices.DeleteFunc(slices.Clone(later), this)
		default:
			d.Errorf(set.Get("exit_never"), "the exit status %d is in exit_later and in exit_never: keep one", status)
		}
	}
	return later, never
}

// statuses reads a list of exit statuses.
func (d *decoder) statuses(n *yaml.Node, what string, otherwise []int) []int {
	if n == nil {
		return otherwise
	}
	texts, _ := d.Texts(n, what, what+": ["+strconv.Itoa(otherwise[0])+"]")
	list := []int{}
	for _, text := range texts {
		status, err := strconv.Atoi(text)
		if err != nil || status < 1 || status > 255 {
			d.Errorf(n, "%s lists exit statuses from 1 to 255, and %q is none: write %s: [%d]", what, strictyaml.Clip(text), what, otherwise[0])
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
	set, _ := d.Mapping(n, "env", "env: {LANG: C}", nil)
	for _, f := range set {
		d.envName(f.Key, f.Key.Value)
		env[f.Key.Value], _ = d.Text(f.Value, "env "+strictyaml.Clip(f.Key.Value), "env: {LANG: C}")
	}
	return env
}

func (d *decoder) passEnv(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	names, _ := d.Texts(n, "pass_env", "pass_env: [API_KEY]")
	for _, name := range names {
		d.envName(n, name)
	}
	return names
}

func (d *decoder) envName(n *yaml.Node, name string) {
	switch {
	case reservedEnv(name):
		d.Errorf(n, "the variable %s is set by agentos itself: choose another name", name)
	case !strictyaml.GoodEnvName(name):
		d.Errorf(n, "%q cannot be the name of an environment variable: letters, digits and _", strictyaml.Clip(name))
	}
}

func (d *decoder) schedule(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	text, ok := d.Text(n, "schedule", `schedule: "@every 20s"`)
	if !ok {
		return ""
	}
	if _, err := ParseSchedule(text); err != nil {
		d.Errorf(n, "%s", err)
	}
	return text
}

// catchUp reads how late a missed time of the schedule is made up for.
func (d *decoder) catchUp(set strictyaml.Fields) time.Duration {
	const always, never = 0, -1
	n := d.ofSchedule(set, "catch_up")
	if n == nil {
		return always
	}
	switch strictyaml.Resolve(n).Value {
	case "true", "always":
		return always
	case "false", "never", "0", "0s":
		return never
	}
	return d.Duration(n, "catch_up", time.Second, 366*24*time.Hour, time.Hour)
}

func (d *decoder) spread(set strictyaml.Fields) time.Duration {
	return d.Duration(d.ofSchedule(set, "spread"), "spread", 0, 24*time.Hour, 0)
}

// ofSchedule returns a setting that means nothing without a schedule.
func (d *decoder) ofSchedule(set strictyaml.Fields, key string) *yaml.Node {
	n := set.Get(key)
	if n != nil && set.Get("schedule") == nil {
		d.Errorf(n, `%s is for agents with a schedule: write schedule: "@hourly" beside it, or leave it out`, key)
		return nil
	}
	return n
}

func (d *decoder) workingDir(n *yaml.Node) string {
	if n == nil {
		return d.dir
	}
	text, ok := d.Text(n, "dir", "dir: .")
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
