//go:build linux

package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"
)

// The keys of Redis that the documentation names.
const (
	documentKey = "admin:dashboard:v4"
	lastGoodKey = documentKey + ":last-good"
	leaseKey    = documentKey + ":lease"
)

// takeover is long enough for the servers to find that Redis is gone, and to elect a leader through Postgres.
const takeover = 7 * time.Second

func redisFaults() []clusterFault {
	list := []clusterFault{
		{name: "redis refused", breaks: harmed(cut, ofAll, toRedis), short: takeover},
		{name: "redis hung (SIGSTOP)", breaks: redisPaused, short: takeover},
		{name: "redis slow by 300 ms each way", breaks: harmed(slow, ofAll, toRedis), short: takeover},
		{name: "redis answers cut off in the middle", breaks: harmed(cutAnswers, ofAll, toRedis), short: takeover},
		{name: "redis cut and back, twice a second", breaks: flapping(250*time.Millisecond, toRedis)},
		{name: "redis connections killed in a loop", breaks: redisAgain(50*time.Millisecond, "CLIENT", "KILL", "TYPE", "normal")},
		{name: "redis subscribers killed in a loop", breaks: redisAgain(50*time.Millisecond, "CLIENT", "KILL", "TYPE", "pubsub")},
		{name: "redis flushed in a loop", breaks: redisAgain(200*time.Millisecond, "FLUSHALL")},
		{name: "redis scripts flushed in a loop", breaks: redisAgain(50*time.Millisecond, "SCRIPT", "FLUSH")},
		{name: "redis is a read-only replica", breaks: redisWith([]string{"REPLICAOF", "127.0.0.1", "1"}, []string{"REPLICAOF", "NO", "ONE"}), short: takeover},
		{name: "redis out of memory", breaks: redisWith([]string{"CONFIG", "SET", "maxmemory", "1"}, []string{"CONFIG", "SET", "maxmemory", "0"}), short: takeover},
		{name: "redis takes no more clients", breaks: redisFull, short: takeover},
		{name: "redis blocked by a slow command", breaks: redisAsleep},
		{name: "redis asks for a password", breaks: redisWithPassword, short: takeover},
		{name: "redis restarted empty", breaks: func(s *scene) error { return s.cluster.Redis().Restart() }},
		{name: "redis killed -9, back later", breaks: redisKilled, short: takeover},
		{name: "redis cut from one server", breaks: harmed(cut, theFollower, toRedis), short: takeover},
		{name: "redis hung for one server", breaks: harmed(hang, theFollower, toRedis), short: takeover},
		{name: "redis cut from the leader", breaks: harmed(cut, theLeader, toRedis), short: takeover},
		{name: "redis hung for the leader", breaks: harmed(hang, theLeader, toRedis), short: takeover},
		{name: "redis slow for the leader", breaks: harmed(slow, theLeader, toRedis)},
		{name: "redis cut from one worker", breaks: harmed(cut, ofTheWorker, toRedis)},
	}
	scripts := spoiltKeys()
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		list = append(list, clusterFault{name: "redis " + name, breaks: redisAgain(100*time.Millisecond, "EVAL", scripts[name]+"return 1", "0")})
	}
	return append(list,
		clusterFault{name: "redis key is a document from the future", breaks: spoilt(fromTheFuture)},
		clusterFault{name: "redis key is an old document", breaks: spoilt(theOldOne)},
		clusterFault{name: "redis key is a document cut short", breaks: spoilt(cutShort)},
		clusterFault{name: "redis key is a document of another version", breaks: spoilt(ofAnotherVersion)},
	)
}

// spoiltKeys are scripts that put into Redis what does not belong there.
func spoiltKeys() map[string]string {
	set := func(key, value string) string { return fmt.Sprintf("redis.call('SET', '%s', '%s') ", key, value) }
	instead := func(key, command string) string {
		return fmt.Sprintf("redis.call('DEL', '%s') redis.call(%s) ", key, command)
	}
	const garbage = `\\0\\255{"meta":garbage`
	return map[string]string{
		"key is a list":                 instead(documentKey, "'RPUSH', '"+documentKey+"', 'x'"),
		"key is a hash":                 instead(documentKey, "'HSET', '"+documentKey+"', 'x', 'y'"),
		"key is garbage":                set(documentKey, garbage),
		"key is empty":                  set(documentKey, ""),
		"key and last-good are garbage": set(documentKey, garbage) + set(lastGoodKey, garbage),
		"lease is garbage":              set(leaseKey, garbage),
		"lease is a list":               instead(leaseKey, "'RPUSH', '"+leaseKey+"', 'x'"),
		"every key is of another type":  instead(documentKey, "'SADD', '"+documentKey+"', 'x'") + instead(lastGoodKey, "'SADD', '"+lastGoodKey+"', 'x'") + instead(leaseKey, "'SADD', '"+leaseKey+"', 'x'"),
	}
}

func redisPaused(s *scene) error {
	redis := s.cluster.Redis()
	s.onMend(func() error { redis.Resume(); return nil })
	redis.Pause()
	return nil
}

func redisKilled(s *scene) error {
	redis := s.cluster.Redis()
	s.onMend(redis.Start)
	redis.Kill()
	return nil
}

// redisAgain sends a command again and again.
func redisAgain(every time.Duration, command ...string) func(s *scene) error {
	return func(s *scene) error {
		redis := s.cluster.Redis()
		return s.again(every, func(ctx context.Context) error {
			_, err := redis.DoContext(ctx, command...)
			return err
		})
	}
}

// redisWith sends a command, and another one to mend what it did.
func redisWith(command, undo []string) func(s *scene) error {
	return func(s *scene) error {
		redis := s.cluster.Redis()
		s.onMend(func() error {
			_, err := redis.Do(undo...)
			return err
		})
		_, err := redis.Do(command...)
		return err
	}
}

// redisFull takes all places for clients but one.
func redisFull(s *scene) error {
	const hogs = 20
	redis := s.cluster.Redis()
	var held []net.Conn
	s.onMend(func() error {
		for _, conn := range held {
			_ = conn.Close()
		}
		_, err := within(5*time.Second, "Redis takes clients again", func() error {
			_, err := redis.Do("CONFIG", "SET", "maxclients", "10000")
			return err
		})
		return err
	})
	for range hogs {
		conn, err := net.Dial("tcp", redis.Addr)
		if err != nil {
			return err
		}
		held = append(held, conn)
	}
	if _, err := redis.Do("CONFIG", "SET", "maxclients", fmt.Sprint(hogs+1)); err != nil {
		return err
	}
	for _, m := range s.cluster.Members() {
		m.Redis.Reset()
	}
	return nil
}

// redisAsleep keeps the server's only thread busy for the whole time.
func redisAsleep(s *scene) error {
	redis := s.cluster.Redis()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ended by mending
		defer close(done)
		for ctx.Err() == nil {
			_, _ = redis.DoContext(ctx, "DEBUG", "SLEEP", "2")
		}
	}()
	s.onMend(func() error { cancel(); <-done; return nil })
	return nil
}

// redisWithPassword changes the server's password under the product.
func redisWithPassword(s *scene) error {
	redis := s.cluster.Redis()
	if _, err := redis.Do("CONFIG", "SET", "requirepass", "another"); err != nil {
		return err
	}
	redis.Password = "another"
	s.onMend(func() error {
		_, err := redis.Do("CONFIG", "SET", "requirepass", "")
		redis.Password = ""
		return err
	})
	for _, m := range s.cluster.Members() {
		m.Redis.Reset()
	}
	return nil
}

// spoilt puts something made from the present document under its key, again and again.
func spoilt(how func(doc string) (string, error)) func(s *scene) error {
	return func(s *scene) error {
		redis := s.cluster.Redis()
		doc, err := redis.Do("GET", documentKey)
		if err != nil {
			return err
		}
		bad, err := how(doc)
		if err != nil {
			return err
		}
		return s.again(100*time.Millisecond, func(ctx context.Context) error {
			_, err := redis.DoContext(ctx, "SET", documentKey, bad)
			return err
		})
	}
}

func theOldOne(doc string) (string, error) { return doc, nil }

func cutShort(doc string) (string, error) { return doc[:len(doc)/2], nil }

func fromTheFuture(doc string) (string, error) {
	return changed(doc, func(document, meta map[string]json.RawMessage) {
		meta["revision"] = json.RawMessage("9007199254740000")
		later, _ := json.Marshal(time.Now().AddDate(70, 0, 0))
		document["timestamp"], meta["as_of"] = later, later
	})
}

func ofAnotherVersion(doc string) (string, error) {
	return changed(doc, func(_, meta map[string]json.RawMessage) { meta["version"] = json.RawMessage("5") })
}

// changed is a document with a few fields changed.
func changed(doc string, change func(document, meta map[string]json.RawMessage)) (string, error) {
	var document, meta map[string]json.RawMessage
	if err := json.NewDecoder(strings.NewReader(doc)).Decode(&document); err != nil {
		return "", err
	}
	if err := json.Unmarshal(document["meta"], &meta); err != nil {
		return "", err
	}
	change(document, meta)
	text, err := json.Marshal(meta)
	document["meta"] = text
	all, err2 := json.Marshal(document)
	return string(all), errors.Join(err, err2)
}
