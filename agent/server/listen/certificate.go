package listen

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
)

// Certificate is a certificate and its key in PEM files, as they were read
// last. Make it with [LoadCertificate].
type Certificate struct {
	cert, key string
	now       atomic.Pointer[tls.Certificate]
}

// LoadCertificate reads the files.
func LoadCertificate(cert, key string) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key}
	return c, c.Reload()
}

// Reload reads the files again: new connections get what is in them. When they
// cannot be used, the old certificate stays.
func (c *Certificate) Reload() error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("read listen.tls: %w", err)
	}
	c.now.Store(&pair)
	return nil
}

// config offers HTTP/1.1 only: what counts and bounds requests counts on one
// at a time per connection.
func (c *Certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now.Load(), nil },
	}
}

// secure is TLS over a listener.
type secure struct {
	net.Listener
	below net.Listener
}
