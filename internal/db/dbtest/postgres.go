package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/test/servers"
)

const templateName = "template_agentos"

// shared is the Postgres server of this test process, begun by the first test that wants it. It ends with Main, and in any
// case with the process.
var shared struct {
	sync.Mutex
	server *servers.Postgres
	err    error // of starting it: once is enough
}

var databases atomic.Int64

// Postgres returns a migrated database of the test's own on a server that all tests of the process share. It is closed
// and dropped when the test ends.
func Postgres(t testing.TB) *db.DB {
	t.Helper()
	return OpenURL(t, PostgresURL(t))
}

// PostgresURL returns the URL of a migrated database that nobody has opened, for tests with several processes.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return newDatabase(t, templateName)
}

// EmptyPostgresURL returns the URL of a database without any table.
func EmptyPostgresURL(t testing.TB) string {
	t.Helper()
	return newDatabase(t, "")
}

// Each runs a test on each kind of database.
func Each(t *testing.T, test func(t *testing.T, d *db.DB)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) { test(t, OpenURL(t, url)) })
}

// Together is Each on both at the same time and beside other tests, for those that wait more than they compute. It returns when both
// have ended.
func Together(t *testing.T, test func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Parallel()
	t.Run("on", func(t *testing.T) { // ends when its parallel parts have ended
		EachURL(t, func(t *testing.T, url string) {
			t.Parallel() // opened when its turn comes: connections are few
			test(t, OpenURL(t, url))
		})
	})
}

// EachURL is Each for tests that open the database themselves, several times or not.
func EachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run(string(db.SQLite), func(t *testing.T) { test(t, URL(Path(t))) })
	t.Run(string(db.Postgres), func(t *testing.T) { test(t, PostgresURL(t)) })
}

// Main wraps what goleak.VerifyTestMain takes, to end the server before it looks for what is left.
func Main(m *testing.M) *M { return &M{m} }

// M runs the tests of a package.
type M struct{ tests *testing.M }

// Run runs them and then ends the server.
func (m *M) Run() int {
	code := m.tests.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return code
	}
	if err := shared.server.Close(); err != nil {
		fmt.Println("end the Postgres of the tests:", err)
		return max(code, 1)
	}
	shared.server = nil
	return code
}

func newDatabase(t testing.TB, template string) string {
	t.Helper()
	server, err := postgres()
	if err != nil {
		t.Fatalf("start Postgres: %v", err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := server.CreateDatabase(name, template); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		if err := server.DropDatabase(name); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	return server.URL(name)
}

func postgres() (*servers.Postgres, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil || shared.err != nil {
		return shared.server, shared.err
	}
	server, err := servers.NewPostgres(servers.InMemory())
	if err == nil {
		if err = makeTemplate(server); err != nil {
			err = errors.Join(err, server.Close())
		}
	}
	if err != nil {
		shared.err = err
		return nil, err
	}
	shared.server = server
	return server, nil
}

func makeTemplate(server *servers.Postgres) error {
	if err := server.CreateDatabase(templateName, ""); err != nil {
		return err
	}
	d, err := db.Open(context.Background(), server.URL(templateName), nil)
	if err != nil {
		return err
	}
	return errors.Join(d.Migrate(context.Background()), d.Close())
}

// ReaderURL returns the URL of the same database for a role of the test's own that may read the tables of a schema, those
// there are now, and nothing else.
func ReaderURL(t testing.TB, rawURL, schema string) string {
	t.Helper()
	server, err := postgres()
	if err != nil {
		t.Fatalf("start Postgres: %v", err)
	}
	address, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	role := fmt.Sprintf("reader_%d", databases.Add(1))
	admin := func(statements ...string) {
		t.Helper()
		conn, err := server.Connect(context.Background(), strings.TrimPrefix(address.Path, "/"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		for _, statement := range statements {
			if _, err := conn.Exec(context.Background(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
	}
	admin("create role "+role+" login", "grant usage on schema "+schema+" to "+role, "grant select on all tables in schema "+schema+" to "+role)
	t.Cleanup(func() { admin("drop owned by "+role, "drop role "+role) })
	address.User = url.User(role)
	return address.String()
}
