package pglink_test

import (
	"strings"
	"testing"
)

// The way to the primary leads to a standby for a while, as after a failover, which then takes over.
func TestLinkFollowsAFailover(t *testing.T) {
	s := newSite(t)
	standby, err := s.server.NewStandby()
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Close()
	a, b, next := open(t, s.config, "a"), open(t, s.config, "b"), documents(t)
	ear := listenOn(t, b)
	works(t, a, b, ear, next)
	before, err := a.Campaign(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	s.server.Stop()
	s.proxy.Retarget(standby.Addr())
	eventually(t, "the standby is found to take no writes", func() error {
		err := a.Store(t.Context(), next())
		if err != nil && strings.Contains(err.Error(), "takes no writes") {
			return nil
		}
		return err
	})
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	works(t, a, b, ear, next)
	after, err := b.Campaign(t.Context(), 1)
	if err != nil || after.Token <= before.Token {
		t.Errorf("Campaign() = %+v, %v after the token %d", after, err, before.Token)
	}
}
