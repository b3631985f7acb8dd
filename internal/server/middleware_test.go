package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestPanicBecomesAProblem(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d, func(_ *fixture, o *Options) {
			o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "5")
				panic("boom")
			})
		})
		r := f.as(f.token(auth.RoleViewer), "GET", "/metrics", "", "X-Request-Id", "from-a-proxy.1")
		p := r.problem(t)
		if r.status != 500 || strings.Contains(r.body, "boom") || p.RequestID != "from-a-proxy.1" {
			t.Errorf("%d %s", r.status, r.body)
		}
		if log := f.log.String(); !strings.Contains(log, "boom") || !strings.Contains(log, "from-a-proxy.1") || !strings.Contains(log, "middleware_test.go") {
			t.Errorf("log: %s", log)
		}
		if r := f.as("", "GET", "/livez", ""); r.status != 200 {
			t.Errorf("afterwards: %d", r.status)
		}
	})
}

func TestPanicInTheMiddleBreaksTheConnection(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d, func(_ *fixture, o *Options) {
			o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Write(make([]byte, 100_000))
				panic("boom")
			})
		})
		r, err := http.NewRequestWithContext(t.Context(), "GET", f.url+"/metrics", nil)
		must(t, err)
		r.Header.Set("Authorization", "Bearer "+f.token(auth.RoleViewer))
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_, err = resp.Body.Read(make([]byte, 1))
			for err == nil {
				_, err = resp.Body.Read(make([]byte, 4096))
			}
			resp.Body.Close()
		}
		if err == nil || err.Error() == "EOF" {
			t.Errorf("a torn answer looks whole: %v", err)
		}
	})
}

func TestPanicInTheDocument(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		s := f.handler.(*server)
		s.Auth = nil // what Authenticate cannot survive
		w := httptest.NewRecorder()
		s.ServeHTTP(w, documentRequest("aos_aaaaaaaa_"+strings.Repeat("a", 52)))
		if w.Code != 500 || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	})
}

func TestRequestIDIsOfTheServerUnlessHarmless(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		for given, kept := range map[string]bool{"abc-1_2.3": true, "": false, "a b": false, strings.Repeat("a", 65): false, "<x>": false} {
			id := f.as("", "GET", "/api/me", "", "X-Request-Id", given).problem(t).RequestID
			if (id == given) != kept || id == "" {
				t.Errorf("given %q: %q", given, id)
			}
		}
	})
}

func TestAccessLogOnlyWhenAskedFor(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		level := new(slog.LevelVar)
		f := newFixture(t, d, func(f *fixture, o *Options) {
			o.Log = slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: level}))
		})
		token := f.token(auth.RoleViewer)
		f.as(token, "GET", "/api/me", "")
		if log := f.log.String(); log != "" {
			t.Errorf("log at level info: %s", log)
		}
		level.Set(slog.LevelDebug)
		f.as(token, "GET", "/api/nothing", "")
		f.as(token, "GET", "/api/me", "")
		log := f.log.String()
		if !strings.Contains(log, "path=/api/me status=200") || !strings.Contains(log, "status=404") || strings.Contains(log, token) {
			t.Errorf("log at level debug: %s", log)
		}
	})
}

func TestAnswerAfterTheClientLeft(t *testing.T) {
	dbtest.EachBreakable(t, func(t *testing.T, d *dbtest.Breakable) {
		f := newFixture(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequestWithContext(ctx, "GET", "/api/jobs", nil)
		r.Header.Set("Authorization", "Bearer "+f.token(auth.RoleViewer))
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		if strings.Contains(f.log.String(), "level=ERROR") {
			t.Errorf("somebody who left is an error in the log: %s", f.log.String())
		}
	})
}
