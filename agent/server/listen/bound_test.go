package listen_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"nearside/agent/server/listen"
)

// patience is how long a test waits for what should come soon.
const patience = 30 * time.Second

// serve answers on a listener for two connections at a time. A GET of /wait is
// answered when the test says so.
// idle is told of each connection that was answered and is watched as idle.
func serve(t *testing.T) (l net.Listener, release, idle chan struct{}) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, release, idle = listen.Bound(tcp, 2), make(chan struct{}), make(chan struct{}, 10)
	watch := func(c net.Conn, state http.ConnState) {
		if listen.Watch(c, state); state == http.StateIdle {
			idle <- struct{}{}
		}
	}
	s := &http.Server{ConnState: watch, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-release
		}
	})}
	ended := make(chan error)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Shutdown(context.Background())
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return l, release, idle
}

// client is one connection to it.
type client struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, l net.Listener) *client {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) ask(path string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) answered() {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body.Close()
}

// TestBoundTakesTheIdle: when all places are taken, the connection that was idle
// longest makes way.
func TestBoundTakesTheIdle(t *testing.T) {
	l, release, idle := serve(t)
	defer close(release)
	first, second := dial(t, l), dial(t, l)
	for _, c := range []*client{first, second} {
		c.ask("/")
		c.answered()
		<-idle
	}
	third := dial(t, l)
	third.ask("/")
	third.answered()
	if _, err := first.in.ReadByte(); err != io.EOF {
		t.Errorf("the one idle longest: %v, want it closed", err)
	}
	second.ask("/")
	second.answered()
	if n := listen.Crowded(l); n != 1 {
		t.Errorf("crowded %d times, want 1", n)
	}
}

// TestBoundWaits: when all are busy, the next waits, and comes in as soon as one
// is done; it does not stay with one that keeps asking.
func TestBoundWaits(t *testing.T) {
	l, release, _ := serve(t)
	first, second := dial(t, l), dial(t, l)
	for _, c := range []*client{first, second} {
		c.ask("/wait")
	}
	third := dial(t, l)
	third.ask("/")
	for listen.Crowded(l) == 0 { // until it knocks
		runtime.Gosched()
	}
	release <- struct{}{}
	third.answered()
	close(release)
}

// TestBoundTakesTheSilent: connections on which nothing was said do not keep
// others out, and one that is being answered stays.
func TestBoundTakesTheSilent(t *testing.T) {
	l, release, _ := serve(t)
	defer close(release)
	busy := dial(t, l)
	busy.ask("/wait")
	for range 3 {
		silent := dial(t, l)
		defer silent.answeredNot()
	}
	last := dial(t, l)
	last.ask("/")
	last.answered()
	release <- struct{}{}
	busy.answered()
}

// answeredNot is of one that was closed.
func (c *client) answeredNot() {
	c.t.Helper()
	if _, err := c.in.ReadByte(); err != io.EOF {
		c.t.Errorf("a silent connection: %v, want it closed", err)
	}
}

// TestBoundEnds: closing the listener ends a wait for a place.
func TestBoundEnds(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := listen.Bound(tcp, 1)
	accepted := make(chan error)
	go func() {
		for {
			_, err := l.Accept()
			accepted <- err
			if err != nil {
				return
			}
		}
	}()
	dial(t, l)
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	dial(t, l)
	for listen.Crowded(l) == 0 {
		runtime.Gosched()
	}
	l.Close()
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestRoom(t *testing.T) {
	for _, n := range []int{1, 2} {
		if got := listen.Room(n, 1<<20); got < 4 || got > 16<<10 {
			t.Errorf("room for %d of %d listeners", got, n)
		}
	}
	if listen.Room(2, 10) < listen.Room(2, 1000) {
		t.Error("calls to targets take no room")
	}
}
