package servers

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// RedisCluster is a Redis Cluster of three primaries, without replicas unless AddReplica makes one.
type RedisCluster struct {
	Servers  [3]*Redis
	Replicas []*Redis

	options []RedisOption
}

// StartRedisCluster is NewRedisCluster for a test.
func StartRedisCluster(t TB, options ...RedisOption) *RedisCluster {
	t.Helper()
	c, err := NewRedisCluster(options...)
	return started(t, c, err)
}

// NewRedisCluster starts three servers and waits until all say that the cluster is complete.
func NewRedisCluster(options ...RedisOption) (*RedisCluster, error) {
	c := &RedisCluster{}
	if err := c.start(options); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *RedisCluster) start(options []RedisOption) (err error) {
	const slots = 16384
	c.options = slices.Concat(options, []RedisOption{RedisArgs("--cluster-enabled", "yes",
		"--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "1000", "--cluster-announce-ip", "127.0.0.1")})
	for i := range c.Servers {
		if c.Servers[i], err = NewRedis(c.options...); err != nil {
			return err
		}
		first, last := i*slots/len(c.Servers), (i+1)*slots/len(c.Servers)-1
		if _, err := c.Servers[i].Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last)); err != nil {
			return err
		}
		if _, err := c.Servers[i].Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		if _, err := c.Servers[0].Do("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(c.Servers[i].Port)); err != nil {
			return err
		}
	}
	return c.Await()
}

// AddReplica starts a server that follows one of the primaries and takes its place when that is gone for a second.
func (c *RedisCluster) AddReplica(of *Redis) (*Redis, error) {
	replica, err := NewRedis(c.options...)
	if err != nil {
		return nil, err
	}
	c.Replicas = append(c.Replicas, replica)
	if _, err := replica.Do("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(of.Port)); err != nil {
		return nil, err
	}
	id, err := of.Do("CLUSTER", "MYID")
	if err != nil {
		return nil, err
	}
	err = until(startTimeout, "the replica knows its primary", func() error {
		_, err := replica.Do("CLUSTER", "REPLICATE", id)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = until(startTimeout, "the replica follows its primary", func() error {
		info, err := replica.Do("INFO", "replication")
		if err == nil && !strings.Contains(info, "master_link_status:up") {
			err = errors.New("it does not yet")
		}
		return err
	})
	return replica, errors.Join(err, c.Await())
}

// Await waits until all servers say that the cluster is complete.
func (c *RedisCluster) Await() error {
	return until(startTimeout, "the Redis Cluster is complete", func() error {
		all := slices.Concat(c.Servers[:], c.Replicas)
		for _, server := range all {
			info, err := server.Do("CLUSTER", "INFO")
			if err != nil {
				return err
			}
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(all))) {
				return errors.New("it is not yet")
			}
		}
		return nil
	})
}

// URL is redis-cluster://host:port,host:port,host:port.
func (c *RedisCluster) URL() string {
	hosts := make([]string, len(c.Servers))
	for i, server := range c.Servers {
		hosts[i] = server.Addr
	}
	u := url.URL{Scheme: "redis-cluster", Host: strings.Join(hosts, ",")}
	if password := c.Servers[0].Password; password != "" {
		u.User = url.UserPassword("", password)
	}
	return u.String()
}

// Owner is the server that has a key.
func (c *RedisCluster) Owner(key string) (*Redis, error) {
	var errs []error
	for _, server := range slices.Concat(c.Servers[:], c.Replicas) {
		_, err := server.Do("EXISTS", key)
		if err == nil {
			return server, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no server has the key %q: %w", key, errors.Join(errs...))
}

// Close ends the servers.
func (c *RedisCluster) Close() error { return closeAll(slices.Concat(c.Servers[:], c.Replicas)) }
