package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/config"
)

// probeTimeout is shorter than the timeout that container engines give a health check.
const probeTimeout = 3 * time.Second

// runHealth asks the server that these settings describe whether it lives: the health check of images that hold no
// other program. It touches neither the data folder nor the database.
func runHealth(ctx context.Context, c *call, args []string) error {
	set := newFlags(c, "health")
	loader := config.Register(set, "config", "listen", "tls-cert", "tls-key", "insecure")
	ready := set.Bool("ready", false, "ask whether there is a document to show, too")
	rest, err := parse(set, args)
	if err != nil {
		return err
	}
	if err := noArguments(rest); err != nil {
		return err
	}
	cfg, err := loader.Load(c.getenv, nil)
	if err != nil {
		return err
	}
	path := "/livez"
	if *ready {
		path = "/readyz"
	}
	return probe(ctx, c.stdout, ownAddress(cfg)+path)
}

// probe succeeds when the address answers 200, and prints what it answers.
func probe(ctx context.Context, out io.Writer, address string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, fmt.Errorf("no answer within %v", probeTimeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	// The certificate names the outside; this asks on the inside, sends no secret and trusts nothing but the status.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("the server cannot be reached: %w", errors.Join(err, context.Cause(ctx)))
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", address, err)
	}
	text := strings.TrimSpace(string(body))
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", address, answer.Status, text)
	}
	fmt.Fprintln(out, text)
	return nil
}

// ownAddress is where the server of these settings is reached from its own machine.
func ownAddress(cfg *config.Config) string {
	host, port, _ := net.SplitHostPort(cfg.Listen)
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost" // IPv4 or IPv6, whichever listens
	}
	scheme := "http"
	if cfg.TLS() {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
