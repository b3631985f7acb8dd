package app

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificate serves a key pair from files and reads them again when they change, so that a renewed certificate
// needs no restart. A pair that cannot be read leaves the one before in force.
type certificate struct {
	certFile, keyFile string

	mu      sync.Mutex // guards the rest; taken once a handshake
	pair    *tls.Certificate
	changed time.Time
	checked time.Time
}

func loadCertificate(certFile, keyFile string) (*tls.Config, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile}
	if err := c.reload(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	const pause = 5 * time.Second
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) > pause {
		c.checked = time.Now()
		if c.newest().After(c.changed) {
			_ = c.reload() // the pair before stays in force until both files fit
		}
	}
	return c.pair, nil
}

func (c *certificate) reload() error {
	changed := c.newest()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load the TLS certificate: %w", err)
	}
	c.pair, c.changed = &pair, changed
	return nil
}

// newest is when the later of the two files was changed; zero when one is missing.
func (c *certificate) newest() time.Time {
	var newest time.Time
	for _, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return time.Time{}
		}
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest
}
