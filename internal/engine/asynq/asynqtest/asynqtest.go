// Package asynqtest starts a real asynq for tests.
package asynqtest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/agentos/agentos/test/servers"
)

// ReadOnly are the grants of docs/engines/asynq.md.
const ReadOnly = "%R~asynq:* -@all +select +info +smembers +llen +lrange +zcard +zrange +zrangebyscore +zcount +get +mget +exists +hmget +hgetall +hvals +ttl"

// Secret is in the error of each task that fails. Nobody may be shown it.
const Secret = "hunter2"

// Fleet is an asynq in a Redis of its own, whose user "reader" with the password "s3cret" may only read.
type Fleet struct {
	Redis     *servers.Redis
	Client    *asynq.Client
	Inspector *asynq.Inspector
}

// Start starts a server for each of the queues. Their tasks do what their type says: "block" runs until the test ends, "fail" fails and is
// tried again in an hour, "result" leaves a result, any other one ends well.
func Start(t *testing.T, concurrency int, queues ...string) *Fleet {
	t.Helper()
	f := &Fleet{Redis: servers.StartRedis(t)}
	to := asynq.RedisClientOpt{Addr: f.Redis.Addr}
	f.Client, f.Inspector = asynq.NewClient(to), asynq.NewInspector(to)
	t.Cleanup(func() {
		if err := errors.Join(f.Client.Close(), f.Inspector.Close()); err != nil {
			t.Error(err)
		}
	})
	if _, err := f.Redis.Do(append([]string{"ACL", "SETUSER", "reader", "reset", "on", ">s3cret"}, strings.Fields(ReadOnly)...)...); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	for _, queue := range queues {
		serve(t, to, queue, concurrency, release)
	}
	t.Cleanup(func() { close(release) }) // before the servers are shut down
	return f
}

func serve(t *testing.T, to asynq.RedisClientOpt, queue string, concurrency int, release <-chan struct{}) {
	t.Helper()
	server := asynq.NewServer(to, asynq.Config{
		Concurrency: concurrency, Queues: map[string]int{queue: 1}, LogLevel: asynq.FatalLevel, ShutdownTimeout: 5 * time.Second,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Hour },
	})
	err := server.Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		switch task.Type() {
		case "block":
			select {
			case <-release:
			case <-ctx.Done():
			}
		case "fail":
			return errors.New("no connection to password=" + Secret + " host")
		case "result":
			_, err := io.WriteString(task.ResultWriter(), `{"rows": 12}`)
			return err
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
}

// Task makes a task whose arguments have [Secret] in them, too.
func Task(kind string) *asynq.Task {
	return asynq.NewTask(kind, []byte(`{"customer": 17, "password": "`+Secret+`"}`))
}
