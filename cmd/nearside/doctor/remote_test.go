package doctor_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/agent/config/remote"
	"nearside/agent/config/secret"
	"nearside/agent/server/status"
	"nearside/agent/server/steering"
	"nearside/cmd/nearside/doctor"
	"nearside/policy/seal"
)

// steered gives the patient a root of so long a life, and the brokers.
func (w *ward) steered(life time.Duration, brokers ...string) {
	w.t.Helper()
	key, err := seal.Generate(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	r := seal.Root{Version: 1, Threshold: 1, Tenant: "T", Keys: []seal.Key{key.Key()}}
	if life != 0 {
		r.Expires = today.Add(life)
	}
	payload, err := r.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := seal.Sign(seal.RootType, payload)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Config.Remote = &remote.Remote{Root: w.write("root.json", string(text), 0o644), Tenant: "T", Channel: "c", Device: "d", Ring: "r"}
	if brokers != nil {
		w.Config.Remote.MQTT = &remote.MQTT{Brokers: brokers, User: "d", Password: secret.Key{File: w.write("mqtt", "sesame", 0o600)}}
	}
}

// newBroker answers each client so; an empty answer hangs up. What the first
// client said is in said.
func newBroker(t *testing.T, answer ...byte) (addr string, said chan []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	said = make(chan []byte, 8)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			text := make([]byte, 1024)
			n, _ := conn.Read(text)
			said <- text[:n]
			_, _ = conn.Write(answer)
			if answer != nil {
				_, _ = io.Copy(io.Discard, conn)
			}
			conn.Close()
		}
	}()
	return l.Addr().String(), said
}

// TestRoot: the file that says whose signatures count.
func TestRoot(t *testing.T) {
	w := newWard(t)
	w.steered(0)
	for _, f := range w.examine() {
		if f.Check == "remote" && f.Verdict != doctor.OK {
			t.Errorf("got %+v", f)
		}
	}
	w.steered(24 * time.Hour)
	w.finds("remote", doctor.Warn, "ends on 2026-11-21", "nearside fleet root --previous")
	w.steered(-24 * time.Hour)
	w.finds("remote", doctor.Fail, "ended on 2026-11-19")
	w.steered(0)
	w.Config.Remote.Tenant = "U"
	w.finds("remote", doctor.Fail, `is for tenant "T", remote.tenant is "U"`)
	w.Config.Remote.Root = w.write("other", "{}", 0o600)
	w.finds("remote", doctor.Fail, "is no root document")
	w.Config.Remote.Root = filepath.Join(w.dir, "absent")
	w.finds("remote", doctor.Fail, "remote.root cannot be read")
}

// TestBroker: each broker is logged in to once, under a name of doctor's own.
func TestBroker(t *testing.T) {
	f := func(verdict, says string, answer ...byte) {
		t.Helper()
		addr, said := newBroker(t, answer...)
		w := newWard(t)
		w.steered(0, "tcp://"+addr)
		if verdict != doctor.OK {
			w.finds("remote", verdict, says)
		} else {
			w.examine()
		}
		want := []byte("\x10\x22\x00\x04MQTT\x04\xc2\x00\x3c\x00\x08d-doctor\x00\x01d\x00\x06sesame")
		want[1] = byte(len(want) - 2)
		if got := <-said; !bytes.Equal(got, want) {
			t.Errorf("the broker was told %q, want %q", got, want)
		}
	}
	f(doctor.OK, "", 0x20, 2, 0, 0)
	f(doctor.Fail, "wrong user or password", 0x20, 2, 0, 5)
	f(doctor.Warn, "return code 3", 0x20, 2, 0, 3)
	f(doctor.Fail, "does not speak MQTT 3.1.1", 'H', 'T', 'T', 'P')
	f(doctor.Fail, "hangs up instead of letting this device in")
}

// While the daemon is connected no broker is logged in to: it would end the
// daemon's session where client ids come from certificates.
func TestBrokerInUse(t *testing.T) {
	addr, said := newBroker(t, 0x20, 2, 0, 0)
	w := newWard(t)
	w.steered(0, "tcp://"+addr)
	for _, broker := range []string{"tcp://" + addr, "tls://another:8883"} {
		w.Daemon = &status.Status{Remote: &steering.Link{MQTT: &steering.Broker{Connected: true, Broker: &broker}}}
		if all := w.examine(); !slices.ContainsFunc(all, func(f doctor.Finding) bool {
			return f.Verdict == doctor.OK && strings.Contains(f.Message, "the daemon is connected to")
		}) {
			t.Errorf("got %+v", all)
		}
	}
	select {
	case words := <-said:
		if len(words) > 0 {
			t.Errorf("the broker was told %q", words)
		}
	default:
	}
}

// TestBrokerAway: what is not there, is not trusted or may not be called.
func TestBrokerAway(t *testing.T) {
	w := newWard(t)
	w.steered(0, "tcp://127.0.0.1:1")
	w.finds("remote", doctor.Warn, "cannot be reached")
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	w.steered(0, "tls://"+s.Listener.Addr().String())
	w.finds("remote", doctor.Fail, "its certificate is not trusted", "remote.mqtt.ca")
	w.certificate(time.Now().Add(-time.Hour))
	old, err := tls.LoadX509KeyPair(w.Config.Listen.TLS.Cert, w.Config.Listen.TLS.Key)
	if err != nil {
		t.Fatal(err)
	}
	over := httptest.NewUnstartedServer(http.NotFoundHandler())
	over.TLS = &tls.Config{Certificates: []tls.Certificate{old}}
	over.StartTLS()
	defer over.Close()
	w.Config.Listen.TLS = nil
	w.steered(0, "tls://"+over.Listener.Addr().String())
	w.finds("remote", doctor.Fail, "its certificate is not good now", "have it renewed")
	addr, _ := newBroker(t, 0x20, 2, 0, 0)
	w.steered(0, "mqtt://"+addr)
	w.Config.Remote.MQTT.Password = secret.Key{Env: "NEARSIDE_TEST_ABSENT"}
	w.finds("remote", doctor.Fail, "remote.mqtt.password cannot be had")
	w.Offline = true
	for _, f := range w.examine() {
		if f.Verdict == doctor.Fail {
			t.Errorf("offline: got %+v", f)
		}
	}
}
