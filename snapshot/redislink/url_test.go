package redislink

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseURLReadsEachForm(t *testing.T) {
	for raw, want := range map[string]Target{
		"redis://localhost":              {mode: standalone, addrs: []string{"localhost:6379"}},
		"\tredis://localhost/\n":         {mode: standalone, addrs: []string{"localhost:6379"}},
		"redis://10.0.0.1:1234/7":        {mode: standalone, addrs: []string{"10.0.0.1:1234"}, db: 7},
		"redis://[::1]":                  {mode: standalone, addrs: []string{"[::1]:6379"}},
		"redis://[fe80::1]:7000/0":       {mode: standalone, addrs: []string{"[fe80::1]:7000"}},
		"valkey://host":                  {mode: standalone, addrs: []string{"host:6379"}},
		"redis://:secret@host":           {mode: standalone, addrs: []string{"host:6379"}, password: "secret"},
		"redis://user:@host":             {mode: standalone, addrs: []string{"host:6379"}, user: "user"},
		"redis://us%3Aer:a:b%40%2F@host": {mode: standalone, addrs: []string{"host:6379"}, user: "us:er", password: "a:b@/"},
		"redis://user:p@ss@host":         {mode: standalone, addrs: []string{"host:6379"}, user: "user", password: "p@ss"},
		"redis://:p+w@host":              {mode: standalone, addrs: []string{"host:6379"}, password: "p+w"},
		"redis-sentinel://a,b:1,[::1]/2?master=main&sentinel-user=u&sentinel-password=p%40": {
			mode: sentinel, addrs: []string{"a:26379", "b:1", "[::1]:26379"}, db: 2, master: "main",
			sentinelUser: "u", sentinelPassword: "p@"},
		"redis-cluster://u:p@a:1,b:2,c":        {mode: cluster, addrs: []string{"a:1", "b:2", "c:6379"}, user: "u", password: "p"},
		"redis-cluster://a/0":                  {mode: cluster, addrs: []string{"a:6379"}},
		"redis+unix:///run/redis.sock":         {mode: standalone, addrs: []string{"/run/redis.sock"}, socket: true},
		"redis+unix://:p@/run/a%20b.sock?db=3": {mode: standalone, addrs: []string{"/run/a b.sock"}, socket: true, password: "p", db: 3},
	} {
		got, err := ParseURL(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if got.tls != nil {
			t.Errorf("%s: TLS, want none", raw)
		}
		if diff := cmp.Diff(want, *got, cmp.AllowUnexported(Target{}), cmpopts.IgnoreFields(Target{}, "scheme", "tls")); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
	}
}

func TestParseURLReadsTLS(t *testing.T) {
	for raw, want := range map[string]struct {
		mode       mode
		serverName string
		insecure   bool
	}{
		"rediss://host": {standalone, "", false},
		"valkeys://host?insecure-skip-verify=false":      {standalone, "", false},
		"rediss://host?server-name=redis.example":        {standalone, "redis.example", false},
		"rediss-sentinel://a,b?master=m":                 {sentinel, "", false},
		"rediss-cluster://a,b?insecure-skip-verify=true": {cluster, "", true},
	} {
		got, err := ParseURL(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if got.tls == nil || got.mode != want.mode || got.tls.ServerName != want.serverName || got.tls.InsecureSkipVerify != want.insecure {
			t.Errorf("%s: %+v, TLS %+v", raw, got, got.tls)
		}
	}
}

// secret stands where a password is meant, in each URL below.
const secret = "hunter2-and-more"

func TestParseURLSaysWhatToWrite(t *testing.T) {
	folder := t.TempDir()
	empty := filepath.Join(folder, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string][]string{
		"":                                         {"does not begin with a scheme", "write redis://host:6379"},
		secret:                                     {"does not begin with a scheme"},
		"localhost:6379":                           {"does not begin with a scheme"},
		"http://:" + secret + "@host":              {"the scheme is not supported", "redis-cluster://"},
		"redis://":                                 {"names no host: write redis://host:6379"},
		"redis-sentinel://?master=m":               {"names no host: write redis-sentinel://host:26379"},
		"redis://" + secret + "@host":              {"user name without a password: write user:password@host"},
		"redis://:" + secret + "%zz@host":          {"write % as %25"},
		"redis://:" + secret + "/x@host":           {"write / as %2F"},
		"redis://:" + secret + "?x@host":           {"write / as %2F, ? as %3F"},
		"redis://:" + secret + "#x@host":           {"# as %23"},
		"redis://:x?a=" + secret + "&b=@host":      {"? as %3F"},
		"redis://:x@y?" + secret + "=@host":        {"? as %3F"},
		"redis://a:" + secret + ":1":               {"host 1 has too many colons"},
		"redis://::1":                              {"host 1 has too many colons: write an IPv6 address in brackets"},
		"redis://user:" + secret:                   {"host 1 has no port between 1 and 65535"},
		"redis://host:0":                           {"no port between 1 and 65535: write host:6379"},
		"redis://host:65536":                       {"no port between 1 and 65535"},
		"redis-sentinel://a,:7,c?master=m":         {"host 2 is empty"},
		"redis-cluster://a,,c":                     {"host 2 is empty"},
		"redis://a b":                              {"has blanks"},
		"redis://a,b":                              {"names several hosts: write redis-sentinel:// if they are sentinels"},
		"redis://host/" + secret:                   {"not the number of a database: write /0"},
		"redis://host/-1":                          {"not the number of a database"},
		"redis-cluster://host/1":                   {"a Redis Cluster has only the database 0"},
		"redis://host?db=1":                        {"write the number of the database after the host"},
		"redis-sentinel://host":                    {"add ?master=NAME"},
		"redis://host?master=m":                    {"are for sentinels: write redis-sentinel://"},
		"redis://host?sentinel-password=" + secret: {"are for sentinels"},
		"redis://host?timeout=1s":                  {`the parameter "timeout" is unknown: there are ca, cert`},
		"redis://host?ca=%zz":                      {"parameters cannot be read"},
		"redis://host?ca=x":                        {"ca is for TLS: write rediss://"},
		"valkey://host?server-name=x":              {"server-name is for TLS: write rediss://"},
		"rediss://host?insecure-skip-verify=1":     {"insecure-skip-verify is true or false"},
		"rediss://host?ca=/no/such/file":           {"ca: open /no/such/file", "write the path of a file this process can read"},
		"rediss://host?ca=" + empty:                {"holds no certificate: write the path of a PEM file"},
		"rediss://host?cert=x":                     {"cert and key go together"},
		"rediss://host?cert=/no/a&key=/no/b":       {"cert and key: open /no/a"},
		"redis+unix://":                            {"names no socket: write redis+unix:///path/to/socket"},
		"redis+unix://run/redis.sock":              {"names no socket"},
		"redis+unix:///":                           {"names no socket"},
		"redis+unix:///a?db=x":                     {"not the number of a database"},
		"redis-cluster://a:x,b:y/3?master=m": { // all at once
			"host 1 has no port", "host 2 has no port", "only the database 0", "are for sentinels"},
	} {
		target, err := ParseURL(raw)
		if err == nil {
			t.Errorf("%s: no error, but %v", raw, target)
			continue
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", raw, err, part)
			}
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error repeats a password: %v", raw, err)
		}
	}
}

func TestTargetHidesPasswords(t *testing.T) {
	for raw, want := range map[string]string{
		"redis://user:" + secret + "@host/3":                                          "redis://host:6379/3",
		"redis-sentinel://:" + secret + "@a,b:1?master=m&sentinel-password=" + secret: "redis-sentinel://a:26379,b:1",
		"redis+unix://:" + secret + "@/run/redis.sock":                                "redis+unix:///run/redis.sock",
	} {
		target, err := ParseURL(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := target.String(); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}

// FuzzParseURL checks that nothing makes ParseURL panic, that a password before the @ is never repeated, and that one that
// is escaped arrives as it was.
func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{
		"redis://|pass|@host/3", "rediss://|pa/ss|@host?ca=x", "redis-sentinel://|p?a=b|@a,b:1?master=m", "redis+unix://|#|@/run/x",
		"redis-cluster://|%zz|@[::1]:1,b", "valkey://||@:0", "x://|@@|@?&;=",
	} {
		parts := strings.Split(seed, "|")
		f.Add(parts[0], parts[1], parts[2])
	}
	f.Fuzz(func(t *testing.T, scheme, password, rest string) {
		hidden := password + secret
		for _, raw := range []string{scheme + "user:" + hidden + rest, scheme + "user:" + url.PathEscape(hidden) + rest} {
			target, err := ParseURL(raw)
			if (err == nil) == (target == nil) {
				t.Fatalf("%q: %v, %v", raw, target, err)
			}
			text := fmt.Sprint(err)
			if err == nil {
				text = target.String()
			}
			if strings.HasPrefix(rest, "@") && strings.HasSuffix(scheme, "://") && strings.Contains(text, secret) {
				t.Errorf("%q: repeats the password: %s", raw, text)
			}
		}
		target, err := ParseURL("redis://user:" + url.PathEscape(hidden) + "@host")
		if err != nil || target.password != hidden || target.user != "user" {
			t.Errorf("%q: %+v, %v", hidden, target, err)
		}
	})
}
