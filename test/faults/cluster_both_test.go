//go:build linux

package faults

import (
	"os"
	"path/filepath"
	"time"

	"github.com/agentos/agentos/test/cluster"
)

func bothFaults() []clusterFault {
	return []clusterFault{
		{name: "both refused", breaks: harmed(cut, ofAll, toRedis, toPostgres), stale: everyone},
		{name: "both hung", breaks: harmed(hang, ofAll, toRedis, toPostgres), stale: everyone},
		{name: "both killed -9, back later", breaks: inOrder(redisKilled, postgresKilled), stale: everyone},
		{name: "redis refused, then postgres too", breaks: oneAfterTheOther, stale: everyone},
		{name: "both cut and back, once a second", breaks: flapping(500*time.Millisecond, toRedis, toPostgres), stale: everyone},
		{
			name: "both refused, for long", breaks: harmed(cut, ofAll, toRedis, toPostgres), stale: everyone,
			long: time.Minute, short: 16 * time.Second, aged: 12 * time.Second,
		},
		{
			name: "both hung, for long", breaks: harmed(hang, ofAll, toRedis, toPostgres), stale: everyone,
			long: time.Minute, short: 16 * time.Second, aged: 12 * time.Second,
		},
		{name: "both refused at the start of an empty server", breaks: startsWithout(cut, (*cluster.Member).Forget), stale: theFollower, sees: "503"},
		{name: "both hung at the start of an empty server", breaks: startsWithout(hang, (*cluster.Member).Forget), stale: theFollower, sees: "503"},
		{name: "both refused at the start of a server with a file", breaks: startsWithout(cut, nil), stale: theFollower},
		{name: "both refused at the start of a server with a spoilt file", breaks: startsWithout(cut, spoilFile), stale: theFollower},
		{name: "redis refused at the start of an empty server", breaks: startsWithoutRedis, short: takeover},
		{name: "postgres refused at the start of an empty server", breaks: startsWithoutPostgres, sees: "503"},
		{name: "one server cut from both", breaks: harmed(cut, theFollower, toRedis, toPostgres), stale: theFollower, short: takeover},
		{name: "the leader cut from both", breaks: harmed(cut, theLeader, toRedis, toPostgres), stale: theLeader, newLeader: true, short: takeover},
		{name: "the leader's connections to both hang", breaks: harmed(hang, theLeader, toRedis, toPostgres), stale: theLeader, newLeader: true, short: takeover},
		{name: "the followers cut from both", breaks: harmed(cut, theFollowers, toRedis, toPostgres), stale: theFollowers, short: takeover},
		{name: "one worker cut from both", breaks: harmed(cut, ofTheWorker, toRedis, toPostgres), long: 30 * time.Second, short: takeover},
	}
}

func theFollowers(s *scene) []*cluster.Member { return s.cluster.Followers(s.leader) }

func oneAfterTheOther(s *scene) error {
	if err := harmed(cut, ofAll, toRedis)(s); err != nil {
		return err
	}
	<-time.After(2 * time.Second)
	return harmed(cut, ofAll, toPostgres)(s)
}

// startsWithout stops a server, changes what it left behind, and starts it where it reaches nothing.
func startsWithout(how harm, change func(m *cluster.Member) error) func(s *scene) error {
	return func(s *scene) error {
		s.follower.Stop()
		if change != nil {
			if err := change(s.follower); err != nil {
				return err
			}
		}
		if err := harmed(how, theFollower, toRedis, toPostgres)(s); err != nil {
			return err
		}
		return s.follower.Start()
	}
}

func startsWithoutRedis(s *scene) error {
	s.follower.Stop()
	if err := s.follower.Forget(); err != nil {
		return err
	}
	if err := harmed(cut, theFollower, toRedis)(s); err != nil {
		return err
	}
	return s.follower.Start()
}

func startsWithoutPostgres(s *scene) error {
	s.follower.Stop()
	if err := s.follower.Forget(); err != nil {
		return err
	}
	if err := harmed(cut, theFollower, toPostgres)(s); err != nil {
		return err
	}
	return s.follower.Start()
}

// lastGoodFile is where a server keeps the last good document.
func lastGoodFile(m *cluster.Member) string { return filepath.Join(m.Data, "snapshot.json") }

// spoilFile leaves garbage where the last good document was.
func spoilFile(m *cluster.Member) error {
	m.HasNothing()
	return os.WriteFile(lastGoodFile(m), []byte(`{"meta":{"version":4,"revision":1`), 0o600)
}
