package h1_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent/openai/h1"
)

type urlType = url.URL

func urlOf(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// pipes dials servers that answer well, in memory, and counts them.
type pipes struct {
	mu    sync.Mutex
	made  int
	ended int
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.mu.Lock()
	p.made++
	p.mu.Unlock()
	go func() {
		l := &line{Conn: there, in: bufio.NewReader(there)}
		always(ok)(l)
		there.Close()
		p.mu.Lock()
		p.ended++
		p.mu.Unlock()
	}()
	return here, nil
}

func (p *pipes) count() (made, ended int) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made, p.ended
}

// begin makes a call and leaves its body to be read.
func begin(t *testing.T, tr http.RoundTripper, addr string) io.ReadCloser {
	t.Helper()
	resp, err := tr.RoundTrip(get(t, context.Background(), addr))
	if err != nil {
		t.Fatal(err)
	}
	return resp.Body
}

func finish(bodies ...io.ReadCloser) {
	for _, b := range bodies {
		_, _ = io.Copy(io.Discard, b)
		b.Close()
	}
}

// TestIdle keeps connections within bounds of number and time.
func TestIdle(t *testing.T) {
	with := func(t *testing.T, check func(*testing.T, *h1.Transport, *pipes)) {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{}
			rest := settings()
			rest.DialContext = p.dial
			tr := h1.New(rest)
			check(t, tr, p)
			tr.CloseIdleConnections()
			if made, ended := p.count(); made != ended {
				t.Errorf("got %d connections closed of %d", ended, made)
			}
		})
	}
	expect := func(t *testing.T, p *pipes, what string, made, ended int) {
		t.Helper()
		if m, e := p.count(); m != made || e != ended {
			t.Errorf("%s: got %d made, %d closed; want %d, %d", what, m, e, made, ended)
		}
	}
	t.Run("for a minute", func(t *testing.T) {
		with(t, func(t *testing.T, tr *h1.Transport, p *pipes) {
			x, y := begin(t, tr, "a.example"), begin(t, tr, "a.example")
			finish(x)
			<-time.After(40 * time.Second)
			finish(y)
			<-time.After(15 * time.Second)
			expect(t, p, "after 55 s", 2, 0)
			<-time.After(5 * time.Second)
			expect(t, p, "after 60 s", 2, 1)
			finish(begin(t, tr, "a.example")) // begins the other's time anew
			<-time.After(59 * time.Second)
			expect(t, p, "after 119 s", 2, 1)
			<-time.After(time.Second)
			expect(t, p, "after 120 s", 2, 2)
			finish(begin(t, tr, "a.example"))
			expect(t, p, "another", 3, 2)
			<-time.After(time.Minute)
			expect(t, p, "a minute later", 3, 3)
		})
	})
	t.Run("the last one first", func(t *testing.T) {
		with(t, func(t *testing.T, tr *h1.Transport, p *pipes) {
			x, y := begin(t, tr, "a.example"), begin(t, tr, "a.example")
			finish(x, y)
			for range 7 { // one is used, the other one's time runs out
				<-time.After(10 * time.Second)
				finish(begin(t, tr, "a.example"))
			}
			expect(t, p, "after 70 s", 2, 1)
		})
	})
	t.Run("four to a host", func(t *testing.T) {
		with(t, func(t *testing.T, tr *h1.Transport, p *pipes) {
			var all []io.ReadCloser
			for range 6 {
				all = append(all, begin(t, tr, "a.example"))
			}
			finish(all...)
			expect(t, p, "six at once", 6, 2)
		})
	})
	t.Run("eight in all", func(t *testing.T) {
		with(t, func(t *testing.T, tr *h1.Transport, p *pipes) {
			for _, host := range []string{"a.example", "b.example", "c.example"} {
				var all []io.ReadCloser
				for range 4 {
					all = append(all, begin(t, tr, host))
				}
				finish(all...)
			}
			expect(t, p, "twelve", 12, 4)
			finish(begin(t, tr, "c.example"), begin(t, tr, "b.example"))
			expect(t, p, "of those used last", 12, 4)
			finish(begin(t, tr, "a.example"))
			expect(t, p, "of those used first", 13, 5)
		})
	})
	t.Run("not while the device sleeps", func(t *testing.T) {
		with(t, func(t *testing.T, tr *h1.Transport, p *pipes) {
			x, y := begin(t, tr, "a.example"), begin(t, tr, "a.example")
			finish(x, y)
			tr.Slept(50 * time.Second)
			finish(begin(t, tr, "a.example"))
			expect(t, p, "after 50 s", 2, 0)
			tr.Slept(time.Hour)
			finish(begin(t, tr, "a.example"))
			expect(t, p, "after an hour", 3, 2)
		})
	})
	t.Run("none after all were closed", func(t *testing.T) {
		with(t, func(t *testing.T, tr *h1.Transport, p *pipes) {
			x := begin(t, tr, "a.example")
			tr.CloseIdleConnections()
			expect(t, p, "one is in use", 1, 0)
			finish(x)
			expect(t, p, "it is not kept", 1, 1)
			finish(begin(t, tr, "a.example"))
			expect(t, p, "the next one is", 2, 1)
		})
	})
}

// TestHungUp: a connection that the other end has closed is not kept until the
// next call; one that is alive is.
func TestHungUp(t *testing.T) {
	hang, gone := make(chan struct{}), new(atomic.Int32)
	dead := serve(t, func(l *line) {
		l.take()
		l.say(ok)
		<-hang
		_ = l.Conn.(*net.TCPConn).CloseWrite()
		hold(l)
		gone.Add(1)
	})
	alive, tr := serve(t, always(ok)), near(t)
	finish(begin(t, tr, dead.addr), begin(t, tr, alive.addr))
	close(hang)
	settle(t, "connections that are kept though the other end hung up", 0, func() int { tr.Look(); return 1 - int(gone.Load()) })
	finish(begin(t, tr, alive.addr))
	if n := alive.lines.Load(); n != 1 {
		t.Errorf("got %d connections to the one that is alive, want 1", n)
	}
}

// TestNoGoroutines: an idle connection has none.
func TestNoGoroutines(t *testing.T) {
	s := serve(t, always(ok))
	rest := settings()
	rest.MaxIdleConnsPerHost = 8
	tr := h1.New(rest)
	defer tr.CloseIdleConnections()
	var all []io.ReadCloser
	for range 8 {
		all = append(all, begin(t, tr, s.addr))
	}
	settle(t, "connections", int(s.lines.Load()), func() int { return 8 })
	finish(all...)
	before := runtime.NumGoroutine()
	tr.CloseIdleConnections()
	settle(t, "goroutines", before-8, runtime.NumGoroutine) // the server's own
}
