// Package asynq reads the queues of https://github.com/hibiken/asynq from Redis, with plain commands that a user who may only read
// may give, and without a script: asynq's own Inspector needs both, and blocks Redis for seconds where there are many groups.
//
// A user for it, on Redis 7 or later:
//
//	ACL SETUSER agentos reset on >PASSWORD %R~asynq:* -@all +select +info +smembers +llen +lrange +zcard +zrange +zrangebyscore
//	  +zcount +get +mget +exists +hmget +hgetall +hvals +ttl
//
// Ids are "queue/task". asynq deletes a task that ended well, unless it is enqueued with Retention: what ended is counted by
// asynq's own counters, exactly, but without kinds and durations.
package asynq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/engine/redisconn"
	"github.com/agentos/agentos/internal/redact"
)

const (
	allQueues     = "asynq:queues"
	allServers    = "asynq:servers"
	allSchedulers = "asynq:schedulers"

	// beats is how long after its last heartbeat a server's entry ends: twice the pace of its heartbeats.
	beats = 10 * time.Second

	// atOnce is how many commands are sent in one go.
	atOnce = 500

	maxQueueName = 255
)

// Engine reads the asynq of one Redis database.
type Engine struct {
	client rueidis.Client
	where  string
	redact *redact.Rules

	mu     sync.Mutex
	queues map[string]engine.QueueCounts // as they were read last
	turn   string                        // the queue that was read last when not all could be
}

// Open connects to a redis:// URL.
func Open(ctx context.Context, url string, rules *redact.Rules) (*Engine, error) {
	client, where, err := redisconn.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	return &Engine{client: client, where: where, redact: rules, queues: map[string]engine.QueueCounts{}}, nil
}

// Close closes the connections.
func (e *Engine) Close() { e.client.Close() }

// Probe looks for asynq's queues.
func (e *Engine) Probe(ctx context.Context) (engine.Info, error) {
	count, err := e.client.Do(ctx, e.client.B().Exists().Key(allQueues).Build()).AsInt64()
	if err != nil {
		return engine.Info{}, e.explain("look for queues of asynq", err)
	}
	if count == 0 {
		return engine.Info{}, fmt.Errorf("no queue of asynq at %s: %q is not there; is the number of the database right?", e.where, allQueues)
	}
	return about(e.where), nil
}

// About is what is known of the asynq at an address before it answers.
func About(url string) engine.Info { return about(redisconn.Where(url)) }

func about(where string) engine.Info { return engine.Info{Engine: "asynq", Where: where, Caps: caps()} }

func caps() engine.Caps {
	yes := engine.Support{Answer: engine.Yes}
	return engine.Caps{
		engine.CanOldestWaiting: yes,
		engine.CanRunning:       yes,
		engine.CanStartedAt:     yes,
		engine.CanScheduled:     yes,
		engine.CanRetries:       yes,
		engine.CanDiscarded:     yes,
		engine.CanErrors:        yes,
		engine.CanResults:       yes,
		engine.CanWorkers:       yes,
		engine.CanHeartbeat:     yes,
		engine.CanSlots:         yes,
		engine.CanSchedules:     yes,
		engine.CanPauses:        yes,
		engine.CanTotals:        yes,
		engine.CanFinished:      {Answer: engine.NeedsSetting, Why: "Tasks that ended well are deleted, unless they are enqueued with asynq.Retention."},
		engine.CanEnqueuedAt:    {Why: "asynq records since when a task waits, not when it was enqueued."},
		engine.CanCancelled:     {Why: "asynq has no cancelled tasks: one that is cancelled fails or is archived."},
		engine.CanAttempts:      {Why: "asynq keeps of the attempts at a task their number and the last error."},
		engine.CanLogs:          {Why: "asynq keeps no logs of tasks."},
		engine.CanProgress:      {Why: "asynq does not record how far a task is."},
		engine.CanUsage:         {Why: "asynq does not record what tasks use and cost."},
		engine.CanPriorities:    {Why: "asynq has no priorities of tasks: its servers weigh queues."},
		engine.CanKinds:         {Why: "asynq counts tasks by queue, not by type."},
		engine.CanWorkerTotals:  {Why: "asynq does not record how many tasks a server has ended."},
		engine.CanVersions:      {Why: "asynq does not record which version of a program a server is."},
		engine.CanDurations:     {Why: "asynq does not record how long tasks ran and waited."},
		engine.CanEvents:        {Why: "asynq keeps no log of single tasks; its counters of what ended are exact."},
		engine.CanListByKind:    {Why: "asynq has no index of task types: lists are by queue and state."},
		engine.CanListAll:       {Why: "asynq has no list of all tasks: choose a state."},
		engine.CanListByTime:    {Why: "asynq has no index of times: lists are by queue and state."},
		engine.CanSearch:        {Why: "asynq has no index of what is in a task: open it by its id."},
	}
}

// explain says what was tried, and which grant is missing where Redis refused.
func (e *Engine) explain(what string, err error) error {
	var refused *rueidis.RedisError
	if errors.As(err, &refused) && strings.HasPrefix(refused.Error(), "NOPERM") {
		return fmt.Errorf("%s: the user of %s may not: %w; see docs/engines/asynq.md for the grants", what, e.where, err)
	}
	return fmt.Errorf("%s at %s: %w", what, e.where, err)
}

// do sends commands, atOnce at a time, and returns their answers in order.
func (e *Engine) do(ctx context.Context, commands []rueidis.Completed) []rueidis.RedisResult {
	all := make([]rueidis.RedisResult, 0, len(commands))
	for len(commands) > 0 {
		n := min(len(commands), atOnce)
		all = append(all, e.client.DoMulti(ctx, commands[:n]...)...)
		commands = commands[n:]
	}
	return all
}

// workersOf is the key of what a server does, by that of its entry.
func workersOf(server string) string {
	return strings.Replace(server, "asynq:servers:", "asynq:workers:", 1)
}

func key(queue, part string) string { return "asynq:{" + queue + "}:" + part }

// split takes an id apart. Names of queues may hold slashes; asynq's ids of tasks may, too, if the program chose them: the first
// slash divides those whose queue has none, else the queue is written with its slashes escaped.
func split(id engine.ID) (queue, task string, ok bool) {
	queue, task, ok = strings.Cut(string(id), "/")
	return unescape.Replace(queue), task, ok && queue != "" && task != ""
}

func join(queue, task string) engine.ID { return engine.ID(escape.Replace(queue) + "/" + task) }

var (
	escape   = strings.NewReplacer("%", "%25", "/", "%2F")
	unescape = strings.NewReplacer("%25", "%", "%2F", "/")
)
