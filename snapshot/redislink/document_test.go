package redislink_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/redislink"
	"github.com/agentos/agentos/test/servers"
)

// TestDocumentIsForAnybody reads what is stored as any other client does.
func TestDocumentIsForAnybody(t *testing.T) {
	redis := servers.StartRedis(t)
	doc := document(t, "for anybody ü <b>")
	if err := open(t, redis.URL(), redislink.Options{}).Store(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	for k, lives := range map[string]time.Duration{key: 15 * time.Second, lastGood: 30 * 24 * time.Hour} {
		got := do(t, redis, "GET", k)
		if got != string(doc.JSON) || !json.Valid([]byte(got)) {
			t.Errorf("%s has %.60q, want the document", k, got)
		}
		ms, err := strconv.Atoi(do(t, redis, "PTTL", k))
		if left := time.Duration(ms) * time.Millisecond; err != nil || left > lives || left < lives-5*time.Second {
			t.Errorf("%s lives %v, want %v", k, left, lives)
		}
	}
}

func TestLastGoodOutlivesTheDocument(t *testing.T) {
	redis := servers.StartRedis(t)
	conn := open(t, redis.URL(), redislink.Options{})
	older, newer := document(t, "older"), document(t, "newer")
	load := func(want []byte) {
		t.Helper()
		if got, err := conn.Load(t.Context()); err != nil || string(got) != string(want) {
			t.Errorf("Load() = %.60q, %v; want %.60q", got, err, want)
		}
	}
	if err := conn.Store(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	do(t, redis, "DEL", key)
	load(newer.JSON)
	if err := conn.Store(t.Context(), older); !errors.Is(err, link.ErrFenced) {
		t.Errorf("Store() of an older document = %v after the document has expired", err)
	}
	do(t, redis, "SET", key, string(older.JSON)) // a process that was stopped half way
	load(newer.JSON)
	do(t, redis, "SET", lastGood, "garbage")
	load(older.JSON)
}

// TestKeysMayHoldAnything puts all kinds of values where the link keeps what it knows.
func TestKeysMayHoldAnything(t *testing.T) {
	redis := servers.StartRedis(t)
	future := strings.Replace(string(document(t, "x").JSON), `"revision":1`, `"revision":9`, 1)
	plants := map[string][]string{
		"list": {"RPUSH", "", "a"}, "set": {"SADD", "", "a"}, "sorted set": {"ZADD", "", "1", "a"},
		"hash": {"HSET", "", "id", "x"}, "stream": {"XADD", "", "*", "a", "b"}, "number": {"INCR", ""},
		"strange lease": {"HSET", "", "id", "x", "holder", "y", "token", "-1e300", "rank", "nan", "until", "inf"},
		"lease forever": {"HSET", "", "id", "x", "token", "7", "rank", "9", "until", "99999999999999"},
		"nothing":       {"SET", "", ""}, "garbage": {"SET", "", "\x00\xff{"}, "future": {"SET", "", future},
		"deep": {"SET", "", strings.Repeat("[", 50_000)}, "huge": {"SET", "", strings.Repeat("x", 10<<20)},
	}
	a, b := open(t, redis.URL(), redislink.Options{Holder: "a"}), open(t, redis.URL(), redislink.Options{Holder: "b"})
	h := receive(t, b)
	for name, plant := range plants {
		do(t, redis, "FLUSHALL")
		for _, k := range []string{key, lastGood, lease} {
			plant[1] = k
			do(t, redis, plant...)
		}
		ctx, cancel := context.WithTimeout(t.Context(), longest)
		if doc, err := a.Load(ctx); len(doc) > link.DefaultMaxBytes+1 || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: Load() = %d bytes, %v", name, len(doc), err)
		}
		cancel()
		doc := document(t, name)
		if err := a.Store(t.Context(), doc); err != nil {
			t.Errorf("%s: Store() = %v", name, err)
		}
		for _, k := range []string{key, lastGood} {
			if got := do(t, redis, "GET", k); got != string(doc.JSON) {
				t.Errorf("%s: %s has %.60q", name, k, got)
			}
		}
		grant, err := a.Campaign(t.Context(), 1)
		if err != nil || grant.Token == 0 {
			t.Errorf("%s: Campaign() = %+v, %v", name, grant, err)
		}
		if _, err := b.Campaign(t.Context(), 1); !errors.As(err, new(*link.HeldError)) {
			t.Errorf("%s: the lease is given twice: %v", name, err)
		}
		awaitExchange(t, h, a, a)
	}
}

// TestGarbageBesideADocumentHidesNothing has one good copy and anything at all in place of the other.
func TestGarbageBesideADocumentHidesNothing(t *testing.T) {
	redis := servers.StartRedis(t)
	conn := open(t, redis.URL(), redislink.Options{})
	doc := document(t, "good")
	future := strings.Replace(string(doc.JSON), `"revision":1`, `"revision":9`, 1)
	for name, plant := range map[string][]string{
		"list": {"RPUSH", "", "a"}, "garbage": {"SET", "", "x"}, "future": {"SET", "", future}, "huge": {"SET", "", strings.Repeat("x", 10<<20)},
	} {
		for good, bad := range map[string]string{key: lastGood, lastGood: key} {
			do(t, redis, "FLUSHALL")
			do(t, redis, "SET", good, string(doc.JSON))
			plant[1] = bad
			do(t, redis, plant...)
			if got, err := conn.Load(t.Context()); err != nil || string(got) != string(doc.JSON) {
				t.Errorf("%s at %s: Load() = %.60q, %v", name, bad, got, err)
			}
		}
	}
}

// TestMessagesMayBeAnything publishes what nobody of ours would.
func TestMessagesMayBeAnything(t *testing.T) {
	redis := servers.StartRedis(t)
	a, b := open(t, redis.URL(), redislink.Options{}), open(t, redis.URL(), redislink.Options{})
	h := receive(t, b)
	doc := document(t, "real")
	for _, message := range []string{"", "x", "-1", "18446744073709551615", "99999999999999999999", "9007199254740993"} {
		do(t, redis, "PUBLISH", key+":revisions", message)
	}
	do(t, redis, "PUBLISH", key+":nudges", strings.Repeat(",", 100_000))
	if err := a.Store(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-h.docs:
		if string(got) != string(doc.JSON) {
			t.Errorf("received %.60q, want the document", got)
		}
	case <-time.After(recovery):
		t.Error("the document was not received")
	}
}

// TestFlushIsNoFault takes away all that Redis knows, scripts included, in the midst of things.
func TestFlushIsNoFault(t *testing.T) {
	redis := servers.StartRedis(t)
	a, b := open(t, redis.URL(), redislink.Options{Holder: "a"}), open(t, redis.URL(), redislink.Options{Holder: "b"})
	h := receive(t, b)
	awaitExchange(t, h, a, a)
	was, err := a.Campaign(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	do(t, redis, "FLUSHALL")
	do(t, redis, "SCRIPT", "FLUSH")
	if _, err := a.Load(t.Context()); !errors.Is(err, link.ErrNotFound) {
		t.Errorf("Load() = %v, want ErrNotFound", err)
	}
	for at := time.Now().UnixMilli(); time.Now().UnixMilli() == at; { // after a flush tokens grow by the clock
		runtime.Gosched()
	}
	now, err := b.Campaign(t.Context(), 1)
	if err != nil || now.Token <= was.Token {
		t.Errorf("after the flush: Campaign() = %+v, %v; the token was %d", now, err, was.Token)
	}
	if _, err := a.Campaign(t.Context(), 1); !errors.As(err, new(*link.HeldError)) {
		t.Errorf("Campaign() = %v, want a HeldError", err)
	}
	awaitExchange(t, h, a, b)
	if s := a.Stats(); s.Errors != 0 || s.Open {
		t.Errorf("errors were counted: %+v", s)
	}
}
