package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nearside/agent/server"
	"nearside/cmd/fakecloud/fake"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, "make a key", err)
	a.cert.Raw, err = x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	must(t, "make a certificate", err)
	return a
}

// sign is a certificate for the addresses.
func (a *authority) sign(t *testing.T, ips ...string) tls.Certificate {
	t.Helper()
	cert := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter}
	for _, ip := range ips {
		cert.IPAddresses = append(cert.IPAddresses, net.ParseIP(ip))
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, a.key.Public(), a.key)
	must(t, "sign a certificate", err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// pem is the authority's certificate as a file has it.
func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Addresses beyond the cable, at which whoever is at its end may answer.
const firstIP, secondIP = "192.0.2.1", "198.51.100.1"

// everywhere answers for all addresses beyond the cable until stop, and counts
// who came.
func (f *far) everywhere(t *testing.T, cert tls.Certificate, h http.Handler) (came *atomic.Int64, stop func()) {
	t.Helper()
	came = new(atomic.Int64)
	s := &http.Server{
		Handler: h, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		ErrorLog: log.New(io.Discard, "", 0), // who turns away from a certificate
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				came.Add(1)
			}
		},
	}
	var l net.Listener
	var err error
	f.do(func() { l, err = net.Listen("tcp", "0.0.0.0:443") })
	must(t, "listen at the far end", err)
	ended := make(chan error, 1)
	go func() { ended <- s.ServeTLS(l, "", "") }()
	return came, func() { _ = s.Close(); <-ended }
}

// TestPortal drives up to a charging stop whose network wants to be signed in
// to: whatever is asked, a server with a certificate of its own answers with a
// page. Nothing is sent to it once that is known.
func TestPortal(t *testing.T) {
	if !isolated(t) {
		return
	}
	f := newFar(t)
	cable(t, f)
	f.do(func() {
		ip(t, "link", "set", "lo", "up")
		ip(t, "route", "add", "local", firstIP+"/32", "dev", "lo")
		ip(t, "route", "add", "local", secondIP+"/32", "dev", "lo")
	})
	known, foreign := newAuthority(t), newAuthority(t)
	fakes := fake.New(fake.Options{Name: "faraway"})
	t.Cleanup(fakes.Close)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>sign in</html>") })

	h := unstarted(t, noLocal, "cloud:\n  targets:\n"+beyond("first", firstIP)+beyond("second", secondIP))
	h.write("trusted.pem", string(known.pem()))
	t.Setenv("SSL_CERT_FILE", filepath.Join(h.dir, "trusted.pem"))
	h.start()
	asked := cloudAsk("What do you know of tides?")
	_, drive := f.everywhere(t, known.sign(t, firstIP, secondIP), fakes)
	first := h.ask(asked)
	if first.route() != "cloud" || h.status().Connectivity.State != "online" {
		t.Fatalf("on the road: %v, %+v", first, h.status().Connectivity)
	}
	until(t, "the answer is kept", patience, func() bool { return h.status().Store.Cache.Rows > 0 })
	drive()

	came, signIn := f.everywhere(t, foreign.sign(t, "10.0.0.1"), page)
	if r := h.ask(cloudAsk("Where is the exit?")); r.route() != "none" {
		t.Errorf("signed out: %v", r)
	}
	h.behindPortal(t, first, asked, came)
	signIn()
	_, stop := f.everywhere(t, known.sign(t, firstIP, secondIP), fakes)
	defer stop()
	f.plug(t, "down")
	until(t, "the daemon knows that the cable is out", patience, func() bool { return h.status().Connectivity.State == "offline" })
	f.plug(t, "up")
	h.online(t)
	if c := h.status().Connectivity; c.State != "online" || c.Source != "calls" {
		t.Errorf("signed in: %+v", c)
	}
}

// beyond is the config of a target beyond the cable.
func beyond(name, ip string) string {
	return fmt.Sprintf("    - {name: %s, kind: openai, base_url: \"https://%s/v1\", models: {chat: fake-model}}\n", name, ip)
}

// behindPortal asks a daemon that has met a portal.
func (h *house) behindPortal(t *testing.T, first *reply, asked ask, came *atomic.Int64) {
	t.Helper()
	s := h.status()
	if s.Connectivity.State != "portal" || s.Connectivity.Source != "calls" || s.Signals["network"].Value != "portal" {
		t.Fatalf("connectivity %+v, signal %v", s.Connectivity, s.Signals["network"])
	}
	hint := func(c server.Condition) bool { return c.Name == "network" && strings.Contains(c.Hint, "sign in") }
	if !slices.ContainsFunc(s.Health, hint) {
		t.Errorf("health says nothing of a portal: %+v", s.Health)
	}
	before := came.Load()
	if r := h.ask(asked); r.route() != "stale" || r.text != first.text {
		t.Errorf("what was known: %v", r)
	}
	h.refusesAtOnce("")
	if text := h.get("/v1/decisions?limit=1"); !bytes.Contains(text, []byte("a portal answers in place of the network")) {
		t.Errorf("the record does not say why: %s", text)
	}
	if now := came.Load(); now != before {
		t.Errorf("%d connections to the portal after it was known", now-before)
	}
}
