package servers

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// SentinelMaster is the name under which the sentinels know their primary.
const SentinelMaster = "agentos"

// Sentinel is a primary, a replica, and three sentinels that make the replica the primary when the primary is gone for
// a second.
type Sentinel struct {
	Servers   [2]*Redis // the primary at the start, its replica
	Sentinels [3]*Redis // only to be asked, stopped and paused
}

// StartSentinel is NewSentinel for a test.
func StartSentinel(t TB, options ...RedisOption) *Sentinel {
	t.Helper()
	s, err := NewSentinel(options...)
	return started(t, s, err)
}

// NewSentinel starts all five and waits until they know each other. Options are for the two servers.
func NewSentinel(options ...RedisOption) (*Sentinel, error) {
	s := &Sentinel{}
	if err := s.start(options); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Sentinel) start(options []RedisOption) (err error) {
	if s.Servers[0], err = NewRedis(options...); err != nil {
		return err
	}
	primary := s.Servers[0]
	options = append(options[:len(options):len(options)], RedisArgs("--replicaof", "127.0.0.1 "+strconv.Itoa(primary.Port)))
	if s.Servers[1], err = NewRedis(options...); err != nil {
		return err
	}
	for i := range s.Sentinels {
		if s.Sentinels[i], err = newSentinel(primary); err != nil {
			return err
		}
	}
	return until(startTimeout, "the sentinels know each other", func() error {
		for _, sentinel := range s.Sentinels {
			state, err := sentinel.Do("SENTINEL", "CKQUORUM", SentinelMaster)
			if err != nil {
				return err
			}
			if !strings.HasPrefix(state, "OK 3") {
				return errors.New(state)
			}
			replicas, err := sentinel.Do("SENTINEL", "REPLICAS", SentinelMaster)
			if err != nil {
				return err
			}
			if !strings.Contains(replicas, strconv.Itoa(s.Servers[1].Port)) {
				return errors.New("the replica is not known yet")
			}
		}
		return nil
	})
}

func newSentinel(primary *Redis) (*Redis, error) {
	binary, err := program("redis-server", "")
	if err != nil {
		return nil, err
	}
	f, err := newFolder("sentinel")
	if err != nil {
		return nil, err
	}
	r := &Redis{folder: f}
	r.process = Process{Name: "Sentinel", Log: f.file("log"), Quit: syscall.SIGTERM, Ready: r.ping}
	if r.port, err = ReservePort(); err != nil {
		return nil, errors.Join(err, f.remove())
	}
	r.Port, r.Addr = r.port.Number, r.port.Addr()
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor %s 127.0.0.1 %d 2\n"+
		"sentinel down-after-milliseconds %[3]s 1000\nsentinel failover-timeout %[3]s 5000\n",
		r.Port, f.path, SentinelMaster, primary.Port)
	if primary.Password != "" {
		text += "sentinel auth-pass " + SentinelMaster + " " + primary.Password + "\n"
	}
	r.process.Argv = []string{binary, f.file("sentinel.conf"), "--sentinel"}
	err = os.WriteFile(f.file("sentinel.conf"), []byte(text), 0o600)
	if err == nil {
		err = r.process.Start()
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// URL is redis-sentinel://host:port,host:port,host:port/0?master=agentos.
func (s *Sentinel) URL() string {
	hosts := make([]string, len(s.Sentinels))
	for i, sentinel := range s.Sentinels {
		hosts[i] = sentinel.Addr
	}
	u := url.URL{Scheme: "redis-sentinel", Host: strings.Join(hosts, ","), Path: "/0", RawQuery: "master=" + SentinelMaster}
	if password := s.Servers[0].Password; password != "" {
		u.User = url.UserPassword("", password)
	}
	return u.String()
}

// Primary is the server that the sentinels name now.
func (s *Sentinel) Primary() (*Redis, error) {
	var last error
	for _, sentinel := range s.Sentinels {
		named, err := sentinel.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SentinelMaster)
		if err != nil {
			last = err
			continue
		}
		for _, server := range s.Servers {
			if named == "127.0.0.1\n"+strconv.Itoa(server.Port) {
				return server, nil
			}
		}
		last = fmt.Errorf("the sentinels name %q", named)
	}
	return nil, last
}

// AwaitPrimary waits until the sentinels name another server than the one given, and that one takes writes.
func (s *Sentinel) AwaitPrimary(other *Redis) (*Redis, error) {
	var primary *Redis
	err := until(startTimeout, "another primary", func() (err error) {
		if primary, err = s.Primary(); err != nil {
			return err
		}
		if primary == other {
			return errors.New("it is still the same")
		}
		role, err := primary.Do("ROLE")
		if err == nil && !strings.HasPrefix(role, "master") {
			err = errors.New("it is still a replica")
		}
		return err
	})
	return primary, err
}

// Failover asks the sentinels to change the primary, and waits until they have.
func (s *Sentinel) Failover() (*Redis, error) {
	before, err := s.Primary()
	if err != nil {
		return nil, err
	}
	if _, err := s.Sentinels[0].Do("SENTINEL", "FAILOVER", SentinelMaster); err != nil {
		return nil, err
	}
	return s.AwaitPrimary(before)
}

// Close ends all five.
func (s *Sentinel) Close() error {
	return closeAll(append(s.Sentinels[:], s.Servers[:]...))
}

func closeAll(servers []*Redis) error {
	var errs []error
	for _, server := range servers {
		if server != nil {
			errs = append(errs, server.Close())
		}
	}
	return errors.Join(errs...)
}
