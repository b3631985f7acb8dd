package redislink

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A target says where a Redis or Valkey is and how it is reached. parseURL makes one.
type target struct {
	mode   mode
	scheme string
	addrs  []string // host:port, or the path of a socket
	socket bool

	user, password                 string
	sentinelUser, sentinelPassword string
	db                             int
	master                         string      // the name by which the sentinels know the primary
	tls                            *tls.Config // nil = no TLS
}

// mode is how many servers there are and who knows which to ask.
type mode int

const (
	standalone mode = iota
	sentinel
	cluster
)

// schemes are those that parseURL takes.
var schemes = map[string]struct {
	mode mode
	tls  bool
}{
	"redis":           {standalone, false},
	"rediss":          {standalone, true},
	"valkey":          {standalone, false},
	"valkeys":         {standalone, true},
	"redis-sentinel":  {sentinel, false},
	"rediss-sentinel": {sentinel, true},
	"redis-cluster":   {cluster, false},
	"rediss-cluster":  {cluster, true},
	"redis+unix":      {standalone, false},
}

const schemeAdvice = "write redis://host:6379, rediss:// for TLS, redis-sentinel://host:26379,host:26379/0?master=NAME, " +
	"redis-cluster://host:6379,host:6379 or redis+unix:///path/to/socket"

// String returns the URL without names, passwords and parameters.
func (t *target) String() string {
	text := t.scheme + "://" + strings.Join(t.addrs, ",")
	if t.db != 0 {
		text += "/" + strconv.Itoa(t.db)
	}
	return text
}

// parseURL reads a URL of one of the forms that the package's documentation lists, without connecting. The error names all
// faults, each with what to write instead, and never repeats a password.
func parseURL(raw string) (*target, error) {
	p := urlParser{target: &target{}}
	p.parse(strings.TrimSpace(raw))
	if len(p.faults) > 0 {
		return nil, errors.New("redis URL: " + strings.Join(p.faults, "; "))
	}
	return p.target, nil
}

type urlParser struct {
	target *target
	tls    bool
	faults []string
}

func (p *urlParser) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

// parse does by hand what url.Parse does not do: lists of hosts, and faults that do not repeat the password.
func (p *urlParser) parse(raw string) {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found {
		p.fault("it does not begin with a scheme: %s", schemeAdvice)
		return
	}
	known, supported := schemes[scheme]
	if !supported {
		p.fault("the scheme is not supported: %s", schemeAdvice)
		return
	}
	p.target.scheme, p.target.mode, p.target.socket = scheme, known.mode, scheme == "redis+unix"
	p.tls = known.tls
	rest, fragment, _ := strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if fragment != "" || strings.Contains(path+query, "@") { // most likely within a password: nothing of it is said
		p.fault("a character has a meaning of its own: in a password and after it, write / as %%2F, ? as %%3F, # as %%23, @ as %%40, %% as %%25")
		return
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		p.credentials(authority[:i])
		authority = authority[i+1:]
	}
	if p.target.socket {
		p.path(authority, path)
	} else {
		p.hosts(authority)
		p.database(strings.TrimPrefix(path, "/"))
	}
	p.parameters(query)
}

func (p *urlParser) credentials(text string) {
	user, password, found := strings.Cut(text, ":")
	if !found {
		p.fault("it has a user name without a password: write user:password@host, :password@host for a password alone, user:@host for none")
		return
	}
	for _, part := range []struct {
		text string
		into *string
	}{{user, &p.target.user}, {password, &p.target.password}} {
		plain, err := url.PathUnescape(part.text)
		if err != nil {
			p.fault("user name or password has a %% that no two hexadecimal digits follow: write %% as %%25")
			return
		}
		*part.into = plain
	}
}

func (p *urlParser) path(authority, path string) {
	plain, err := url.PathUnescape(path)
	if authority != "" || len(plain) < 2 || err != nil {
		p.fault("it names no socket: write redis+unix:///path/to/socket")
		return
	}
	p.target.addrs = []string{plain}
}

func (p *urlParser) hosts(authority string) {
	if authority == "" {
		p.fault("it names no host: write %s://host:%s", p.target.scheme, p.defaultPort())
		return
	}
	for i, text := range strings.Split(authority, ",") { // faults do not repeat the text: it may be a password at the wrong place
		host, port := text, p.defaultPort()
		if colon := strings.LastIndexByte(text, ':'); colon > strings.LastIndexByte(text, ']') {
			host, port = text[:colon], text[colon+1:]
		}
		if inner, ok := strings.CutPrefix(host, "["); ok {
			host = strings.TrimSuffix(inner, "]")
		} else if strings.Contains(host, ":") {
			p.fault("host %d has too many colons: write an IPv6 address in brackets, such as [::1]:6379", i+1)
			continue
		}
		if number, err := strconv.Atoi(port); err != nil || number < 1 || number > 65535 {
			p.fault("host %d has no port between 1 and 65535: write host:%s", i+1, p.defaultPort())
			continue
		}
		if host == "" || strings.ContainsAny(host, " []") {
			p.fault("host %d is empty or has blanks or brackets in its name: write host:%s", i+1, p.defaultPort())
			continue
		}
		p.target.addrs = append(p.target.addrs, net.JoinHostPort(host, port))
	}
	if p.target.mode == standalone && len(p.target.addrs) > 1 {
		p.fault("it names several hosts: write redis-sentinel:// if they are sentinels, redis-cluster:// if they are nodes of a Cluster")
	}
}

func (p *urlParser) defaultPort() string {
	if p.target.mode == sentinel {
		return "26379"
	}
	return "6379"
}

func (p *urlParser) database(text string) {
	if text == "" {
		return
	}
	number, err := strconv.Atoi(text)
	switch {
	case err != nil || number < 0:
		p.fault("what follows the host is not the number of a database: write /0")
	case number > 0 && p.target.mode == cluster:
		p.fault("a Redis Cluster has only the database 0: leave /%d out", number)
	default:
		p.target.db = number
	}
}

// parameters are those that parseURL takes.
var parameters = []string{
	"ca", "cert", "db", "insecure-skip-verify", "key", "master", "sentinel-password", "sentinel-user", "server-name",
}

func (p *urlParser) parameters(query string) {
	values, err := url.ParseQuery(query)
	if err != nil {
		p.fault("its parameters cannot be read: write them as ?name=value&name=value, and %% as %%25")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(parameters, name) {
			p.fault("the parameter %q is unknown: there are %s", name, strings.Join(parameters, ", "))
		}
	}
	if values.Has("db") && !p.target.socket {
		p.fault("db is for redis+unix: write the number of the database after the host, as /1")
	} else {
		p.database(values.Get("db"))
	}
	p.target.master = values.Get("master")
	p.target.sentinelUser, p.target.sentinelPassword = values.Get("sentinel-user"), values.Get("sentinel-password")
	switch {
	case p.target.mode == sentinel && p.target.master == "":
		p.fault("it does not say which primary the sentinels watch: add ?master=NAME, as in their \"sentinel monitor NAME\"")
	case p.target.mode != sentinel && (values.Has("master") || values.Has("sentinel-user") || values.Has("sentinel-password")):
		p.fault("master, sentinel-user and sentinel-password are for sentinels: write redis-sentinel:// or leave them out")
	}
	p.security(values)
}

func (p *urlParser) security(values url.Values) {
	if !p.tls {
		for _, name := range []string{"ca", "cert", "key", "server-name", "insecure-skip-verify"} {
			if values.Has(name) {
				p.fault("%s is for TLS: write rediss://, rediss-sentinel:// or rediss-cluster://, or leave it out", name)
			}
		}
		return
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: values.Get("server-name")}
	switch values.Get("insecure-skip-verify") {
	case "", "false":
	case "true":
		config.InsecureSkipVerify = true
	default:
		p.fault("insecure-skip-verify is true or false")
	}
	if file := values.Get("ca"); file != "" {
		text, err := os.ReadFile(file)
		config.RootCAs = x509.NewCertPool()
		switch {
		case err != nil:
			p.fault("ca: %v: write the path of a file this process can read", err)
		case !config.RootCAs.AppendCertsFromPEM(text):
			p.fault("ca: %s holds no certificate: write the path of a PEM file", file)
		}
	}
	cert, key := values.Get("cert"), values.Get("key")
	switch {
	case (cert == "") != (key == ""):
		p.fault("cert and key go together: give both or none")
	case cert != "":
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			p.fault("cert and key: %v", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	p.target.tls = config
}
