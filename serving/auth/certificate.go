package auth

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Certificate is a server's certificate and key, in PEM, read again when one of the files has changed.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	clock             func() time.Time

	mu        sync.Mutex // guards what follows
	cert, key fileMark
	current   *tls.Certificate
}

// NewCertificate reads a certificate and its key.
func NewCertificate(certFile, keyFile string, log *slog.Logger, clock func() time.Time) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log, clock: clock}
	if err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// read reads the files if one of them is another than the last time. Where the two do not belong together, as while they are being replaced, the
// next look reads them again.
func (c *Certificate) read() error {
	now := c.clock()
	cert, certChanged, err := c.cert.look(c.certFile, now)
	key, keyChanged, keyErr := c.key.look(c.keyFile, now)
	c.cert.looked, c.key.looked = cert.looked, key.looked
	switch {
	case err != nil:
		return fmt.Errorf("read our certificate: %w", err)
	case keyErr != nil:
		return fmt.Errorf("read our certificate's key: %w", keyErr)
	case !certChanged && !keyChanged:
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read our certificate and its key: %w", err)
	}
	c.cert, c.key, c.current = cert, key, &pair
	return nil
}

// Config is TLS as a server speaks it with the certificate as it stands: version 1.2 or later.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := c.read(); err != nil {
			c.log.Error("the certificate cannot be read; the one before goes on", "error", err)
		}
		return c.current, nil
	}}
}
