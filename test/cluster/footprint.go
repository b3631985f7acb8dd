package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Footprint is what the processes hold, and how many connections the servers see.
type Footprint struct {
	Goroutines map[string]int // of servers
	Files      map[string]int // open ones, of all members, where this process may count them
	Memory     map[string]int // resident, in MiB, of all members
	Postgres   int            // connections of the product
	Redis      int
}

// Footprint counts. Members that are away are left out.
func (c *Cluster) Footprint(ctx context.Context) (Footprint, error) {
	f := Footprint{Goroutines: map[string]int{}, Files: map[string]int{}, Memory: map[string]int{}}
	for _, m := range c.Members() {
		if m.Away() {
			continue
		}
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.PID()))
		switch {
		case err == nil:
			f.Files[m.Name] = len(files)
		case !errors.Is(err, fs.ErrPermission): // the product keeps others out, unless they are root
			return f, err
		}
		if f.Memory[m.Name], err = residentMiB(m.PID()); err != nil {
			return f, err
		}
		if m.Role != "server" {
			continue
		}
		metrics, err := m.Metrics(ctx)
		if err != nil {
			return f, err
		}
		f.Goroutines[m.Name] = int(metrics["go_goroutines"])
	}
	var err error
	if f.Postgres, err = c.databaseConnections(ctx); err != nil {
		return f, err
	}
	f.Redis, err = c.redisConnections()
	return f, err
}

func residentMiB(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var size, resident int
	_, err = fmt.Sscan(string(text), &size, &resident)
	return resident * os.Getpagesize() >> 20, err
}

func (c *Cluster) databaseConnections(ctx context.Context) (count int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := c.Connect(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, `select count(*) from pg_stat_activity where usename = 'agentos'`).Scan(&count)
	return count, err
}

func (c *Cluster) redisConnections() (int, error) {
	redis := c.Redis()
	if redis == nil {
		return 0, nil
	}
	list, err := redis.Do("CLIENT", "LIST")
	return strings.Count(list, "id=") - 1, err // without the one that asks
}

// The room that a footprint has for what comes and goes: connections of pools, a job at work, a request. Pools that
// were once filled, by what five processes had to do at once after a fault, hand their connections out in turn: none is
// idle for the minute after which it would be closed.
const (
	moreGoroutines  = 40
	moreFiles       = 25
	morePostgres    = 20
	moreConnections = 6 // to Redis
)

// Over is an error when a footprint is well over an earlier one, memory aside.
func (f Footprint) Over(earlier Footprint) error {
	for name, now := range f.Goroutines {
		if before := earlier.Goroutines[name]; now > before+moreGoroutines {
			return fmt.Errorf("%s has %d goroutines, %d before", name, now, before)
		}
	}
	for name, now := range f.Files {
		if before := earlier.Files[name]; now > before+moreFiles {
			return fmt.Errorf("%s has %d open files, %d before", name, now, before)
		}
	}
	if f.Postgres > earlier.Postgres+morePostgres {
		return fmt.Errorf("postgres has %d connections, %d before", f.Postgres, earlier.Postgres)
	}
	if f.Redis > earlier.Redis+moreConnections {
		return fmt.Errorf("redis has %d connections, %d before", f.Redis, earlier.Redis)
	}
	return nil
}
