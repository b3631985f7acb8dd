//go:build linux

package faults

import (
	"context"
	"errors"
	"time"

	"github.com/agentos/agentos/test/cluster"
	"github.com/agentos/agentos/test/servers"
)

// way is which server a proxy leads to.
type way func(m *cluster.Member) *servers.Proxy

func toRedis(m *cluster.Member) *servers.Proxy    { return m.Redis }
func toPostgres(m *cluster.Member) *servers.Proxy { return m.Postgres }

// harm is what happens to a way.
type harm func(p *servers.Proxy)

func cut(p *servers.Proxy)        { p.Cut() }
func hang(p *servers.Proxy)       { p.Hang() }
func slow(p *servers.Proxy)       { p.Slow(300 * time.Millisecond) }
func cutAnswers(p *servers.Proxy) { p.CutAnswers(100) }

// whose picks members.
type whose func(s *scene) []*cluster.Member

func ofAll(s *scene) []*cluster.Member       { return s.cluster.Members() }
func ofTheWorker(s *scene) []*cluster.Member { return []*cluster.Member{s.worker} }

// harmed breaks ways, and mends them.
func harmed(how harm, whose whose, ways ...way) func(s *scene) error {
	return func(s *scene) error {
		for _, m := range whose(s) {
			for _, to := range ways {
				p := to(m)
				s.onMend(p.Mend)
				how(p)
			}
		}
		return nil
	}
}

// flapping cuts ways and mends them again and again.
func flapping(every time.Duration, ways ...way) func(s *scene) error {
	return func(s *scene) error {
		mendAll := func() error {
			var errs []error
			for _, m := range s.cluster.Members() {
				for _, to := range ways {
					errs = append(errs, to(m).Mend())
				}
			}
			return errors.Join(errs...)
		}
		s.onMend(mendAll)
		broken := false
		return s.again(every, func(context.Context) error {
			if broken = !broken; !broken {
				return mendAll()
			}
			for _, m := range s.cluster.Members() {
				for _, to := range ways {
					to(m).Cut()
				}
			}
			return nil
		})
	}
}

// inOrder breaks one thing after the other.
func inOrder(breaks ...func(s *scene) error) func(s *scene) error {
	return func(s *scene) error {
		for _, do := range breaks {
			if err := do(s); err != nil {
				return err
			}
		}
		return nil
	}
}
