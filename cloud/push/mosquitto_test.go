package push_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"nearside/cloud/push"
)

const shipped = "../../build/mqtt/"

// mosquitto is a real broker on loopback, with the settings and access lists
// that we ship.
type mosquitto struct {
	dir                string // certificates, access lists
	devices, operators string // addresses
	conf               string
	cmd                *exec.Cmd
}

// newMosquitto makes certificates and starts the broker with one of our
// settings and some lines more.
func newMosquitto(t testing.TB, settings, more string, devices ...string) *mosquitto {
	t.Helper()
	m := &mosquitto{dir: t.TempDir(), devices: free(t), operators: free(t)}
	command(t, shipped+"trial-ca.sh", append([]string{m.dir, "127.0.0.1"}, devices...)...)
	for _, name := range []string{"devices.acl", "operators.acl"} {
		write(t, filepath.Join(m.dir, name), read(t, shipped+name))
	}
	text := strings.NewReplacer("/etc/mosquitto/nearside", m.dir, "listener 8883", listener(m.devices), "listener 8884", listener(m.operators)).Replace(read(t, shipped+settings))
	user, data := "user root\n", "persistence true\npersistence_location "+m.dir+"/\n"
	m.conf = filepath.Join(m.dir, "mosquitto.conf")
	write(t, m.conf, user+data+more+"\n"+text)
	t.Cleanup(m.stop)
	return m
}

func listener(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return "listener " + port + " " + host
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

func read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// queues changes how many messages wait for one who is away.
func (m *mosquitto) queues(t testing.TB, n int) {
	t.Helper()
	text, usual := read(t, m.conf), "max_queued_messages 100000"
	if !strings.Contains(text, usual) {
		t.Fatalf("our settings have no %s", usual)
	}
	write(t, m.conf, strings.Replace(text, usual, fmt.Sprint("max_queued_messages ", n), 1))
}

// start returns once the broker listens at both doors, which are others where
// somebody took one of them meanwhile: who answers there is not always ours.
func (m *mosquitto) start(t testing.TB) {
	t.Helper()
	for !m.runs(t) {
		m.move(t)
	}
}

// stop ends the broker as its service would: it writes down what is retained.
func (m *mosquitto) stop() {
	if m.cmd == nil {
		return
	}
	m.cmd.Process.Signal(syscall.SIGCONT)
	m.cmd.Process.Signal(syscall.SIGTERM)
	m.cmd.Wait()
	m.cmd = nil
}

func (m *mosquitto) file(name string) string { return filepath.Join(m.dir, name) }

// link starts a device with its certificate.
func (m *mosquitto) link(t testing.TB, name string, change func(*push.Options)) *device {
	t.Helper()
	return start(t, "tls://"+m.devices, func(o *push.Options) {
		o.Device, o.TLS = name, push.TLS{CA: m.file("ca.crt"), Cert: m.file(name + ".crt"), Key: m.file(name + ".key")}
		if change != nil {
			change(o)
		}
	})
}

// peer is a plain client: an operator, or a device that does what it should not.
type peer struct {
	mqtt.Client
	heard chan mqtt.Message
}

// peer connects with the certificate of this name.
func (m *mosquitto) peer(t testing.TB, address, cert, id string) *peer {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(read(t, m.file("ca.crt"))))
	pair, err := tls.LoadX509KeyPair(m.file(cert+".crt"), m.file(cert+".key"))
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{heard: make(chan mqtt.Message, 100_000)}
	o := mqtt.NewClientOptions().AddBroker("tls://" + address).SetClientID(id).SetCleanSession(false).SetOrderMatters(true)
	o.SetTLSConfig(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}).SetMaxReconnectInterval(200 * time.Millisecond).SetConnectRetry(true).SetConnectRetryInterval(100 * time.Millisecond)
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { p.heard <- m })
	p.Client = mqtt.NewClient(o)
	done(t, p.Connect())
	t.Cleanup(func() { p.Disconnect(50) })
	return p
}

func (m *mosquitto) operator(t testing.TB) *peer {
	t.Helper()
	return m.peer(t, m.operators, "operator", "test-operator")
}

func done(t testing.TB, token mqtt.Token) {
	t.Helper()
	if !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		t.Fatalf("not done: %v", token.Error())
	}
}

func (p *peer) say(t testing.TB, topic, body string, retain bool) {
	t.Helper()
	done(t, p.Publish(topic, 1, retain, body))
}

func (p *peer) listen(t testing.TB, topic string) {
	t.Helper()
	done(t, p.Subscribe(topic, 1, nil))
}

// hears waits for a message of a topic that ok likes.
func (p *peer) hears(t testing.TB, topic string, ok func(body string) bool) string {
	t.Helper()
	for {
		if m := next(t, p.heard); m.Topic() == topic && ok(string(m.Payload())) {
			return string(m.Payload())
		}
	}
}

// TestWrongDeviceCannotWrite: with the access lists that we ship a device
// writes what is its own and nothing else, reads what is its own and nothing
// else, and cannot take another's session; an operator may do all.
func TestWrongDeviceCannotWrite(t *testing.T) {
	m := newMosquitto(t, "mosquitto.conf", "", "car-7", "car-8")
	m.start(t)
	op := m.operator(t)
	op.listen(t, "ns/1/acme/#")
	car7 := m.link(t, "car-7", nil)
	car7.connected(t)
	car8 := m.peer(t, m.devices, "car-8", "car-7") // by the name of another
	car8.listen(t, "#")
	car8.listen(t, "ns/1/acme/d/car-7/#")
	for _, topic := range []string{
		"ns/1/acme/d/car-7/state", "ns/1/acme/d/car-7/rep", "ns/1/acme/d/car-7/evt", "ns/1/acme/d/car-7/ack", "ns/1/acme/d/car-7/cmd", "ns/1/acme/d/car-7/pol",
		"ns/1/acme/d/car-8/pol", "ns/1/acme/d/car-8/cmd", "ns/1/acme/pol/blue", "ns/1/acme/pol/blue/gate", "ns/1/acme/root/2", "ns/1/acme/rollout/r1", "ns/1/acme/rollout/r1/order", "ns/1/other/pol/blue",
	} {
		car8.say(t, topic, "forged", true)
	}
	car8.say(t, "ns/1/acme/d/car-8/evt", "own", false)
	for got := ""; got != "own"; {
		msg := next(t, op.heard)
		if got = string(msg.Payload()); got == "forged" {
			t.Errorf("a device wrote %s", msg.Topic())
		}
	}
	op.say(t, "ns/1/acme/d/car-7/cmd", "for car-7", false)
	op.say(t, "ns/1/acme/d/car-7/pol", "policy for car-7", true)
	op.say(t, "ns/1/acme/d/car-8/cmd", "for car-8", false)
	for got := ""; got != "for car-8"; {
		msg := next(t, car8.heard)
		if got = string(msg.Payload()); strings.Contains(msg.Topic(), "car-7") {
			t.Errorf("a device reads %s", msg.Topic())
		}
	}
	got := []string{string(next(t, car7.in).Body), string(next(t, car7.in).Body)}
	slices.Sort(got)
	if want := []string{"for car-7", "policy for car-7"}; !slices.Equal(got, want) {
		t.Errorf("car-7 got %q, want %q", got, want)
	}
	if s := car7.Status(); s.Connections != 1 || s.TakenOver != 0 || len(s.Refused) != 0 {
		t.Errorf("the other device was disturbed: %+v", s)
	}
}

// TestBrokerWithoutTrust: a broker with a certificate of another CA, or for
// another name, is told nothing; a device without a certificate, or with one of
// another CA, gets nowhere, nor does one at the operators' door.
func TestBrokerWithoutTrust(t *testing.T) {
	m, other := newMosquitto(t, "mosquitto.conf", "", "car-7"), newMosquitto(t, "mosquitto.conf", "", "car-7")
	m.start(t)
	for name, c := range map[string]struct {
		change func(*push.Options)
		want   string
	}{
		"foreign broker":  {func(o *push.Options) { o.TLS.CA = other.file("ca.crt") }, "CA that is not trusted"},
		"system's trust":  {func(o *push.Options) { o.TLS.CA = "" }, "CA that is not trusted"},
		"another name":    {func(o *push.Options) { o.TLS.ServerName = "broker.example" }, "for another name"},
		"no certificate":  {func(o *push.Options) { o.TLS.Cert, o.TLS.Key = "", "" }, "our certificate, or want"},
		"foreign device":  {func(o *push.Options) { o.TLS.Cert, o.TLS.Key = other.file("car-7.crt"), other.file("car-7.key") }, "our certificate, or want"},
		"operators' door": {func(o *push.Options) { o.Brokers = []string{"tls://" + m.operators} }, "our certificate, or want"},
		"no TLS":          {func(o *push.Options) { o.Brokers = []string{"tcp://" + m.devices} }, ""},
		"no file":         {func(o *push.Options) { o.TLS.CA = m.file("none.crt") }, "read mqtt.ca"},
	} {
		t.Run(name, func(t *testing.T) {
			d := m.link(t, "car-7", c.change)
			until(t, "refused", func() bool { return d.Status().LastError != "" })
			if s := d.Status(); s.Connections != 0 || !strings.Contains(s.LastError, c.want) {
				t.Errorf("got %+v, want %q", s, c.want)
			}
		})
	}
}

// TestRenewedCertificate: files that were put right are taken at the next
// attempt.
func TestRenewedCertificate(t *testing.T) {
	m := newMosquitto(t, "mosquitto.conf", "", "car-7", "car-8")
	m.start(t)
	cert, key := filepath.Join(t.TempDir(), "c"), filepath.Join(t.TempDir(), "k")
	d := m.link(t, "car-7", func(o *push.Options) { o.TLS.Cert, o.TLS.Key = cert, key })
	until(t, "an error", func() bool { return strings.Contains(d.Status().LastError, "read mqtt.cert") })
	write(t, key, read(t, m.file("car-7.key")))
	write(t, cert, read(t, m.file("car-7.crt")))
	d.connected(t)
}

// TestPasswords: the variant with passwords, over TLS; a wrong one is told as
// that, and one that was put right is read again.
func TestPasswords(t *testing.T) {
	m := newMosquitto(t, "mosquitto-passwords.conf", "")
	command(t, "mosquitto_passwd", "-c", "-b", m.file("devices.passwords"), "car-7", "right")
	command(t, "mosquitto_passwd", "-c", "-b", m.file("operators.passwords"), "operator", "other")
	m.start(t)
	secret := m.file("secret")
	write(t, secret, "wrong\n")
	d := m.link(t, "car-7", func(o *push.Options) {
		o.TLS, o.User, o.PasswordFile = push.TLS{CA: m.file("ca.crt")}, "car-7", secret
	})
	until(t, "refused", func() bool { return strings.Contains(d.Status().LastError, "see user, password_file") })
	write(t, secret, "right\n")
	d.connected(t)
}

// TestBrokerRestart: what was retained is there again, a note that waited is
// told, and the will was of the session before.
func TestBrokerRestart(t *testing.T) {
	m := newMosquitto(t, "mosquitto.conf", "", "car-7")
	m.start(t)
	op := m.operator(t)
	op.listen(t, "ns/1/acme/d/+/+")
	op.say(t, "ns/1/acme/pol/blue", "policy", true)
	d := m.link(t, "car-7", nil)
	if got := next(t, d.in); string(got.Body) != "policy" {
		t.Errorf("got %q", got.Body)
	}
	d.connected(t)
	first := d.Status().Session
	m.stop()
	until(t, "noticed", func() bool { return !d.Status().Connected })
	d.out.add("evt", "while it was away")
	d.Wake()
	m.start(t)
	op.hears(t, "ns/1/acme/d/car-7/evt", func(s string) bool { return s == "while it was away" })
	if got := next(t, d.in); string(got.Body) != "policy" || !got.Retained {
		t.Errorf("got %+v", got)
	}
	if s := d.Status(); s.Session <= first || s.TakenOver != 0 {
		t.Errorf("status is %+v, the session before was %d", s, first)
	}
}

// TestFrozenBroker: a broker that is stopped, and neither answers nor closes,
// is noticed by a note without an answer, or by a ping; then it is told, and
// nothing is lost.
func TestFrozenBroker(t *testing.T) {
	for _, idle := range []bool{false, true} {
		t.Run(fmt.Sprint("idle ", idle), func(t *testing.T) {
			m := newMosquitto(t, "mosquitto.conf", "", "car-7")
			m.start(t)
			op := m.operator(t)
			op.listen(t, "ns/1/acme/d/car-7/evt")
			d := m.link(t, "car-7", func(o *push.Options) {
				o.Pace.Answer, o.Pace.Connect = time.Second, 2*time.Second
				o.KeepAlive = func() time.Duration { return time.Second }
			})
			d.connected(t)
			m.cmd.Process.Signal(syscall.SIGSTOP)
			if !idle {
				d.out.add("evt", "unheard")
				d.Wake()
			}
			if told := next(t, d.told); !strings.HasPrefix(told, push.TellNoResponse) {
				t.Errorf("told %q", told)
			}
			until(t, "attempts at a frozen broker end", func() bool { return d.Status().Attempts >= 3 })
			if idle {
				d.out.add("evt", "unheard")
			}
			m.cmd.Process.Signal(syscall.SIGCONT)
			op.hears(t, "ns/1/acme/d/car-7/evt", func(s string) bool { return s == "unheard" })
			until(t, "told", func() bool { return d.out.len() == 0 })
		})
	}
}

// TestTwoDevicesOneName: two devices of one name each notice, tell it, and do
// not storm the broker.
func TestTwoDevicesOneName(t *testing.T) {
	m := newMosquitto(t, "mosquitto.conf", "", "car-7")
	m.start(t)
	pace := quick
	pace.First, pace.Most, pace.Steady = 20*time.Millisecond, 100*time.Millisecond, 50*time.Millisecond
	var both [2]*device
	for i := range both {
		both[i] = m.link(t, "car-7", func(o *push.Options) { o.Pace = pace })
	}
	for _, d := range both {
		if told := next(t, d.told); !strings.HasPrefix(told, push.TellTakenOver) {
			t.Errorf("told %q", told)
		}
	}
	count := func() uint64 { return both[0].Status().Connections + both[1].Status().Connections }
	before := count()
	<-time.After(4 * time.Second)
	// At the pace of a link that is lost it would be more than 100.
	if made := count() - before; made > 24 {
		t.Errorf("%d connections in 4 s", made)
	}
}

// TestQueueFull: a broker that keeps few messages for a device that is away
// loses the rest, but never the newest policy, which is retained.
func TestQueueFull(t *testing.T) {
	m := newMosquitto(t, "mosquitto.conf", "", "car-7")
	m.queues(t, 5)
	m.start(t)
	op := m.operator(t)
	d := m.link(t, "car-7", nil)
	d.connected(t)
	d.stop()
	for i := range 50 {
		op.say(t, "ns/1/acme/pol/blue", fmt.Sprint("policy ", i), true)
		op.say(t, "ns/1/acme/d/car-7/cmd", fmt.Sprint("command ", i), false)
	}
	again := m.link(t, "car-7", nil)
	for got := ""; got != "policy 49"; {
		got = string(next(t, again.in).Body)
	}
}

// TestRetainedCleared: what an operator cleared is not delivered any more, and
// the clearing itself is no message.
func TestRetainedCleared(t *testing.T) {
	m := newMosquitto(t, "mosquitto.conf", "", "car-7")
	m.start(t)
	op := m.operator(t)
	op.say(t, "ns/1/acme/d/car-7/pol", "first", true)
	d := m.link(t, "car-7", nil)
	if got := next(t, d.in); string(got.Body) != "first" {
		t.Errorf("got %+v", got)
	}
	op.say(t, "ns/1/acme/d/car-7/pol", "", true)
	op.say(t, "ns/1/acme/d/car-7/cmd", "after", false)
	if got := next(t, d.in); string(got.Body) != "after" {
		t.Errorf("got %+v", got)
	}
	d.stop()
	again := m.link(t, "car-7", nil)
	again.connected(t)
	op.say(t, "ns/1/acme/d/car-7/cmd", "last", false)
	if got := next(t, again.in); string(got.Body) != "last" {
		t.Errorf("got %+v", got)
	}
}

// TestFlappingBroker: a broker that is restarted again and again loses no
// report, and costs no goroutine and no file (TestMain counts goroutines).
func TestFlappingBroker(t *testing.T) {
	const restarts, each = 20, 25
	m := newMosquitto(t, "mosquitto.conf", "", "car-7")
	m.queues(t, restarts*each) // the operator may be away for several restarts
	m.start(t)
	op := m.operator(t)
	op.listen(t, "ns/1/acme/d/car-7/evt")
	d := m.link(t, "car-7", nil)
	d.connected(t)
	files := openFiles(t)
	for i := range restarts {
		for j := range each {
			d.out.add("evt", fmt.Sprint("event ", i*each+j))
			d.Wake()
		}
		until(t, "connected for a moment", func() bool { return d.Status().Connections > uint64(i) })
		m.stop()
		m.start(t)
	}
	heard := map[string]bool{}
	for len(heard) < restarts*each {
		select {
		case m := <-op.heard:
			heard[string(m.Payload())] = true
		case <-time.After(patience):
			t.Fatalf("%d of %d events were heard; %d wait; the operator is connected: %t; the device: %+v", len(heard), restarts*each, d.out.len(), op.IsConnectionOpen(), d.Status())
		}
	}
	until(t, "outbox empty", func() bool { return d.out.len() == 0 })
	d.connected(t)
	until(t, fmt.Sprintf("no more than %d files open", files), func() bool { return openFiles(t) <= files+1 })
	t.Logf("%d events over %d restarts, %d connections", len(heard), restarts, d.Status().Connections)
}

func openFiles(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
