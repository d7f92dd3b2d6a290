package push_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
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
// that of the time until all but a few are back. A second is 0.2 of one here. A
// run in which this process stood still says nothing, and is made again.
func TestReconnectsSpread(t *testing.T) {
	const second = 200 * time.Millisecond
	for range 5 {
		came, gap := comeBack(t, 500, second)
		if gap > 3*second/2 {
			t.Logf("the process stood still for %s", gap)
			continue
		}
		came = came[:len(came)*98/100]
		perSecond, most := map[int]int{}, 0
		for _, at := range came {
			perSecond[int(at/second)]++
			most = max(most, perSecond[int(at/second)])
		}
		span := int(came[len(came)-1]/second) + 1
		mean := float64(len(came)) / float64(span)
		t.Logf("%d came back over %d s, at most %d in one, %.1f in the mean", len(came), span, most, mean)
		if float64(most) > 3*mean {
			t.Errorf("%d came back in one second, more than three times the mean of %.1f", most, mean)
		}
		return
	}
	t.Error("no run in which the process did not stand still")
}

// comeBack restarts the broker of so many links, and says when each was there
// again, from the first on, and for how long this process stood still meanwhile.
func comeBack(t *testing.T, links int, second time.Duration) (after []time.Duration, gap time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var came []time.Time
	h := newHub(t, "", nil)
	crowd := make([]*device, links)
	for i := range crowd {
		crowd[i] = start(t, h.url(), func(o *push.Options) {
			o.Device = fmt.Sprint("d", i)
			o.Pace = push.Pace{Least: second, First: 30 * second, Most: 300 * second, Steady: time.Nanosecond, Connect: 20 * time.Second}
		})
	}
	for _, d := range crowd {
		d.connected(t)
	}
	still := stillness()
	h.closed()
	<-time.After(2 * second)
	again := newHub(t, h.address, &watcher{connect: func(*mochi.Client) {
		mu.Lock()
		defer mu.Unlock()
		came = append(came, time.Now())
	}})
	for _, d := range crowd {
		d.connected(t)
	}
	gap = still()
	mu.Lock()
	for _, at := range came {
		after = append(after, at.Sub(came[0]))
	}
	mu.Unlock()
	for _, d := range crowd {
		d.stop()
	}
	again.closed()
	return after, gap
}

// stillness begins to look for how long this process gets no time, or is
// stopped; what it returns ends that and says for how long at most.
func stillness() (longest func() time.Duration) {
	end, gap := make(chan struct{}), make(chan time.Duration)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		var most time.Duration
		for last := time.Now(); ; {
			select {
			case <-tick.C:
				most, last = max(most, time.Since(last)), time.Now()
			case <-end:
				gap <- most
				return
			}
		}
	}()
	return func() time.Duration { close(end); return <-gap }
}

// counter passes connections on and counts the bytes of both ways.
type counter struct {
	address string
	bytes   atomic.Int64
}

func newCounter(t testing.TB, to string) *counter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{address: l.Addr().String()}
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
			all.Go(func() { c.copy(in, out) })
			all.Go(func() { c.copy(out, in) })
		}
	})
	return c
}

func (c *counter) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		if n > 0 {
			c.bytes.Add(int64(n))
			to.Write(b[:n])
		}
		if err != nil {
			return
		}
	}
}

// TestIdleTraffic: what an idle link costs in an hour at a keep-alive of 300 s,
// from the pings of a shorter one: 12 of them and one new connection come to less
// than 3 KB of MQTT, 12 of them to less than 3 KB with TLS.
func TestIdleTraffic(t *testing.T) {
	m := newMosquitto(t, "mosquitto.conf", "", "car-7")
	m.start(t)
	secured := newCounter(t, m.devices)
	d := m.link(t, "car-7", func(o *push.Options) {
		o.Brokers, o.KeepAlive = []string{"tls://" + secured.address}, func() time.Duration { return 2 * time.Second }
	})
	h := newHub(t, "", nil)
	plain := newCounter(t, h.address)
	p := start(t, "tcp://"+plain.address, func(o *push.Options) { o.KeepAlive = func() time.Duration { return 2 * time.Second } })
	d.connected(t)
	p.connected(t)
	<-time.After(500 * time.Millisecond) // the birth and its echo
	connection, pings := plain.bytes.Load(), secured.bytes.Load()
	<-time.After(6 * time.Second) // three pings
	ping, securedPing := (plain.bytes.Load()-connection)/3, (secured.bytes.Load()-pings)/3
	t.Logf("MQTT: a ping and its answer %d bytes, a connection %d, an hour with one %d", ping, connection, 12*ping+connection)
	t.Logf("with TLS: a ping and its answer %d bytes, a connection %d, an hour without one %d", securedPing, pings, 12*securedPing)
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
