package cli

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/config"
)

func health(t *testing.T, listen string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	env := map[string]string{"AGENTOS_LISTEN": listen, "AGENTOS_INSECURE": "true"}
	c := &call{stdout: &out, stderr: &errs, getenv: func(k string) string { return env[k] }}
	err := runHealth(t.Context(), c, args)
	return exitStatus(command{name: "health"}, err, &errs), out.String(), errs.String()
}

func TestHealthReportsWhetherTheServerLives(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte("answer to " + r.URL.Path + "\n"))
	}))
	listen := strings.TrimPrefix(server.URL, "http://")
	if status, out, errs := health(t, listen); status != exitOK || out != "answer to /livez\n" {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
	_, port, _ := net.SplitHostPort(listen)
	if status, _, errs := health(t, ":"+port); status != exitOK { // as a container listens
		t.Errorf("on all addresses: status %d, %q", status, errs)
	}
	if status, _, errs := health(t, listen, "--ready"); status != exitFailed || !strings.Contains(errs, "503") || !strings.Contains(errs, "answer to /readyz") {
		t.Errorf("unready: status %d, %q", status, errs)
	}
	server.Close()
	if status, _, errs := health(t, listen); status != exitFailed || !strings.Contains(errs, "cannot be reached") {
		t.Errorf("gone: status %d, %q", status, errs)
	}
	if status, _, _ := health(t, listen, "extra"); status != exitUsage {
		t.Errorf("wrong usage: status %d", status)
	}
}

func TestHealthAsksTLSServersByTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	defer server.Close()
	cfg := &config.Config{Listen: strings.TrimPrefix(server.URL, "https://"), TLSCert: "cert.pem", TLSKey: "key.pem"}
	var out bytes.Buffer
	if err := probe(t.Context(), &out, ownAddress(cfg)+"/livez"); err != nil || out.String() != "ok\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
