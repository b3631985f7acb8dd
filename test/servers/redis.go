package servers

import (
	"context"
	"crypto/tls"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// Redis is a server that keeps nothing on disk: one that is restarted is empty.
type Redis struct {
	Addr     string // "127.0.0.1:12345"
	Port     int
	Password string // of the default user; empty: none
	CAFile   string // the certificate to trust, in PEM form; empty without TLS

	process Process
	folder  *folder
	port    *Port
	tls     *tls.Config
}

// RedisOption changes a server before it starts.
type RedisOption func(*redisSettings)

type redisSettings struct {
	password string
	tls      bool
	args     []string
}

// RedisPassword asks every client for a password.
func RedisPassword(password string) RedisOption {
	return func(s *redisSettings) { s.password = password }
}

// RedisTLS makes the server speak TLS only, with a certificate for 127.0.0.1 and localhost signed by CAFile.
func RedisTLS() RedisOption { return func(s *redisSettings) { s.tls = true } }

// RedisArgs gives the server more settings, such as "--maxmemory", "10mb".
func RedisArgs(args ...string) RedisOption {
	return func(s *redisSettings) { s.args = append(s.args, args...) }
}

// StartRedis is NewRedis for a test.
func StartRedis(t TB, options ...RedisOption) *Redis {
	t.Helper()
	server, err := NewRedis(options...)
	return started(t, server, err)
}

// NewRedis starts a server.
func NewRedis(options ...RedisOption) (*Redis, error) {
	given := &redisSettings{}
	for _, option := range options {
		option(given)
	}
	binary, err := program("redis-server", "")
	if err != nil {
		return nil, err
	}
	f, err := newFolder("redis")
	if err != nil {
		return nil, err
	}
	r := &Redis{folder: f, Password: given.password}
	r.process = Process{Name: "Redis", Log: f.file("log"), Quit: syscall.SIGTERM, Ready: r.ping}
	argv := []string{binary, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", f.path,
		"--daemonize", "no", "--enable-debug-command", "yes"}
	if given.password != "" {
		argv = append(argv, "--requirepass", given.password, "--masterauth", given.password)
	}
	if given.tls {
		if r.tls, err = makeCertificate(f); err != nil {
			return nil, errors.Join(err, f.remove())
		}
		r.CAFile = f.file("ca.pem")
		argv = append(argv, "--tls-cert-file", f.file("cert.pem"), "--tls-key-file", f.file("key.pem"),
			"--tls-ca-cert-file", r.CAFile, "--tls-auth-clients", "no", "--port", "0")
	}
	argv = append(argv, given.args...)
	if r.port, err = ReservePort(); err != nil {
		return nil, errors.Join(err, f.remove())
	}
	r.Port, r.Addr = r.port.Number, r.port.Addr()
	flag := "--port"
	if given.tls {
		flag = "--tls-port"
	}
	r.process.Argv = slices.Concat(argv, []string{flag, strconv.Itoa(r.Port)})
	if err := r.process.Start(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// URL is how a client reaches the server: redis://127.0.0.1:12345/0, or rediss:// with TLS.
func (r *Redis) URL() string { return r.URLAt(r.Addr) }

// URLAt is URL with another address: that of a proxy.
func (r *Redis) URLAt(addr string) string {
	u := url.URL{Scheme: "redis", Host: addr, Path: "/0"}
	if r.tls != nil {
		u.Scheme = "rediss"
	}
	if r.Password != "" {
		u.User = url.UserPassword("", r.Password)
	}
	return u.String()
}

func (r *Redis) ping(ctx context.Context) error {
	_, err := r.DoContext(ctx, "PING")
	return err
}

// Do sends one command on a connection of its own and gives the answer as text; the items of a list stand on lines of
// their own. What does not exist is ErrNil.
func (r *Redis) Do(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return r.DoContext(ctx, args...)
}

// DoContext is Do with a deadline of the caller's.
func (r *Redis) DoContext(ctx context.Context, args ...string) (string, error) {
	conn, err := dialRESP(ctx, r.Addr, r.tls)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if r.Password != "" {
		if _, err := conn.do("AUTH", r.Password); err != nil {
			return "", err
		}
	}
	return conn.do(args...)
}

// Start starts the server again on its port, empty. It does nothing while the server runs.
func (r *Redis) Start() error { return r.process.Start() }

// Stop ends the server in order.
func (r *Redis) Stop() { r.process.Stop() }

// Restart is Stop and Start: the server is empty afterwards.
func (r *Redis) Restart() error {
	r.Stop()
	return r.Start()
}

// Kill ends the server with SIGKILL.
func (r *Redis) Kill() { r.process.Kill() }

// Pause freezes the server: connections stay, nothing answers.
func (r *Redis) Pause() { r.process.Pause() }

// Resume ends a pause.
func (r *Redis) Resume() { r.process.Resume() }

// Alive says whether the server runs, frozen or not.
func (r *Redis) Alive() bool { return r.process.Alive() }

// Log is the file of the server's log.
func (r *Redis) Log() string { return r.process.Log }

// Close ends the server and removes its files.
func (r *Redis) Close() error {
	r.process.Kill()
	return errors.Join(r.port.Close(), r.folder.remove())
}
