//go:build linux

package faults

import (
	"errors"
	"os"
	"time"

	"github.com/agentos/agentos/test/cluster"
)

func processFaults() []clusterFault {
	return []clusterFault{
		{name: "the leader killed -9", breaks: each(theLeader, killed), newLeader: true, short: 6 * time.Second},
		{name: "the leader paused (SIGSTOP)", breaks: each(theLeader, paused), newLeader: true, short: 6 * time.Second},
		{name: "the leader stopped (SIGTERM)", breaks: each(theLeader, stopped), newLeader: true},
		{name: "one server killed -9", breaks: each(theFollower, killed)},
		{name: "one server paused (SIGSTOP)", breaks: each(theFollower, paused), short: 6 * time.Second},
		{name: "two servers killed -9, the leader too", breaks: each(theLeaderAndAFollower, killed), newLeader: true, short: 6 * time.Second},
		{name: "all servers killed -9", breaks: each(everyone, killed), stale: everyone}, // nobody collected meanwhile
		{name: "all servers restarted, one after the other", breaks: rolling},
		{name: "one worker killed -9", breaks: each(ofTheWorker, killed), long: 30 * time.Second},
		{name: "one worker paused (SIGSTOP)", breaks: each(ofTheWorker, paused), long: 20 * time.Second, short: 17 * time.Second},
		{name: "one worker stopped (SIGTERM)", breaks: each(ofTheWorker, stopped), once: true},
		{name: "all workers killed -9", breaks: each(theWorkers, killed)},
		{name: "all workers restarted, one after the other", breaks: rollingWorkers, once: true},
		{name: "one server's data folder gone", breaks: folderGone},
		{name: "every server's file is garbage, all restarted", breaks: filesSpoilt},
	}
}

func theWorkers(s *scene) []*cluster.Member { return s.cluster.Workers }

func theLeaderAndAFollower(s *scene) []*cluster.Member {
	return []*cluster.Member{s.follower, s.leader}
}

// each does something to members that onMend undoes.
func each(whose whose, do func(s *scene, m *cluster.Member)) func(s *scene) error {
	return func(s *scene) error {
		for _, m := range whose(s) {
			do(s, m)
		}
		return nil
	}
}

func killed(s *scene, m *cluster.Member) {
	s.onMend(m.Start)
	m.Kill()
}

func stopped(s *scene, m *cluster.Member) {
	s.onMend(m.Start)
	m.Stop()
}

func paused(s *scene, m *cluster.Member) {
	s.onMend(func() error { m.Resume(); return nil })
	m.Pause()
}

func rolling(s *scene) error {
	return restarted(s.cluster.Servers)
}

func rollingWorkers(s *scene) error {
	return restarted(s.cluster.Workers)
}

func restarted(members []*cluster.Member) error {
	var errs []error
	for _, m := range members {
		m.Stop()
		errs = append(errs, m.Start())
	}
	return errors.Join(errs...)
}

// folderGone removes what a running server keeps on disk.
func folderGone(s *scene) error {
	return os.RemoveAll(s.follower.Data)
}

func filesSpoilt(s *scene) error {
	var errs []error
	for _, m := range s.cluster.Servers {
		m.Kill()
		errs = append(errs, os.MkdirAll(m.Data, 0o700), os.WriteFile(lastGoodFile(m), []byte("garbage"), 0o600))
	}
	for _, m := range s.cluster.Servers {
		errs = append(errs, m.Start())
	}
	return errors.Join(errs...)
}
