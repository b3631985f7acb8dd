package pglink_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/snapshot/link"
	"github.com/agentos/agentos/snapshot/pglink"
	"github.com/agentos/agentos/snapshot/snapshottest"
	"github.com/agentos/agentos/test/servers"
)

func TestMain(m *testing.M) {
	servers.AtOnce(4)
	goleak.VerifyTestMain(dbtest.Main(m))
}

func TestLinkConforms(t *testing.T) {
	snapshottest.TestLink(t, func(t *testing.T) snapshottest.LinkServer {
		t.Parallel() // each has a database of its own
		config := configOf(t, dbtest.PostgresURL(t))
		direct := config.Copy()
		proxy := proxied(t, config)
		return snapshottest.LinkServer{
			Open: func(holder string) link.Link {
				return pglink.Open(context.Background(), config, pglink.Options{Holder: holder})
			},
			Cut:  proxy.Cut,
			Hang: proxy.Hang,
			Mend: func() {
				if err := proxy.Mend(); err != nil {
					t.Error(err)
				}
			},
			Slow: func(delay time.Duration) { proxy.Slow(delay / 2) }, // there and back
			Plant: func(doc []byte) {
				run(t, direct, `insert into snapshot_document as d (name, doc) values ('snapshot', $1)
					on conflict (name) do update set doc = $1`, doc)
			},
		}
	})
}

func configOf(t testing.TB, url string) *pgx.ConnConfig {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// proxied puts a proxy before the server of a configuration.
func proxied(t testing.TB, config *pgx.ConnConfig) *servers.Proxy {
	t.Helper()
	proxy := servers.StartProxy(t, net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))))
	host, port, err := net.SplitHostPort(proxy.Addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	config.Host, config.Port, config.Fallbacks = host, uint16(number), nil
	return proxy
}

// run executes a statement past the link.
func run(t testing.TB, config *pgx.ConnConfig, statement string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement, args...); err != nil {
		t.Fatal(err)
	}
}
