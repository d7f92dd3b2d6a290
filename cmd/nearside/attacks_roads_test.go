package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"nearside/agent/config"
	"nearside/cloud/wire"
	"nearside/policy/seal"
)

// notary is one whose certificates some trust.
type notary struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newNotary(t *testing.T) *notary {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, "make a key", err)
	a := &notary{t: t, key: key, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA " + rand.Text()}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &key.PublicKey, key)
	must(t, "make a CA", err)
	a.cert, err = x509.ParseCertificate(der)
	must(t, "make a CA", err)
	return a
}

// pem is what devices are given.
func (a *notary) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// server is how one with that address shows who it is.
func (a *notary) server(ip string) *tls.Config { return a.until(ip, time.Now().Add(time.Hour)) }

// until is server with a certificate that ends then.
func (a *notary) until(ip string, end time.Time) *tls.Config {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, "make a key", err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: end.Add(-24 * time.Hour), NotAfter: end, IPAddresses: []net.IP{net.ParseIP(ip)},
	}, a.cert, &key.PublicKey, a.key)
	must(a.t, "make a certificate", err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// shows has the hub listen with that certificate, too, and gives the address.
func (h *hub) shows(t *testing.T, settings *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", settings)
	must(t, "listen", err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			go h.EstablishConnection("tls", conn) // its error is the device's to tell
		}
	}()
	return "tls://" + l.Addr().String()
}

// TestAttackBroker: whoever may write to a broker has nothing taken that the
// council did not sign for this device, whatever topic it lies in.
func TestAttackBroker(t *testing.T) {
	t.Parallel()
	c, hub := newCouncil(t), newHub(t)
	const own, ring, root, cmd = "ns/1/acme/d/car-7/pol", "ns/1/acme/pol/early", "ns/1/acme/root/3", "ns/1/acme/d/car-7/cmd"
	hub.put(ring, c.envelope(seal.PolicyType, c.words(99), c.stranger), true)
	s := c.unsteered(t, fmt.Sprintf("mqtt: {brokers: [%q]}", "tcp://"+hub.address))
	s.start()
	hears(t, s.listen(t.Context(), "1"), "policy", `"kind":"refused"`, seal.UnknownKey, `"from":"mqtt"`)
	s.inForce(0, "factory")
	s.settle()
	for _, a := range []struct {
		assault
		topic string
	}{
		{assault{"retained message from a stranger", c.envelope(seal.PolicyType, c.words(98), c.stranger), seal.UnknownKey}, own},
		{assault{"retained garbage", "\x00\x01\x02", seal.Malformed}, own},
		{assault{"retained for another device", c.with(`"audience":"device:car-8"`), seal.OtherAudience}, own},
		{assault{"retained from last year", c.policy(6), seal.OlderVersion}, ring},
		{assault{"retained root from a stranger", c.rooted(c.root(3, 1, c.stranger), c.stranger), seal.RootTooFewOld}, root},
		{assault{"a command as a policy", c.order("m0", "rollback", c.both()...), seal.WrongType}, own},
		{assault{"a policy as a command", c.policy(9), seal.WrongType}, cmd},
		{assault{"command by one key", c.order("m1", "rollback", c.a), seal.TooFewSignatures}, cmd},
		{assault{"command from a stranger", c.order("m2", "rollback", c.stranger), seal.UnknownKey}, cmd},
		{assault{"command for another device", c.commanded(seal.Command{ID: "m3", Do: "rollback", Audience: seal.Audience{"device:car-8"}}, c.both()...), seal.OtherAudience}, cmd},
		{assault{"command of another tenant", c.commanded(seal.Command{ID: "m4", Do: "rollback", Tenant: "acme2"}, c.both()...), seal.OtherTenant}, cmd},
		{assault{"command expired", c.commanded(seal.Command{ID: "m5", Do: "rollback", NotAfter: time.Now().Add(-time.Hour)}, c.both()...), seal.Expired}, cmd},
	} {
		t.Run(a.name, func(t *testing.T) {
			s.repels(t, a.why, func() { hub.put(a.topic, a.bytes, a.topic != cmd) })
		})
	}
	until(t, "the operator is told", patience, func() bool {
		n, err := wire.ParseNotice(hub.latest("evt"))
		return err == nil && n.Data["kind"] == "refused" && n.Data["reason"] == seal.Expired
	})
	s.replays(t, hub, cmd)
}

// replays brings a command again that was obeyed, when another policy is in
// force, and after a restart: it is answered as it was, and nothing is done.
func (s *siege) replays(t *testing.T, hub *hub, topic string) {
	t.Helper()
	back := s.order("m9", "rollback", s.both()...)
	answers := func() int {
		hub.mu.Lock()
		defer hub.mu.Unlock()
		return hub.heard["ns/1/acme/d/car-7/ack"]
	}
	hub.put(topic, back, false)
	until(t, "the command is answered", patience, func() bool { return answers() == 1 })
	s.inForce(0, "rolled_back")
	s.apply(s.policy(8), 0)
	before := s.inForce(8, "probation")
	again := func(t *testing.T) {
		n := answers()
		hub.put(topic, back, false)
		until(t, "the command is answered again", patience, func() bool { return answers() > n })
		if a, err := wire.ParseAnswer(hub.latest("ack")); err != nil || a.ID != "m9" || !a.OK {
			t.Errorf("answered %+v, %v", a, err)
		}
		s.unmoved(t, before)
	}
	t.Run("command replayed", again)
	s.stop()
	s.start()
	until(t, "the device is connected", patience, func() bool { return s.scrape()["nearside_remote_connected"] == 1 })
	t.Run("command replayed after a restart", again)
}

// TestAttackSession: a stranger who takes over the device's session, and says
// what it likes in its name, is noticed; the device comes back, keeps its
// policy, and takes a good one.
func TestAttackSession(t *testing.T) {
	t.Parallel()
	c, hub := newCouncil(t), newHub(t)
	s := c.besieged(t, fmt.Sprintf("mqtt: {brokers: [%q], client_id: seven}", "tcp://"+hub.address))
	r := hub.report(func(r *wire.Status) bool { return r.Policy.Version == 7 })
	before := s.standing()
	o := mqtt.NewClientOptions().AddBroker("tcp://" + hub.address).SetClientID("seven").SetAutoReconnect(false)
	thief := mqtt.NewClient(o)
	if token := thief.Connect(); !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatalf("the stranger does not get in: %v", token.Error())
	}
	defer thief.Disconnect(0)
	birth := fmt.Sprintf(`{"session":%d,"online":true,"by":"stranger"}`, r.Session+1)
	thief.Publish("ns/1/acme/d/car-7/state", 1, true, birth).WaitTimeout(patience)
	thief.Publish("ns/1/acme/pol/early", 1, true, c.envelope(seal.PolicyType, c.words(99), c.stranger)).WaitTimeout(patience)
	s.wish(`{"network":{"value":"metered","ttl_s":60}}`) // another network: the wait for the broker is cut short
	hears(t, s.events, "policy", `"kind":"refused"`, seal.UnknownKey, `"from":"mqtt"`)
	s.unmoved(t, before)
	hub.put("ns/1/acme/d/car-7/state", fmt.Sprintf(`{"session":%d,"online":true,"by":"stranger2"}`, r.Session+100), true)
	hears(t, s.listen(t.Context(), "1"), "remote", "session_taken_over")
	hub.put("ns/1/acme/d/car-7/pol", c.policy(8), true)
	until(t, "a good policy gets in", patience, func() bool { return s.standing().Version == 8 })
	s.inForce(8, "probation")
}

// welcoming is a broker that speaks no TLS and welcomes everybody unasked.
func welcoming(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, "listen", err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			_, _ = conn.Write([]byte("\x20\x02\x00\x00\x20\x02\x00\x00"))
			_, _ = conn.Read(make([]byte, 1<<10))
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// TestAttackImpersonation: a broker that does not prove who it is, with
// certificates of another authority, for another name, or none, is told nothing
// and has nothing taken, not even what the council signed; the true one has.
func TestAttackImpersonation(t *testing.T) {
	t.Parallel()
	c, hub, ours, other := newCouncil(t), newHub(t), newNotary(t), newNotary(t)
	hub.put("ns/1/acme/pol/early", c.policy(8), true)
	false1, false2, false3 := hub.shows(t, other.server("127.0.0.1")), hub.shows(t, ours.server("127.0.0.2")), "tls://"+welcoming(t)
	old := hub.shows(t, ours.until("127.0.0.1", time.Now().Add(-time.Hour)))
	s := c.unsteered(t, fmt.Sprintf("mqtt: {brokers: [%q, %q, %q, %q], ca: ca.pem}", old, false1, false2, false3))
	s.write("ca.pem", ours.pem())
	s.start()
	s.settle()
	before := s.standing()
	until(t, "each of them was tried", patience, func() bool { return s.scrape()["nearside_remote_untrusted_total"] >= 4 })
	hears(t, s.listen(t.Context(), "1"), "remote", "broker_untrusted", "it has run out")
	s.unmoved(t, before)
	if m := s.status().Remote.MQTT; m.Connected || m.LastError == nil {
		t.Errorf("status: %+v", m)
	}
	if out, _, _ := s.run("--socket", s.socket, "status"); !strings.Contains(out, "no broker (the broker does not prove who it is: ") {
		t.Errorf("status tells people %s", out)
	}
	for _, words := range []string{"CA that is not trusted", "for another name", "speaks no TLS", "it has run out"} {
		until(t, words, patience, func() bool { return strings.Contains(s.log.String(), words) })
	}
	if hub.latest("state") != nil || hub.latest("rep") != nil {
		t.Errorf("an impostor was told %s%s", hub.latest("state"), hub.latest("rep"))
	}
	cfg, err := config.Load(filepath.Join(s.dir, "nearside.yaml"))
	must(t, "read the config", err)
	text := strings.Join([]string{noLocal, "remote: {" + steeredWell + fmt.Sprintf(", mqtt: {brokers: [%q], ca: ca.pem}}", hub.shows(t, ours.server("127.0.0.1")))}, "\n")
	s.write("nearside.yaml", text+"\ncloud: {targets: [{name: first, kind: openai, base_url: "+cfg.Cloud.Targets[0].BaseURL+", models: {chat: fake-model}}]}")
	s.reload()
	until(t, "the true broker is believed", patience, func() bool { return s.standing().Version == 8 })
	s.inForce(8, "probation")
}
