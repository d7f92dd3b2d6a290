package broker_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/cloud/fleet/broker"
)

// office signs certificates and keeps them as files.
type office struct {
	dir  string
	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	name string
}

func newOffice(t *testing.T, dir, name string) *office {
	t.Helper()
	o := &office{dir: dir, name: name}
	o.ca = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	o.key = o.write(t, name, o.ca)
	return o
}

// write signs a certificate and puts NAME.crt and NAME.key into the folder.
func (o *office) write(t *testing.T, name string, c *x509.Certificate) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	by := o.key
	if by == nil {
		by = key // the authority's own
	}
	der, err := x509.CreateCertificate(rand.Reader, c, o.ca, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for suffix, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(o.file(name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key
}

func (o *office) file(name string) string { return filepath.Join(o.dir, name) }

// issue makes a certificate of 127.0.0.1 that ends so long from now.
func (o *office) issue(t *testing.T, name string, ends time.Duration) {
	t.Helper()
	o.write(t, name, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(ends),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

// door listens with the certificate of that name, for who has one of the
// authority clients; "" for everybody. Who comes in is hung up on.
func (o *office) door(t *testing.T, name string, clients *office) (port string) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(o.file(name+".crt"), o.file(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		text, err := os.ReadFile(clients.file(clients.name + ".crt"))
		if err != nil {
			t.Fatal(err)
		}
		conf.ClientAuth, conf.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		conf.ClientCAs.AppendCertsFromPEM(text)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(conn, make([]byte, 1))
			_ = conn.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// TestDialFails: each failure says what could be done about it, and only where
// nothing answers is the broker absent.
func TestDialFails(t *testing.T) {
	dir := t.TempDir()
	o, other := newOffice(t, dir, "ca"), newOffice(t, dir, "other")
	o.issue(t, "broker", time.Hour)
	o.issue(t, "old", -time.Hour)
	o.issue(t, "operator", time.Hour)
	o.issue(t, "gone", -time.Hour)
	other.issue(t, "stranger", time.Hour)
	good, expired, closed := o.door(t, "broker", nil), o.door(t, "old", nil), o.door(t, "broker", o)
	for _, c := range []struct {
		name, url, ca, cert string
		want                string
		absent              bool
	}{
		{"nobody there", "tls://127.0.0.1:1", "ca", "", "connection refused", true},
		{"another authority", "tls://127.0.0.1:" + good, "other", "", "name the authority that signed its certificate with --ca", false},
		{"another name", "tls://localhost:" + good, "ca", "", "by the name that its certificate has", false},
		{"run out", "tls://127.0.0.1:" + expired, "ca", "", "have the broker's certificate renewed, or set the clock", false},
		{"no TLS", "tcp://127.0.0.1:" + good, "", "", "is tls:// or tcp:// right?", false},
		{"no certificate", "tls://127.0.0.1:" + closed, "ca", "", "give --cert and --cert-key", false},
		{"ours run out", "tls://127.0.0.1:" + closed, "ca", "gone", "gone.crt (remote error: tls: expired certificate); it may have run out", false},
		{"ours of another authority", "tls://127.0.0.1:" + closed, "ca", "stranger", "does not take the certificate", false},
		{"no broker", "tls://127.0.0.1:" + closed, "ca", "operator", "is it a broker for MQTT 3.1.1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := broker.Options{URL: c.url, Timeout: time.Minute}
			if c.ca != "" {
				options.CA = o.file(c.ca + ".crt")
			}
			if c.cert != "" {
				options.Cert, options.Key = o.file(c.cert+".crt"), o.file(c.cert+".key")
			}
			s, err := broker.Dial(t.Context(), options, func(string, []byte, bool) {})
			if err == nil {
				s.Close()
				t.Fatal("got a session")
			}
			if !strings.Contains(err.Error(), c.want) || errors.Is(err, broker.ErrAbsent) != c.absent {
				t.Errorf("got %v, want %q, absent %v", err, c.want, c.absent)
			}
		})
	}
}

// TestCheck: files that cannot be used are known before anybody is called.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	o := newOffice(t, dir, "ca")
	o.issue(t, "operator", time.Hour)
	empty := o.file("empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	crt, key := o.file("operator.crt"), o.file("operator.key")
	for _, c := range []struct {
		options broker.Options
		want    string
	}{
		{broker.Options{CA: o.file("no.crt")}, "read --ca: open"},
		{broker.Options{CA: empty}, "holds no certificate"},
		{broker.Options{Cert: crt}, "go together"},
		{broker.Options{Cert: crt, Key: o.file("no.key")}, "read --cert and --cert-key: open"},
		{broker.Options{Cert: key, Key: crt}, "read --cert and --cert-key"},
		{broker.Options{User: "op", PasswordFile: o.file("no.pw")}, "read --password-file: open"},
		{broker.Options{PasswordFile: empty}, "without --user"},
		{broker.Options{CA: o.file("ca.crt"), Cert: crt, Key: key, User: "op", PasswordFile: empty}, ""},
	} {
		c.options.URL = "tls://127.0.0.1:1"
		if err := c.options.Check(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
