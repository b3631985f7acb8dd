//go:build linux

package faults

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/agentos/agentos/test/cluster"
	"github.com/agentos/agentos/test/servers"
)

func postgresFaults() []clusterFault {
	// A server that has led without its database is the last choice for a minute: the faults of the leader stand far apart.
	list := []clusterFault{
		{name: "postgres cut from the leader", breaks: harmed(cut, theLeader, toPostgres), newLeader: true, short: takeover},
		{name: "postgres refused", breaks: harmed(cut, ofAll, toPostgres), stale: everyone},
		{name: "postgres hung (SIGSTOP)", breaks: postgresPaused, stale: everyone},
		{name: "postgres slow by 300 ms each way", breaks: harmed(slow, ofAll, toPostgres), stale: everyone},
		{name: "postgres answers cut off in the middle", breaks: harmed(cutAnswers, ofAll, toPostgres), stale: everyone},
		{name: "postgres cut and back, twice a second", breaks: flapping(250*time.Millisecond, toPostgres), stale: everyone},
		{name: "postgres out of connections", breaks: postgresFull, stale: everyone},
		{name: "postgres restarted", breaks: func(s *scene) error { return s.cluster.Postgres().Restart() }},
		{name: "postgres killed -9, back later", breaks: postgresKilled, stale: everyone},
		{name: "postgres fails over to its standby", breaks: postgresFailsOver, stale: everyone},
		{name: "postgres cancels every statement", breaks: postgresAgain(50*time.Millisecond, "pg_cancel_backend(pid)", "state = 'active'"), stale: everyone},
		{name: "postgres ends connections in a loop", breaks: postgresAgain(500*time.Millisecond, "pg_terminate_backend(pid)", "true"), stale: everyone},
		{name: "postgres is read only", breaks: postgresReadOnly},
		{name: "postgres has a full disk", breaks: postgresDiskFull},
		{name: "postgres cut from one server", breaks: harmed(cut, theFollower, toPostgres), short: takeover},
		{name: "postgres hung for one server", breaks: harmed(hang, theFollower, toPostgres), short: takeover},
		{name: "postgres cut from one worker", breaks: harmed(cut, ofTheWorker, toPostgres), long: 30 * time.Second, short: takeover},
		{name: "postgres hung for one worker", breaks: harmed(hang, ofTheWorker, toPostgres), long: 30 * time.Second, short: takeover},
	}
	for _, locked := range []struct {
		tables string
		stale  func(s *scene) []*cluster.Member
	}{
		{"river_job", everyone},
		{"run, run_log", everyone},
		{"worker", everyone},
		{"rollup", everyone},
		{"river_queue, river_leader", everyone},
		{"snapshot_document", nil},
		{"auth_user, auth_session, auth_token, auth_change", nil},
	} {
		list = append(list, clusterFault{name: "postgres locked: " + locked.tables, breaks: postgresLocked(locked.tables), stale: locked.stale})
	}
	return append(list,
		clusterFault{name: "postgres hung for the leader", breaks: harmed(hang, theLeader, toPostgres), newLeader: true, short: takeover},
		clusterFault{name: "postgres slow for the leader", breaks: harmed(slow, theLeader, toPostgres), stale: everyone},
	)
}

func postgresPaused(s *scene) error {
	postgres := s.cluster.Postgres()
	s.onMend(func() error { postgres.Resume(); return nil })
	postgres.Pause()
	return nil
}

func postgresKilled(s *scene) error {
	postgres := s.cluster.Postgres()
	s.onMend(postgres.Start)
	postgres.Kill()
	return nil
}

// productSessions ends with a condition that picks the product's connections.
const productSessions = " from pg_stat_activity where usename = 'agentos' and "

// postgresFull gives the product no connection any more, and takes those it has.
func postgresFull(s *scene) error {
	s.onMend(func() error { return s.cluster.Exec(context.Background(), "alter role agentos connection limit -1") })
	return s.cluster.Exec(context.Background(), "alter role agentos connection limit 0",
		"select pg_terminate_backend(pid)"+productSessions+"true")
}

// postgresAgain does something to each of the product's connections that a condition picks, again and again.
func postgresAgain(every time.Duration, what, which string) func(s *scene) error {
	return func(s *scene) error {
		conn, err := s.cluster.Connect(context.Background())
		if err != nil {
			return err
		}
		s.onMend(func() error { return conn.Close(context.Background()) })
		return s.again(every, func(ctx context.Context) error {
			_, err := conn.Exec(ctx, "select "+what+productSessions+which)
			return err
		})
	}
}

// postgresLocked holds tables so that nobody else can even read them.
func postgresLocked(tables string) func(s *scene) error {
	return func(s *scene) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		conn, err := s.cluster.Connect(ctx)
		if err != nil {
			return err
		}
		s.onMend(func() error { return conn.Close(context.Background()) })
		_, err = conn.Exec(ctx, "begin; lock table "+tables+" in access exclusive mode")
		return err
	}
}

func postgresReadOnly(s *scene) error {
	postgres := s.cluster.Postgres()
	s.onMend(func() error {
		ctx := context.Background()
		conn, err := postgres.Connect(ctx, "postgres")
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		for _, statement := range []string{"set default_transaction_read_only = off", "alter system reset default_transaction_read_only", "select pg_reload_conf()"} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	return postgres.Configure(context.Background(), "default_transaction_read_only", "on")
}

// postgresDiskFull refuses every row that would need room, in the words of a server whose disk is full.
func postgresDiskFull(s *scene) error {
	ctx := context.Background()
	tables := []string{"river_job", "run", "run_log", "worker", "rollup", "snapshot_document", "audit"}
	s.onMend(func() error { return s.cluster.Exec(ctx, "drop function disk_full() cascade") })
	statements := []string{`create function disk_full() returns trigger language plpgsql as
		$$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$`}
	for _, table := range tables {
		statements = append(statements, fmt.Sprintf("create trigger disk_full before insert or update on %s for each row execute function disk_full()", table))
	}
	return s.cluster.Exec(ctx, statements...)
}

// postgresFailsOver kills the server, once its standby has all that was committed, and promotes the standby.
func postgresFailsOver(s *scene) error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	primary := s.cluster.Postgres()
	standby, err := primary.NewStandby(cluster.PostgresOptions()...)
	if err != nil {
		return err
	}
	s.onMend(func() error {
		if err := standby.Promote(context.Background()); err != nil {
			return err
		}
		return s.cluster.UsePostgres(standby).Close()
	})
	if err := waitForStandby(ctx, primary); err != nil {
		return err
	}
	primary.Kill()
	return nil
}

// waitForStandby makes commits wait for the standby from now on, and waits until that holds.
func waitForStandby(ctx context.Context, primary *servers.Postgres) error {
	if err := primary.Configure(ctx, "synchronous_standby_names", "standby"); err != nil {
		return err
	}
	conn, err := primary.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return cluster.Until(ctx, "the standby is waited for", func() error {
		rows, err := conn.Query(ctx, "select sync_state from pg_stat_replication")
		if err != nil {
			return err
		}
		states, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err == nil && !strings.Contains(strings.Join(states, " "), "sync") {
			err = fmt.Errorf("its state is %v", states)
		}
		return err
	})
}
