package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/snapshot"
)

func TestLivezAndReadyz(t *testing.T) {
	f := newFixture(t)
	if r := f.as("", "GET", "/livez", ""); r.status != 200 {
		t.Errorf("livez: %d", r.status)
	}
	var ready readiness
	r := f.as("", "GET", "/readyz", "")
	r.json(t, &ready)
	if r.status != 200 || ready.Status != "ready" || len(ready.Reasons) != 0 || ready.Revision == 0 {
		t.Errorf("readyz: %d %s", r.status, r.body)
	}
}

func TestReadyWithDatabaseDown(t *testing.T) {
	f := newFixture(t)
	token := f.token(auth.RoleViewer)
	f.loseDatabase()
	f.mu.Lock()
	f.ready = errors.New("secret path /var/lib/agentos.db")
	f.mu.Unlock()
	r := f.as("", "GET", "/readyz", "")
	if r.status != 200 || !strings.Contains(r.body, "database") || strings.Contains(r.body, "/var/lib") {
		t.Errorf("readyz: %d %s", r.status, r.body)
	}
	if r := f.as("", "GET", "/livez", ""); r.status != 200 {
		t.Errorf("livez: %d", r.status)
	}
	if r := f.as(token, "GET", "/api/admin/ssot", ""); r.status != 200 {
		t.Errorf("the document for a known token: %d", r.status)
	}
	if r := f.as(token[:len(token)-4]+"aaaa", "GET", "/api/admin/ssot", ""); r.status != 503 || r.header.Get("Retry-After") == "" {
		t.Errorf("the document for an unknown token: %d %s", r.status, r.body)
	}
}

func TestUnreadyWithoutDocument(t *testing.T) {
	f := newFixture(t, func(_ *fixture, o *Options) { o.Cache = snapshot.NewCache(snapshot.CacheOptions{}) })
	if r := f.as("", "GET", "/readyz", ""); r.status != 503 || !strings.Contains(r.body, "no document") || r.header.Get("Retry-After") == "" {
		t.Errorf("readyz: %d %s", r.status, r.body)
	}
	if r := f.as("", "GET", "/livez", ""); r.status != 200 {
		t.Errorf("livez: %d", r.status)
	}
}

func TestMetrics(t *testing.T) {
	f := newFixture(t)
	if r := f.as(f.token(auth.RoleViewer), "GET", "/metrics", ""); r.status != 200 || !strings.Contains(r.body, "agentos_up 1") {
		t.Errorf("%d %s", r.status, r.body)
	}
	without := newFixture(t, func(_ *fixture, o *Options) { o.Metrics = nil })
	if r := without.as(without.token(auth.RoleViewer), "GET", "/metrics", ""); r.status != 404 {
		t.Errorf("without metrics: %d", r.status)
	}
}
