package push_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"

	"nearside/cloud/push"
)

// TestReconnectsSpread: 500 links whose broker is restarted, and away for two
// seconds, come back over time: no second has more than three times the mean,
// that of the time until all but a few are back. A second is a millisecond here,
// and when a link comes back is the sum of what it was to wait: how fast this
// machine is does not matter.
func TestReconnectsSpread(t *testing.T) {
	const second = time.Millisecond
	came := comeBack(t, 500, second)
	slices.Sort(came)
	came = came[:len(came)*98/100]
	perSecond, most := map[int]int{}, 0
	for _, at := range came {
		perSecond[int(at/second)]++
		most = max(most, perSecond[int(at/second)])
	}
	span := int((came[len(came)-1]-came[0])/second) + 1
	mean := float64(len(came)) / float64(span)
	t.Logf("%d came back over %d s, at most %d in one, %.1f in the mean", len(came), span, most, mean)
	if float64(most) > 3*mean {
		t.Errorf("%d came back in one second, more than three times the mean of %.1f", most, mean)
	}
}

// comeBack restarts the broker of so many links, and says how long after the
// loss each called it when it was there again.
func comeBack(t *testing.T, links int, second time.Duration) (after []time.Duration) {
	t.Helper()
	h, away := newHub(t, "", nil), &outage{length: 2 * second, over: make(chan struct{})}
	crowd, waits := make([]*device, links), make([]*waiter, links)
	for i := range crowd {
		w := &waiter{outage: away, random: rand.New(rand.NewPCG(1, uint64(i)))}
		waits[i] = w
		crowd[i] = start(t, h.url(), func(o *push.Options) {
			o.Device, o.Jitter, o.Reachable = fmt.Sprint("d", i), w.jitter, w.reachable
			o.Pace = push.Pace{Least: second, First: 30 * second, Most: 300 * second, Steady: time.Nanosecond}
		})
	}
	for _, d := range crowd {
		d.connected(t)
	}
	away.begun.Store(true)
	h.closed()
	again := newHub(t, h.address, nil)
	close(away.over)
	for i, d := range crowd {
		until(t, "connected again", func() bool { return d.Status().Connections > 1 })
		d.stop()
		after = append(after, waits[i].called)
	}
	again.closed()
	return after
}

// outage is a time in which no broker is there.
type outage struct {
	length time.Duration
	begun  atomic.Bool
	over   chan struct{}
}

// waiter is the time of a link in an outage: what it was to wait so far. All but
// called belongs to the goroutine that runs the link, and that too until it ended.
type waiter struct {
	*outage
	random *rand.Rand
	waited time.Duration
	called time.Duration // when the broker was there; 0 is not yet
}

func (w *waiter) jitter(below time.Duration) time.Duration {
	d := time.Duration(w.random.Int64N(int64(below)))
	if w.begun.Load() {
		w.waited += d
	}
	return d
}

// reachable is false in the outage. What comes to its end waits for the broker.
func (w *waiter) reachable(string) bool {
	if !w.begun.Load() {
		return true
	}
	if w.waited < w.length {
		return false
	}
	if w.called == 0 {
		w.called = w.waited
	}
	<-w.over
	return true
}

// counter passes connections on and counts what goes over each.
type counter struct {
	address string
	ping    int // bytes of an answer to a ping; all else that comes at once from the broker has more
	newest  atomic.Pointer[flow]
}

// flow is what went over one connection.
type flow struct {
	bytes, pings  atomic.Int64 // of both ways; answered
	first, fourth atomic.Int64 // bytes when so many were
}

func newCounter(t testing.TB, to string, ping int) *counter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{address: l.Addr().String(), ping: ping}
	c.newest.Store(&flow{})
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			f := &flow{}
			c.newest.Store(f)
			all.Go(func() { pass(in, out, func(n int) { f.heard(n, n == c.ping) }) })
			all.Go(func() { pass(out, in, func(n int) { f.heard(n, false) }) })
		}
	})
	return c
}

// pass copies until one side ends.
func pass(to, from net.Conn, heard func(n int)) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		if n > 0 {
			heard(n)
			to.Write(b[:n])
		}
		if err != nil {
			return
		}
	}
}

func (f *flow) heard(n int, ping bool) {
	all := f.bytes.Add(int64(n))
	if !ping {
		return
	}
	switch f.pings.Add(1) {
	case 1:
		f.first.Store(all)
	case 4:
		f.fourth.Store(all)
	}
}

// cost is what a ping and its answer come to, of three, and what a connection
// does with all that came before the first. A connection that the broker ended,
// since this process stood still, does not count.
func (c *counter) cost(t *testing.T) (ping, connection int64) {
	t.Helper()
	var f *flow
	until(t, "pings are answered", func() bool {
		f = c.newest.Load()
		return f.fourth.Load() > 0
	})
	ping = (f.fourth.Load() - f.first.Load()) / 3
	return ping, f.first.Load() - ping
}

// TestIdleTraffic: what an idle link costs in an hour at a keep-alive of 300 s,
// from the pings of a shorter one: 12 of them and one new connection come to less
// than 3 KB of MQTT, 12 of them to less than 3 KB with TLS.
func TestIdleTraffic(t *testing.T) {
	m := newMosquitto(t, "mosquitto.conf", "", "car-7")
	m.start(t)
	often := func(o *push.Options) {
		var announced atomic.Bool
		o.KeepAlive = func() time.Duration {
			if announced.Swap(true) {
				return 2 * time.Second
			}
			return time.Minute // for the broker, which would end a connection whose pings a busy machine makes late
		}
		o.Pace.Answer = time.Minute
	}
	secured := newCounter(t, m.devices, 2+22) // in a record of TLS 1.3
	m.link(t, "car-7", func(o *push.Options) { often(o); o.Brokers = []string{"tls://" + secured.address} })
	plain := newCounter(t, newHub(t, "", nil).address, 2)
	start(t, "tcp://"+plain.address, often)
	ping, connection := plain.cost(t)
	securedPing, securedConnection := secured.cost(t)
	t.Logf("MQTT: a ping and its answer %d bytes, a connection %d, an hour with one %d", ping, connection, 12*ping+connection)
	t.Logf("with TLS: a ping and its answer %d bytes, a connection %d, an hour without one %d", securedPing, securedConnection, 12*securedPing)
	if ping < 2 || 12*ping+connection > 3000 {
		t.Errorf("an idle hour costs %d bytes of MQTT, want at most 3,000", 12*ping+connection)
	}
	if securedPing < 24 || 12*securedPing > 3000 {
		t.Errorf("an idle hour costs %d bytes with TLS, want at most 3,000", 12*securedPing)
	}
}

// TestKeepAliveIsAnnounced: the broker is told the keep-alive of this
// connection, though paho is not.
func TestKeepAliveIsAnnounced(t *testing.T) {
	told := make(chan uint16, 1)
	h := newHub(t, "", &watcher{connect: func(cl *mochi.Client) { told <- cl.State.Keepalive }})
	start(t, h.url(), func(o *push.Options) { o.KeepAlive = func() time.Duration { return 1234 * time.Second } })
	if got := next(t, told); got != 1234 {
		t.Errorf("the broker was told %d s", got)
	}
}

// TestWebSocket: the same over WebSocket, with and without TLS.
func TestWebSocket(t *testing.T) {
	address := free(t)
	h := newHub(t, "", nil, listeners.NewWebsocket(listeners.Config{ID: "ws", Address: address}))
	until(t, "the listener is there", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	h.publish(t, "ns/1/acme/pol/blue", strings.Repeat("x", 60<<10), true)
	d := start(t, "ws://"+address+"/mqtt", nil)
	if m := next(t, d.in); len(m.Body) != 60<<10 {
		t.Errorf("got %d bytes", len(m.Body))
	}
	d.out.add("evt", strings.Repeat("y", 20<<10))
	d.Wake()
	h.hears(t, "ns/1/acme/d/car-7/evt", func(s string) bool { return len(s) == 20<<10 })
	d.stop()
	tlsFront := httptest.NewTLSServer(relay(address))
	defer tlsFront.Close()
	front := strings.TrimPrefix(tlsFront.URL, "https://")
	ca := filepath.Join(t.TempDir(), "ca.crt")
	writePEM(t, ca, tlsFront.Certificate().Raw)
	over := start(t, "wss://"+front+"/mqtt", func(o *push.Options) { o.TLS.CA = ca })
	over.connected(t)
	over.stop()
}

// TestProxy: through a proxy's tunnel, with its user, and not where it refuses.
func TestProxy(t *testing.T) {
	h := newHub(t, "", nil)
	var seen atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Method + " " + r.Host + " " + r.Header.Get("Proxy-Authorization"))
		if r.Host != h.address {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		relay(h.address).ServeHTTP(w, r)
	}))
	defer proxy.Close()
	via := "http://user:pass@" + strings.TrimPrefix(proxy.URL, "http://")
	d := start(t, h.url(), func(o *push.Options) { o.Proxy = via })
	d.connected(t)
	if got, want := seen.Load(), "CONNECT "+h.address+" Basic dXNlcjpwYXNz"; got != want {
		t.Errorf("the proxy saw %q, want %q", got, want)
	}
	d.stop()
	refused := start(t, "tcp://broker.example", func(o *push.Options) { o.Proxy = via })
	until(t, "refused", func() bool { return strings.Contains(refused.Status().LastError, "403") })
	if got := refused.Status().LastError; strings.Contains(got, "pass") || !strings.Contains(got, "no tunnel to broker.example:1883") {
		t.Errorf("got %q", got)
	}
	refused.stop()
}

// relay gives a connection of an HTTP server over to another address: a CONNECT
// is answered first, anything else passed on as it came.
func relay(to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := net.Dial("tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		in, rest, err := w.(http.Hijacker).Hijack()
		if err != nil {
			out.Close()
			return
		}
		if r.Method == http.MethodConnect {
			io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		} else {
			r.Write(out)
		}
		go func() { io.Copy(out, rest); out.Close() }()
		go func() { io.Copy(in, out); in.Close() }()
	})
}

// BenchmarkIdleLink says what an idle link costs in memory and goroutines, of
// 2,000 in one process; the broker is another.
func BenchmarkIdleLink(b *testing.B) {
	const links = 2000
	m := newMosquitto(b, "mosquitto.conf", "", "car-7")
	text := strings.Split(read(b, m.conf), "listener ")[0]
	write(b, m.conf, strings.Replace(text, "per_listener_settings true", "", 1)+listener(m.devices)+"\nallow_anonymous true\n"+listener(m.operators)+"\n")
	m.start(b)
	for b.Loop() {
		heap, routines := inUse(), runtime.NumGoroutine()
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		crowd := make([]*push.Link, links)
		for i := range crowd {
			link, err := push.New(push.Options{Brokers: []string{"tcp://" + m.devices}, Tenant: "acme", Ring: "blue", Device: fmt.Sprint("d", i), Outbox: &box{}, Deliver: func(context.Context, push.Message) {}, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			crowd[i] = link
			all.Go(func() { link.Run(ctx) })
		}
		for _, l := range crowd {
			until(b, "connected", func() bool { return l.Status().Connected })
		}
		b.ReportMetric(float64(inUse()-heap)/links/1024, "KiB/link")
		b.ReportMetric(float64(runtime.NumGoroutine()-routines)/links, "goroutines/link")
		cancel()
		all.Wait()
	}
}

// inUse is the memory of heap and stacks, in bytes.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func writePEM(t testing.TB, name string, raw []byte) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: raw}); err != nil {
		t.Fatal(err)
	}
}
