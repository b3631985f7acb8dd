package redislink_test

import (
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/redislink"
	"github.com/agentos/agentos/test/servers"
)

// exchange checks that all that a link can do is done at this URL.
func exchange(t *testing.T, url string) {
	t.Helper()
	a, b := open(t, url, redislink.Options{Holder: "a"}), open(t, url, redislink.Options{Holder: "b"})
	awaitExchange(t, receive(t, b), a, a, b)
	if err := a.Notify(t.Context(), []string{"queue"}); err != nil {
		t.Errorf("Notify() = %v", err)
	}
}

// refused returns what a link says that cannot work at this URL.
func refused(t *testing.T, url string) string {
	t.Helper()
	conn := open(t, url, redislink.Options{})
	err := conn.Store(t.Context(), document(t, "x"))
	var failure *redislink.Error
	if !errors.As(err, &failure) {
		t.Fatalf("Store() = %v, want an *Error", err)
	}
	_, why, _ := strings.Cut(err.Error(), conn.Target())
	if listening := conn.Listen(t.Context(), link.Listener{}); listening == nil || !strings.HasSuffix(listening.Error(), why) {
		t.Errorf("Listen() = %v, want the same as Store() = %v", listening, err)
	}
	return err.Error()
}

func TestLinkSpeaksTLS(t *testing.T) {
	redis := servers.StartRedis(t, servers.RedisTLS(), servers.RedisPassword("p"))
	exchange(t, redis.URL()+"?ca="+redis.CAFile)
	exchange(t, strings.Replace(redis.URL(), "127.0.0.1", "localhost", 1)+"?ca="+redis.CAFile)
	exchange(t, redis.URL()+"?server-name=localhost&ca="+redis.CAFile)
	exchange(t, redis.URL()+"?insecure-skip-verify=true")
	plain := servers.StartRedis(t)
	for name, c := range map[string]struct{ url, says string }{
		"unknown authority": {redis.URL(), "unknown authority: name the authority's file by ?ca="},
		"another name":      {redis.URL() + "?server-name=example.org&ca=" + redis.CAFile, "name the certificate's host by ?server-name="},
		"no TLS here":       {strings.Replace(redis.URL(), "rediss:", "redis:", 1), "write rediss:// instead of redis://"},
		"no TLS there":      {strings.Replace(plain.URL(), "redis:", "rediss:", 1), "does not speak TLS, write redis:// instead of rediss://"},
	} {
		if got := refused(t, c.url); !strings.Contains(got, c.says) {
			t.Errorf("%s: %q does not say %q", name, got, c.says)
		}
	}
}

func TestLinkShowsItsCertificate(t *testing.T) {
	redis := servers.StartRedis(t, servers.RedisTLS(), servers.RedisArgs("--tls-auth-clients", "optional"))
	folder := filepath.Dir(redis.CAFile)
	trusted := redis.URL() + "?ca=" + redis.CAFile
	certificate := "&cert=" + filepath.Join(folder, "cert.pem") + "&key=" + filepath.Join(folder, "key.pem")
	exchange(t, trusted+certificate)
	do(t, redis, "CONFIG", "SET", "tls-auth-clients", "yes")
	exchange(t, trusted+certificate)
	if err := open(t, trusted, redislink.Options{}).Store(t.Context(), document(t, "x")); err == nil {
		t.Error("a document was stored without the certificate that the server asks for")
	}
}

func TestLinkHasAPassword(t *testing.T) {
	const password = "p@ss/w?rd#%:25 ü"
	redis := servers.StartRedis(t, servers.RedisPassword(password))
	exchange(t, redis.URL())
	exchange(t, "redis://:"+url.PathEscape(password)+"@"+redis.Addr)
	for name, c := range map[string]struct{ url, says string }{
		"none":  {"redis://" + redis.Addr, "the server wants a password"},
		"wrong": {"redis://:hunter2@" + redis.Addr, "correct user and password in the URL"},
	} {
		if got := refused(t, c.url); !strings.Contains(got, c.says) || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %q does not say %q", name, got, c.says)
		}
	}
}

// TestAdviceGivesTheRightsThatAreNeeded makes a user that may do nothing and gives it what the error says.
func TestAdviceGivesTheRightsThatAreNeeded(t *testing.T) {
	redis := servers.StartRedis(t)
	do(t, redis, "ACL", "SETUSER", "dashboard", "on", ">secret")
	conn := "redis://dashboard:secret@" + redis.Addr
	_, err := open(t, conn, redislink.Options{}).Load(t.Context())
	var failure *redislink.Error
	if !errors.As(err, &failure) {
		t.Fatalf("Load() = %v, want an *Error", err)
	}
	_, rights, found := strings.Cut(failure.Advice, "these rights: ")
	if !found {
		t.Fatalf("%q gives no rights", failure.Advice)
	}
	do(t, redis, append([]string{"ACL", "SETUSER", "dashboard"}, strings.Fields(rights)...)...)
	exchange(t, conn)
	if _, err := redis.Do("ACL", "DRYRUN", "dashboard", "SET", "other", "x"); err != nil {
		t.Fatal(err)
	}
	if may := do(t, redis, "ACL", "DRYRUN", "dashboard", "SET", "other", "x"); may == "OK" {
		t.Error("the user may write other keys")
	}
}

func TestLinkUsesASocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "redis.sock")
	redis := servers.StartRedis(t, servers.RedisArgs("--unixsocket", socket))
	exchange(t, "redis+unix://"+socket+"?db=3")
	if got := do(t, redis, "INFO", "keyspace"); !strings.Contains(got, "db3:keys=") {
		t.Errorf("nothing is in database 3: %s", got)
	}
	if got := refused(t, "redis://"+redis.Addr+"/99"); !strings.Contains(got, "has no database of this number") {
		t.Errorf("database 99: %s", got)
	}
}
