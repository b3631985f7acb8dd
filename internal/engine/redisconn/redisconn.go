// Package redisconn connects to the Redis of another program, as a user who may only read.
package redisconn

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Timeout bounds connecting and each command.
const Timeout = 5 * time.Second

// Open connects to a redis://, rediss:// or redis+unix:// URL and returns, with the client, the address without credentials.
func Open(ctx context.Context, address string) (rueidis.Client, string, error) {
	option, err := rueidis.ParseURL(strings.TrimPrefix(address, "redis+")) // to the client a socket is unix://
	if err != nil {
		return nil, "", fmt.Errorf("the address of Redis: %w", withoutURL(err))
	}
	option.ClientName = "agentos"
	option.ClientSetInfo = rueidis.DisableClientSetInfo // not granted to a user who may only read
	option.DisableCache = true                          // CLIENT TRACKING is not granted either, and nothing is read twice
	option.ForceSingleClient = true
	option.DisableRetry = true // the next snapshot is the retry
	option.ConnWriteTimeout = Timeout
	option.Dialer.Timeout = Timeout
	option.Dialer.KeepAlive = -1 // no PING: it is not granted
	option.PipelineMultiplex = -1
	option.RingScaleEachConn = 8
	option.ReadBufferEachConn, option.WriteBufferEachConn = 64<<10, 64<<10
	client, err := rueidis.NewClient(option)
	where := Where(address)
	if err != nil {
		return nil, where, fmt.Errorf("connect to Redis at %s: %w", where, err)
	}
	if err := client.Do(ctx, client.B().Info().Section("server").Build()).Error(); err != nil {
		client.Close()
		return nil, where, fmt.Errorf("read from Redis at %s: %w", where, err)
	}
	return client, where, nil
}

// Where is an address without user, password and parameters but the number of the database.
func Where(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "redis"
	}
	where := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if db := u.Query().Get("db"); db != "" {
		where.RawQuery = url.Values{"db": {db}}.Encode()
	}
	return where.String()
}

// withoutURL takes the address, with its password, out of an error of package url.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
