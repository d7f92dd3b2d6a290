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

	"nearside/agent/server/status"
	"nearside/cmd/fakecloud/fake"
	"nearside/policy"
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

// roadside is a daemon whose targets are beyond the cable.
type roadside struct {
	*house
	far   *far
	certs tls.Certificate // that the daemon trusts
	cloud *fake.Server
}

func newRoadside(t *testing.T) *roadside {
	t.Helper()
	f, known := newFar(t), newAuthority(t)
	cable(t, f)
	f.do(func() {
		ip(t, "link", "set", "lo", "up")
		ip(t, "route", "add", "local", firstIP+"/32", "dev", "lo")
		ip(t, "route", "add", "local", secondIP+"/32", "dev", "lo")
	})
	r := &roadside{far: f, certs: known.sign(t, firstIP, secondIP), cloud: fake.New(fake.Options{Name: "faraway"})}
	t.Cleanup(r.cloud.Close)
	r.house = unstarted(t, noLocal, "cloud:\n  targets:\n"+beyond("first", firstIP)+beyond("second", secondIP))
	r.write("trusted.pem", string(known.pem()))
	t.Setenv("SSL_CERT_FILE", filepath.Join(r.dir, "trusted.pem"))
	r.start()
	return r
}

// well has the cloud answer beyond the cable until stop.
func (r *roadside) well(t *testing.T) (stop func()) {
	t.Helper()
	_, stop = r.far.everywhere(t, r.certs, r.cloud)
	return stop
}

// TestPortal drives up to a charging stop whose network wants to be signed in
// to: whatever is asked, a server with a certificate of its own answers with a
// page. Nothing is sent to it once that is known.
func TestPortal(t *testing.T) {
	if !isolated(t) {
		return
	}
	h := newRoadside(t)
	asked := cloudAsk("What do you know of tides?")
	drive := h.well(t)
	first := h.ask(asked)
	if first.route() != "cloud" || h.status().Connectivity.State != "online" {
		t.Fatalf("on the road: %v, %+v", first, h.status().Connectivity)
	}
	until(t, "the answer is kept", patience, func() bool { return h.status().Store.Cache.Rows > 0 })
	drive()

	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>sign in</html>") })
	came, signIn := h.far.everywhere(t, newAuthority(t).sign(t, "10.0.0.1"), page)
	if r := h.ask(cloudAsk("Where is the exit?")); r.route() != "none" {
		t.Errorf("signed out: %v", r)
	}
	h.behindPortal(t, first, asked, came)
	signIn()
	defer h.well(t)()
	h.far.plug(t, "down")
	until(t, "the daemon knows that the cable is out", patience, func() bool { return h.status().Connectivity.State == "offline" })
	h.far.plug(t, "up")
	h.online(t)
	h.knows("signed in", "online", "calls")
}

// knows checks what the daemon knows of the network, and from what.
func (h *house) knows(when, state, source string) {
	h.t.Helper()
	s := h.status()
	if c := s.Connectivity; c.State != state || c.Source != source || s.Signals["network"].Value != state {
		h.t.Errorf("%s: connectivity %+v, signal %v, want %s by %s", when, c, s.Signals["network"].Value, state, source)
	}
}

// TestPushedNetwork has the host app say what it knows of the network.
func TestPushedNetwork(t *testing.T) {
	if !isolated(t) {
		return
	}
	h := newRoadside(t)
	defer h.well(t)()
	large := cloudAsk("What is this? " + strings.Repeat("word ", 4000))
	if term := h.metered(large); term != 0 {
		t.Errorf("online: got a term of %v, want none", term)
	}
	h.knows("asked", "online", "calls")

	h.wish(`{"metered":{"value":true,"ttl_s":3600}}`)
	h.knows("bytes cost money", "metered", "calls")
	if term := h.metered(large); term > -0.06 || term < -0.3 {
		t.Errorf("20 kB where they cost money: got a term of %v", term)
	}
	h.wish(`{"network":{"value":"offline","ttl_s":3600}}`)
	h.knows("about to suspend", "offline", "host")
	h.far.quietens(t, func() { h.refusesAtOnce("") })
	h.wish(`{"network":null,"metered":null}`)
	h.knows("nothing is said", "online", "calls")
	h.far.plug(t, "down")
	until(t, "the daemon knows that the cable is out", patience, func() bool { return h.status().Connectivity.State == "offline" })
	h.wish(`{"network":{"value":"online","ttl_s":3600}}`)
	h.knows("the host app knows another way", "online", "host")
}

// metered asks what the cloud answers, and is the term of its bytes in the plan.
func (h *house) metered(a ask) float64 {
	h.t.Helper()
	r := h.ask(a)
	if r.route() != "cloud" {
		h.t.Errorf("got %v, want an answer of the cloud", r)
	}
	rec := h.record(r)
	for _, s := range rec.Steps {
		if s.Kind == policy.StepCloud {
			return s.Terms.Metered
		}
	}
	h.t.Fatalf("no cloud step in %+v", rec.Plan)
	return 0
}

// beyond is the config of a target beyond the cable.
func beyond(name, ip string) string {
	return fmt.Sprintf("    - {name: %s, kind: openai, base_url: \"https://%s/v1\", models: {chat: fake-model}}\n", name, ip)
}

// behindPortal asks a daemon that has met a portal.
func (h *house) behindPortal(t *testing.T, first *reply, asked ask, came *atomic.Int64) {
	t.Helper()
	h.knows("signed out", "portal", "calls")
	s := h.status()
	hint := func(c status.Condition) bool { return c.Name == "network" && strings.Contains(c.Hint, "sign in") }
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
