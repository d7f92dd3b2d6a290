package push_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/goleak"

	"nearside/build/port"
	"nearside/cloud/push"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// box is an outbox in memory.
type box struct {
	mu    sync.Mutex
	notes []push.Note
	last  int64
}

func (b *box) add(topic, body string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	b.notes = append(b.notes, push.Note{ID: b.last, Topic: topic, Body: []byte(body)})
}

func (b *box) Pending(_ context.Context, limit int) ([]push.Note, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notes[:min(limit, len(b.notes))]), nil
}

func (b *box) Done(_ context.Context, ids ...int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = slices.DeleteFunc(b.notes, func(n push.Note) bool { return slices.Contains(ids, n.ID) })
	return nil
}

func (b *box) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.notes)
}

// device is a link with what it was given and told.
type device struct {
	*push.Link
	out   *box
	in    chan push.Message
	told  chan string
	ended chan struct{}
	stop  func()
}

// quick is a pace for tests: a hundredth of the usual.
var quick = push.Pace{Least: 10 * time.Millisecond, First: 50 * time.Millisecond, Most: 200 * time.Millisecond, Steady: time.Second, Nudge: 10 * time.Millisecond, Connect: 30 * time.Second, Answer: 20 * time.Second}

// start runs a link until the test ends; change may be nil.
func start(t testing.TB, url string, change func(*push.Options)) *device {
	t.Helper()
	d := &device{out: &box{}, in: make(chan push.Message, 1000), told: make(chan string, 1000), ended: make(chan struct{})}
	o := push.Options{
		Brokers: []string{url}, Tenant: "acme", Ring: "blue", Device: "car-7", Agent: "0.1.0",
		Outbox: d.out, Pace: quick, Log: testLog,
		Deliver: func(_ context.Context, m push.Message) { d.in <- m },
		Tell:    func(kind string, data map[string]any) { d.told <- fmt.Sprint(kind, " ", data) },
	}
	if change != nil {
		change(&o)
	}
	link, err := push.New(o)
	if err != nil {
		t.Fatal(err)
	}
	d.Link = link
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(d.ended)
		if err := link.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	d.stop = func() { cancel(); <-d.ended }
	t.Cleanup(d.stop)
	return d
}

// patience is how long what should come soon may take on a busy machine.
const patience = time.Minute

// until waits for something to become true.
func until(t testing.TB, what string, true func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for !true() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func (d *device) connected(t testing.TB) {
	t.Helper()
	until(t, "connected", func() bool { return d.Status().Connected })
}

// next is what is delivered or told next.
func next[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing came within %s", patience)
		panic("")
	}
}

// hub is a broker in this process.
type hub struct {
	*mochi.Server
	address string
	heard   chan packets.Packet // what devices publish
	closed  func()
}

// hooks of a hub: fields that are nil do nothing.
type watcher struct {
	mochi.HookBase
	acl     func(topic string, write bool) bool
	connect func(cl *mochi.Client)
	heard   chan packets.Packet
}

func (w *watcher) ID() string { return "watcher" }
func (w *watcher) Provides(b byte) bool {
	return slices.Contains([]byte{mochi.OnACLCheck, mochi.OnConnectAuthenticate, mochi.OnSessionEstablished, mochi.OnPublished, mochi.OnWillSent}, b)
}
func (w *watcher) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (w *watcher) OnACLCheck(_ *mochi.Client, topic string, write bool) bool {
	return w.acl == nil || w.acl(topic, write)
}
func (w *watcher) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	if w.connect != nil {
		w.connect(cl)
	}
}
func (w *watcher) OnWillSent(cl *mochi.Client, p packets.Packet) { w.OnPublished(cl, p) }
func (w *watcher) OnPublished(_ *mochi.Client, p packets.Packet) {
	select {
	case w.heard <- p:
	default:
	}
}

// newHub starts a broker at address, "" for a free port. w may be nil.
func newHub(t testing.TB, address string, w *watcher, more ...listeners.Listener) *hub {
	t.Helper()
	if address == "" {
		address = free(t)
	}
	h := &hub{Server: mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)}), address: address, heard: make(chan packets.Packet, 10000)}
	if w == nil {
		w = &watcher{}
	}
	w.heard = h.heard
	if err := h.AddHook(w, nil); err != nil {
		t.Fatal(err)
	}
	for _, l := range append(more, listeners.NewTCP(listeners.Config{ID: "t", Address: address})) {
		if err := h.AddListener(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Serve(); err != nil {
		t.Fatal(err)
	}
	h.closed = sync.OnceFunc(func() { h.Close() })
	t.Cleanup(h.closed)
	return h
}

func (h *hub) url() string { return "tcp://" + h.address }

// free is an address on loopback that nobody listens at.
func free(t testing.TB) string {
	t.Helper()
	address, err := port.Address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func (h *hub) publish(t testing.TB, topic, body string, retain bool) {
	t.Helper()
	if err := h.Publish(topic, []byte(body), retain, 1); err != nil {
		t.Fatal(err)
	}
}

// hears waits for a message of a topic that ok likes.
func (h *hub) hears(t testing.TB, topic string, ok func(body string) bool) string {
	t.Helper()
	for {
		p := next(t, h.heard)
		if p.TopicName == topic && ok(string(p.Payload)) {
			return string(p.Payload)
		}
	}
}

// silent listens at an address, says something to whoever comes, once they have
// spoken, and then nothing more.
func silent(t testing.TB, says string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			conn.Read(make([]byte, 1<<10))
			conn.Write([]byte(says))
		}
	}()
	return l.Addr().String()
}

var testLog = slog.New(slog.DiscardHandler)
