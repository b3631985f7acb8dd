package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/agentos/agentos/bench/hot"
	"github.com/agentos/agentos/test/servers"
)

// racer is a contestant of the hot path, with the address of the document.
type racer struct {
	*contestant
	path   string
	detail string // what it does for an answer
}

// hotPath measures part b: what an answer from cache costs, beside servers that do less and servers that do it the old way.
func (b *bed) hotPath(ctx context.Context, s *section) error {
	agentos, err := b.startAgentOS(ctx)
	if err != nil {
		return err
	}
	defer agentos.close()
	plain, err := agentos.fetch(ctx, "/api/admin/ssot", "identity")
	if err != nil {
		return err
	}
	packed, err := agentos.fetch(ctx, "/api/admin/ssot", "gzip")
	if err != nil {
		return err
	}
	s.note("The document: %s, %s compressed.", size(len(plain)), size(len(packed)))
	redis, err := servers.NewRedis()
	if err != nil {
		return err
	}
	defer redis.Close()
	if _, err := redis.Do("SET", hot.Key, string(plain)); err != nil {
		return err
	}
	folder := b.file("hot")
	if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(folder+hot.Path+".gz", packed, 0o644)); err != nil {
		return err
	}
	racers := []racer{{agentos, "/api/admin/ssot", "checks the credential, writes what lies ready"}}
	for _, start := range []func(folder string, redis *servers.Redis) (racer, error){b.startBare, b.startNginx, b.startRedisGo, b.startRedisPython} {
		r, err := start(folder, redis)
		if err != nil {
			s.note("Not measured: %v.", firstLine(err))
			continue
		}
		defer r.close()
		racers = append(racers, r)
	}
	for _, connections := range []int{1, 64} {
		t, err := b.race(ctx, racers, connections)
		if err != nil {
			return err
		}
		s.tables = append(s.tables, t)
	}
	return nil
}

// race lets the racers run in turn, in many short rounds, so that what else the machine does meets all of them.
func (b *bed) race(ctx context.Context, racers []racer, connections int) (*table, error) {
	progress("hot path: %d servers, %d connections, %d rounds of %v each", len(racers), connections, b.plan.rounds, b.plan.round)
	loads := make([][]load, len(racers))
	for round := range b.plan.rounds + 1 {
		for i, r := range racers {
			l, err := r.pressure(ctx, r.path, connections, b.plan.round)
			if err != nil {
				return nil, err
			}
			if round > 0 { // the first is to get warm
				loads[i] = append(loads[i], l)
			}
		}
	}
	t := newTable(fmt.Sprintf("%d connections at a time", connections), "Server", "For an answer it", "p50", "p99", "Server CPU per request", "Of AgentOS'", "Answers per second")
	if connections == 1 {
		t.title = "One connection"
	}
	pick := func(list []load, of func(load) time.Duration) (values []time.Duration) {
		for _, l := range list {
			values = append(values, of(l))
		}
		return values
	}
	cpu := func(l load) time.Duration { return l.cpu }
	ours := median(pick(loads[0], cpu))
	for i, r := range racers {
		var rates []float64
		for _, l := range loads[i] {
			rates = append(rates, float64(l.requests)/b.plan.round.Seconds())
		}
		spent := pick(loads[i], cpu)
		share := notMeasured
		if ours > 0 {
			share = fmt.Sprintf("%.2f", float64(median(spent))/float64(ours))
		}
		t.add(r.name, r.detail,
			took(median(pick(loads[i], func(l load) time.Duration { return l.p50 }))),
			took(median(pick(loads[i], func(l load) time.Duration { return l.p99 }))),
			spread(spent, micro), share, whole(median(rates)))
	}
	return t, nil
}

func (b *bed) startBare(folder string, _ *servers.Redis) (racer, error) {
	c, err := b.launch("bare net/http", hot.Path, func(addr string) []string {
		return []string{b.self, "bare", addr, folder + hot.Path + ".gz"}
	}, nil)
	return racer{c, hot.Path, "writes the same bytes"}, err
}

func (b *bed) startNginx(folder string, _ *servers.Redis) (racer, error) {
	program, libraries, err := b.nginx()
	if err != nil {
		return racer{}, err
	}
	var wrong error
	c, err := b.launch("nginx", hot.Path, func(addr string) []string {
		conf, err := hot.WriteNginx(folder, addr)
		wrong = err
		return []string{program, "-e", "stderr", "-p", folder, "-c", conf}
	}, func(string) []string { return []string{"LD_LIBRARY_PATH=" + libraries} })
	return racer{c, hot.Path, "sends the same bytes as a static file"}, errors.Join(wrong, err)
}

// nginx finds the program of this machine, or the one that scripts/setup-bench or scripts/check-deploy has unpacked, with the
// folders of its libraries.
func (b *bed) nginx() (program, libraries string, err error) {
	for _, path := range []string{"nginx", "/usr/sbin/nginx"} {
		if found, err := exec.LookPath(path); err == nil {
			return found, os.Getenv("LD_LIBRARY_PATH"), nil
		}
	}
	for _, tools := range []string{"bench", "deploy"} {
		root := filepath.Join(b.root, ".tools", tools, "root")
		if found, err := exec.LookPath(filepath.Join(root, "usr", "sbin", "nginx")); err == nil {
			folders, _ := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu"))
			return found, strings.Join(folders, ":"), nil
		}
	}
	return "", "", errors.New("nginx is not installed: run scripts/setup-bench")
}

func (b *bed) startRedisGo(_ string, redis *servers.Redis) (racer, error) {
	c, err := b.launch("replaced design, Go", hot.Path, func(addr string) []string {
		return []string{b.self, "rediscache", addr, redis.URL()}
	}, nil)
	return racer{c, hot.Path, "reads Redis, decodes, encodes"}, err
}

func (b *bed) startRedisPython(folder string, redis *servers.Redis) (racer, error) {
	python, _, err := pythonVersion()
	if err != nil {
		return racer{}, err
	}
	if err := hot.WritePython(folder); err != nil {
		return racer{}, err
	}
	c, err := b.launch("replaced design, FastAPI", hot.Path, func(addr string) []string {
		host, port, _ := strings.Cut(addr, ":")
		return []string{python, "-m", "uvicorn", "app:app", "--app-dir", folder, "--host", host, "--port", port,
			"--workers", "2", "--no-access-log", "--log-level", "warning"}
	}, func(string) []string { return []string{"BENCH_REDIS_URL=" + redis.URL(), "BENCH_KEY=" + hot.Key} })
	return racer{c, hot.Path, "reads Redis, decodes, encodes"}, err
}

// pythonVersion finds a Python that has FastAPI.
func pythonVersion() (python, version string, err error) {
	const ask = `import platform, fastapi, uvicorn, redis.asyncio; print("Python", platform.python_version() + ", FastAPI", fastapi.__version__ + ", uvicorn", uvicorn.__version__)`
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if output, err := exec.Command(python, "-c", ask).Output(); err == nil {
			return python, strings.TrimSpace(string(output)), nil
		}
	}
	return "", "", errors.New("there is no Python with FastAPI, uvicorn and redis: run scripts/setup-bench")
}
