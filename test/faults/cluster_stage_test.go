//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/test/cluster"
	"github.com/agentos/agentos/test/servers"
)

const (
	viewEvery = 15 * time.Millisecond
	flowEvery = 250 * time.Millisecond

	// newLeaderWithin is how soon another server collects when the one that did is gone.
	newLeaderWithin = 5 * time.Second
	// recoverWithin is how soon all is well after a fault.
	recoverWithin = 10 * time.Second
)

// clusterInterval is the pace of the cluster's servers.
var clusterInterval = func() time.Duration { return pick(5*time.Second, time.Second) }

// stage is a running cluster and everybody who watches it.
type stage struct {
	cluster   *cluster.Cluster
	flow      *cluster.Flow
	viewers   map[*cluster.Member]*cluster.Viewer
	followers map[*cluster.Member]*cluster.Follower
	control   *control
	first     *cluster.Footprint // before the first fault
	together  latencies          // of all its faults
}

// newStage starts a cluster with the demo fleet, and with a viewer and a follower of each server.
func newStage(t *testing.T, look time.Duration, flags ...string) *stage {
	t.Helper()
	c, err := cluster.New(t.Context(), cluster.Options{
		Binary: binary, Folder: filepath.Join("..", "..", "docs"), Agents: cluster.FlowAgents, Flags: flags,
	})
	if err != nil {
		t.Fatal(err)
	}
	st := &stage{
		cluster: c, viewers: map[*cluster.Member]*cluster.Viewer{}, followers: map[*cluster.Member]*cluster.Follower{},
	}
	if err := st.watch(look); err != nil {
		st.close(t)
		t.Fatal(err)
	}
	return st
}

func (st *stage) watch(look time.Duration) (err error) {
	if st.flow, err = st.cluster.StartFlow(flowEvery); err != nil {
		return err
	}
	for _, m := range st.cluster.Servers {
		if st.viewers[m], err = m.View(look, st.flow); err != nil {
			return err
		}
		st.followers[m] = m.Follow(nil)
	}
	st.control, err = startControl(look)
	return err
}

// close ends everything. The logs of a test that failed are kept in the folder named by AGENTOS_FAULTS_LOGS.
func (st *stage) close(t *testing.T) {
	t.Helper()
	for _, v := range st.viewers {
		v.Close()
	}
	for _, f := range st.followers {
		f.Close()
	}
	if st.flow != nil {
		st.flow.Close()
	}
	if st.control != nil {
		st.control.close()
	}
	if into := os.Getenv("AGENTOS_FAULTS_LOGS"); into != "" && t.Failed() {
		into = filepath.Join(into, strings.ReplaceAll(t.Name(), "/", "-")+time.Now().Format("-150405"))
		if err := os.CopyFS(into, os.DirFS(st.cluster.Logs())); err != nil {
			t.Log(err)
		}
		t.Logf("the logs are in %s", into)
	}
	if err := st.cluster.Close(); err != nil {
		t.Error(err)
	}
}

// within waits until check gives nil, and returns how long that took.
func within(timeout time.Duration, what string, check func() error) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), timeout, fmt.Errorf("not within %v", timeout))
	defer cancel()
	began := time.Now()
	err := cluster.Until(ctx, what, check)
	return time.Since(began), err
}

// healthy waits until every server shows a document without trouble, made after now, and exactly one collects.
func (st *stage) healthy(timeout time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), timeout, fmt.Errorf("not within %v", timeout))
	defer cancel()
	began := time.Now()
	if err := st.cluster.AwaitHealthy(ctx); err != nil {
		return 0, err
	}
	err := cluster.Until(ctx, "one server leads", func() error {
		_, err := st.cluster.Leader(ctx)
		return err
	})
	return time.Since(began), err
}

// healthyInTime waits until all is well, which it must be within recoverWithin.
func (st *stage) healthyInTime() (time.Duration, error) {
	began := time.Now()
	took, err := st.healthy(time.Minute)
	if limit := recoverWithin + st.lateness(began); err == nil && took > limit {
		err = fmt.Errorf("all was well only after %v, want it within %v", took, limit)
	}
	return took, err
}

// newLeader waits until a server other than the old one says that it collects.
func (st *stage) newLeader(old *cluster.Member) (leader *cluster.Member, took time.Duration, err error) {
	took, err = within(6*newLeaderWithin, "there is a new leader", func() error {
		for _, m := range st.cluster.Followers(old) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			metrics, err := m.Metrics(ctx)
			cancel()
			if err == nil && metrics["agentos_leader"] == 1 {
				leader = m
				return nil
			}
		}
		return fmt.Errorf("%s has led, and no other server does", old.Name)
	})
	return leader, took, err
}

// complaints are what viewers and followers found wrong since the last call.
func (st *stage) complaints() []string {
	var list []string
	for _, v := range st.viewers {
		list = append(list, v.Complaints()...)
	}
	for _, f := range st.followers {
		list = append(list, f.Complaints()...)
	}
	return list
}

// streamsAgree waits until every follower has the revision that its server's viewer has, or a later one.
func (st *stage) streamsAgree(timeout time.Duration) error {
	for m, f := range st.followers {
		if _, err := within(timeout, "the stream of "+m.Name+" is up to date", func() error {
			last := st.viewers[m].Last()
			if revision, _ := f.Seen(); last == nil || revision < last.Meta.Revision {
				return fmt.Errorf("it is at revision %d", revision)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// samples are the answers of all servers in a span of time, one list for each server.
func (st *stage) samples(from, to time.Time) map[*cluster.Member]cluster.Samples {
	seen := map[*cluster.Member]cluster.Samples{}
	for m, v := range st.viewers {
		seen[m] = v.Samples(from, to)
	}
	return seen
}

func (st *stage) forget(before time.Time) {
	for _, v := range st.viewers {
		v.Forget(before)
	}
	st.control.probe.Forget(before)
}

// checkProcesses is an error for each process that has ended or crashed by itself.
func (st *stage) checkProcesses() error {
	var errs []error
	for _, m := range st.cluster.Members() {
		errs = append(errs, m.Check())
	}
	return errors.Join(errs...)
}

// control is a bare server, asked as the servers of the cluster are: when it is slow, the machine is busy.
type control struct {
	server *servers.Process
	port   *servers.Port
	probe  *cluster.Probe
	log    string
}

func startControl(look time.Duration) (*control, error) {
	log, err := os.CreateTemp("", "agentos-control-")
	if err != nil {
		return nil, err
	}
	port, err := servers.ReservePort()
	if err := errors.Join(err, log.Close()); err != nil {
		return nil, err
	}
	url := "http://" + port.Addr() + "/"
	c := &control{log: log.Name(), port: port, server: &servers.Process{
		Name: "the bare server", Argv: []string{"/proc/self/exe", port.Addr()}, Log: log.Name(), Alone: true,
		Env: []string{helperRole + "=control"},
		Ready: func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			return response.Body.Close()
		},
	}}
	if err := c.server.Start(); err != nil {
		return nil, err
	}
	c.probe, err = cluster.StartProbe(url, look/3) // as often as the three servers together are asked
	return c, err
}

func (c *control) close() {
	if c.probe != nil {
		c.probe.Close()
	}
	c.server.Stop()
	_ = c.port.Close()
	_ = os.Remove(c.log)
}

// runControl answers every request with as many bytes as a compressed document has.
func runControl(addr string) int {
	body := []byte(strings.Repeat("0123456789ab", 1024))
	return complain(http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})))
}
