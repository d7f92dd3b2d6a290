package cloud

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// shown is a certificate as a server shows it: for a name, until a time, its
// own authority.
func shown(t *testing.T, name string, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// meet sends a request for api.example to whoever listens, with those roots.
func meet(t *testing.T, addr string, roots *x509.CertPool) error {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, far, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(r)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// TestCertificates reads what real handshakes end with.
func TestCertificates(t *testing.T) {
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for _, x := range []struct {
		name    string
		host    string
		until   time.Time
		trusted bool
		want    evidence
	}{
		{"as it should be", "api.example", later, true, answered},
		{"of an authority nobody knows", "api.example", later, false, intercepted},
		{"for another host", "portal.example", later, true, intercepted},
		{"that ran out", "api.example", before, true, nothing},
		{"for another host that ran out", "portal.example", before, true, intercepted},
	} {
		cert, roots := shown(t, x.host, x.until)
		if !x.trusted {
			roots = x509.NewCertPool()
		}
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // who turns away
		s.StartTLS()
		err := meet(t, s.Listener.Addr().String(), roots)
		s.Close()
		if got := newMember(Target{Base: far}, nil, func() {}).evidence(err, false); got != x.want {
			t.Errorf("a certificate %s: got %d from %v, want %d", x.name, got, err, x.want)
		}
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	err := meet(t, plain.Listener.Addr().String(), nil)
	if got := newMember(Target{Base: far}, nil, func() {}).evidence(err, false); got != intercepted {
		t.Errorf("no TLS: got %d from %v, want %d", got, err, intercepted)
	}
}
