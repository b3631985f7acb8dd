package worker

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/test/servers"
)

// testLog writes to the test's log, which go test shows when the test fails.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// workerProcess is the main function of a worker in a process of its own. It ends gracefully when standard input does.
func workerProcess(args []string) int {
	database, dataDir, config := args[0], args[1], args[2]
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	fail := func(err error) int { log.Error("worker process", "error", err); return 1 }
	fleet, err := agent.Load(config)
	if err != nil {
		return fail(err)
	}
	d, err := db.Open(context.Background(), database, log)
	if err != nil {
		return fail(err)
	}
	s, err := New(context.Background(), Options{DB: d, Fleet: fleet, DataDir: dataDir, Log: log})
	if err != nil {
		return fail(err)
	}
	if err := s.Start(context.Background()); err != nil {
		return fail(err)
	}
	fmt.Println(s.Worker())
	defer exhaust()()
	io.Copy(io.Discard, os.Stdin)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		return fail(err)
	}
	if err := d.Close(); err != nil {
		return fail(err)
	}
	return 0
}

// exhaust lets this process open no further file from SIGUSR1 to SIGUSR2. It says on standard output when it has got them.
func exhaust() (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		panic(err)
	}
	go func() {
		for s := range signals {
			now := before
			if s == syscall.SIGUSR1 {
				now.Cur = 3
			}
			fmt.Println(s, unix.Setrlimit(unix.RLIMIT_NOFILE, &now))
		}
	}()
	return func() { signal.Stop(signals); close(signals) }
}

// process is a worker in a process of its own.
type process struct {
	id    string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	said  *bufio.Reader
}

func startProcess(t testing.TB, url, dataDir, yaml string) *process {
	t.Helper()
	config := filepath.Join(t.TempDir(), "agentos.yaml")
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "worker-process", url, dataDir, config)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, stdin: stdin}
	t.Cleanup(func() { p.kill(t) })
	p.said = bufio.NewReader(stdout)
	line, err := p.said.ReadString('\n')
	if err != nil {
		t.Fatalf("the worker process did not start: %v", err)
	}
	p.id = line[:len(line)-1]
	return p
}

// kill is kill -9.
func (p *process) kill(t testing.TB) {
	t.Helper()
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	}
}

func (p *process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// end lets the process stop as it should.
func (p *process) end(t testing.TB) {
	t.Helper()
	p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the worker process ended badly: %v", err)
	}
}

// described is all that is known of each agent.
func described(ctx context.Context, s *Service) (map[string]*engine.AgentStats, error) {
	stats, err := s.Agents(ctx)
	if err != nil {
		return nil, err
	}
	return stats, s.DescribeAgents(ctx, stats)
}

// one reads a single value.
func one[T any](t testing.TB, s *Service, query string, args ...any) (value T) {
	t.Helper()
	if err := s.db.Read.QueryRowContext(t.Context(), query, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func exec1(t testing.TB, s *Service, query string, args ...any) {
	t.Helper()
	if _, err := s.db.Write.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// gated is a script that says it began by making one file and waits for another.
func gated(dir string) string {
	return fmt.Sprintf(`touch %[1]s/began; while [ ! -e %[1]s/gate ]; do sleep 0.1; done`, dir)
}

func move(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// eachOutage runs a test on each kind of database, with what takes it away and brings it back.
func eachOutage(t *testing.T, test func(t *testing.T, database *db.DB, away, back func())) {
	t.Run("sqlite", func(t *testing.T) {
		path := dbtest.Path(t)
		test(t, dbtest.Open(t, path), func() { move(t, path, path+".away") }, func() { move(t, path+".away", path) })
	})
	t.Run("postgres", func(t *testing.T) {
		url, proxy := proxied(t, dbtest.PostgresURL(t))
		test(t, dbtest.OpenURL(t, url), proxy.Cut, func() { mend(t, proxy) })
	})
}

// proxied puts a way that can be broken before a Postgres.
func proxied(t testing.TB, rawURL string) (string, *servers.Proxy) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := servers.StartProxy(t, u.Host)
	u.Host = proxy.Addr
	return u.String(), proxy
}

func mend(t testing.TB, proxy *servers.Proxy) {
	t.Helper()
	if err := proxy.Mend(); err != nil {
		t.Fatal(err)
	}
}

// by picks the statement for a service's database.
func by(s *Service, sqlite, postgres string) string {
	if s.db.Kind == db.Postgres {
		return postgres
	}
	return sqlite
}

// insertWorker writes the row of a worker that does not exist.
func insertWorker(t testing.TB, s *Service, id string, beat time.Time) {
	t.Helper()
	exec1(t, s, `insert into worker (id, host, pid, version, state, started_ms, beat_ms, slots, done, queues, agents)
		values ($1, 'h', 1, '', 'active', 0, $2, 1, 0, '{}', '{}') on conflict (id) do update set beat_ms = excluded.beat_ms`, id, beat.UnixMilli())
}

// insertRunning writes a job of an unknown agent in its second attempt, held by a River client.
func insertRunning(t testing.TB, s *Service, client string) (id engine.ID) {
	t.Helper()
	exec1(t, s, `insert into river_job (kind, queue, state, attempt, args, attempted_at, attempted_by, max_attempts)
		values ('gone', 'gone', 'running', 2, '{}', '2026-01-01 00:00:00', `+by(s, `jsonb(json_array('x', $1))`, `array['x', $1]`)+`, 3)`, client)
	return one[engine.ID](t, s, `select max(id) from river_job`)
}

// fill inserts n jobs, a second apart, the last one now. Every tenth is of agent "rare", every thousandth discarded.
func fill(t testing.TB, s *Service, n int) {
	t.Helper()
	exec1(t, s, `insert into river_job (kind, queue, state, args, max_attempts, created_at, scheduled_at, finalized_at, attempt, errors, attempted_by) `+
		by(s, `with recursive i(n) as (select 1 union all select n + 1 from i where n < $1)
		select case when n % 10 = 0 then 'rare' else 'common' end, case when n % 10 = 0 then 'rare' else 'common' end,
			case when n % 1000 = 0 then 'discarded' else 'completed' end, jsonb_object('n', n, 'password', 'hunter' || n), 3,
			datetime('now', 'subsec', (n - $1) || ' seconds'), datetime('now', 'subsec', (n - $1) || ' seconds'),
			datetime('now', 'subsec', (n - $1) || ' seconds'), 1,
			case when n % 1000 = 0 then jsonb_array(jsonb_object('error', 'broken pipe ' || n)) end, jsonb_array('worker-h-1-a@3')
		from i`, `select case when n % 10 = 0 then 'rare' else 'common' end, case when n % 10 = 0 then 'rare' else 'common' end,
			(case when n % 1000 = 0 then 'discarded' else 'completed' end)::river_job_state,
			jsonb_build_object('n', n, 'password', 'hunter' || n), 3, at, at, at, 1,
			case when n % 1000 = 0 then array[jsonb_build_object('error', 'broken pipe ' || n)] end, array['worker-h-1-a@3']
		from (select n, now() + (n - $1) * interval '1 second' as at from generate_series(1, $1::int) n) i`), n)
}
