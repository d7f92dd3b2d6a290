package h1_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/agent/openai/h1"
)

func timeout(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// TestCancelled ends calls at random points: each ends at once with the cause,
// nothing is left of it, and no connection that was kept is the worse for it.
func TestCancelled(t *testing.T) {
	s := serve(t, func(l *line) {
		r := rand.New(rand.NewPCG(uint64(l.nr), 1))
		for l.take() != nil {
			const text = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
			for _, piece := range cut(text, []int{r.IntN(len(text)), r.IntN(len(text))}) {
				l.say(piece)
			}
		}
	})
	tr := near(t)
	why := errors.New("the caller left")
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	calls := make(chan int)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range calls {
				ctx, cancel := context.WithCancelCause(t.Context())
				stop := time.AfterFunc(time.Duration(rand.IntN(300))*time.Microsecond, func() { cancel(why) })
				got := ask(tr, post(t, ctx, s.addr, `{"a":1}`))
				if got.err == nil && got.body != "0123456789" || got.err != nil && !errors.Is(got.err, why) {
					t.Errorf("call %d: got %q %v, want all or the cause", i, got.body, got.err)
				}
				stop.Stop()
				cancel(nil)
				if got := ask(tr, get(t, t.Context(), s.addr)); got.body != "0123456789" {
					t.Errorf("after call %d: got %q %v, want an answer", i, got.body, got.err)
				}
			}
		})
	}
	for i := range 1000 {
		calls <- i
	}
	close(calls)
	all.Wait()
	tr.CloseIdleConnections()
	settle(t, "goroutines", goroutines, runtime.NumGoroutine)
	settle(t, "descriptors", files, func() int { return descriptors(t) })
}

func descriptors(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// settle waits until no more of something is there than at first.
func settle(t testing.TB, what string, first int, count func() int) {
	t.Helper()
	end := time.Now().Add(10 * time.Second)
	for count() > first {
		if time.Now().After(end) {
			t.Fatalf("got %d %s, want no more than the %d at first", count(), what, first)
		}
		runtime.Gosched()
	}
}

// TestEnds: a context that ends, ends a call wherever it is.
func TestEnds(t *testing.T) {
	why := errors.New("enough")
	for name, script := range map[string]func(*line, func()){
		"never reads":     func(l *line, reached func()) { reached(); hold(l) },
		"never answers":   func(l *line, reached func()) { l.take(); reached(); hold(l) },
		"within the head": func(l *line, reached func()) { l.take(); l.say("HTTP/1.1 200 OK\r\nX-"); reached(); hold(l) },
		"within the body": func(l *line, reached func()) {
			l.take()
			l.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
			reached()
			hold(l)
		},
		"within a chunk": func(l *line, reached func()) {
			l.take()
			l.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab")
			reached()
			hold(l)
		},
		"a head in drips":  func(l *line, reached func()) { l.take(); drip(l, "HTTP/1.1 200 OK\r\nX-A: ", reached) },
		"1xx after 1xx":    func(l *line, reached func()) { l.take(); l.say("HTTP/1.1 102 x\r\n\r\n"); reached(); hold(l) },
		"half closed":      func(l *line, reached func()) { _ = l.Conn.(*net.TCPConn).CloseRead(); reached(); hold(l) },
		"a body in drips":  func(l *line, reached func()) { l.take(); drip(l, "HTTP/1.1 200 OK\r\n\r\n", reached) },
		"until the end of": func(l *line, reached func()) { l.take(); l.say("HTTP/1.1 200 OK\r\n\r\nab"); reached(); hold(l) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			gone := make(chan struct{})
			s := serve(t, func(l *line) {
				defer close(gone)
				script(l, func() { cancel(why) })
			})
			req := post(t, ctx, s.addr, "{}")
			sized(req, 60<<10)
			if got := ask(near(t), req); !errors.Is(got.err, why) {
				t.Errorf("got %d %q %v, want the cause", got.status, got.body, got.err)
			}
			<-gone // the connection is closed
		})
	}
	t.Run("before it began", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		s := serve(t, always(ok))
		if got := ask(near(t), get(t, ctx, s.addr)); !errors.Is(got.err, why) || s.lines.Load() > 0 {
			t.Errorf("got %v after %d connections, want the cause after none", got.err, s.lines.Load())
		}
	})
}

// hold waits until the other end closes.
func hold(l *line) { _, _ = io.Copy(io.Discard, l.Conn) }

func drip(l *line, text string, reached func()) {
	l.say(text)
	for i := 0; ; i++ {
		if _, err := l.Write([]byte("x")); err != nil {
			return
		}
		if i == 3 {
			reached()
		}
		runtime.Gosched()
	}
}

// TestDead holds what follows a connection that died while it was kept: another
// one for a request that may be sent again, and only when no byte came back.
func TestDead(t *testing.T) {
	for name, c := range map[string]struct {
		reads bool        // the server reads a second request first
		after func(*line) // what it does then, or as soon as the connection is kept
		once  bool        // the request says nothing of being sent twice
		lines int32       // connections in all
		asked int32       // requests that were read
		good  bool
	}{
		"closed unread":              {after: func(l *line) { l.Close() }, lines: 2, asked: 2, good: true},
		"closed unread, one try":     {after: func(l *line) { l.Close() }, once: true, lines: 2, asked: 2, good: true},
		"408 unasked":                {after: func(l *line) { l.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"); l.Close() }, lines: 2, asked: 2, good: true},
		"an answer nobody asked for": {after: func(l *line) { l.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") }, lines: 2, asked: 2, good: true},
		"read and closed":            {reads: true, after: func(l *line) { l.Close() }, lines: 2, asked: 3, good: true},
		"read and closed, one try":   {reads: true, after: func(l *line) { l.Close() }, once: true, lines: 1, asked: 2},
		"read and reset":             {reads: true, after: func(l *line) { _ = l.Conn.(*net.TCPConn).SetLinger(0); l.Close() }, lines: 2, asked: 3, good: true},
		"a byte and closed":          {reads: true, after: func(l *line) { l.say("H"); l.Close() }, lines: 1, asked: 2},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			kept, done := make(chan struct{}), make(chan struct{})
			s := serve(t, func(l *line) {
				answer := func() {
					if l.take() != nil {
						asked.Add(1)
					}
				}
				answer()
				l.say(ok)
				if l.nr > 1 {
					hold(l)
					return
				}
				<-kept
				if c.reads {
					close(done)
					answer()
				}
				c.after(l)
				if !c.reads {
					close(done)
				}
				hold(l)
			})
			tr := near(t)
			if got := ask(tr, get(t, t.Context(), s.addr)); got.err != nil {
				t.Fatal(got.err)
			}
			close(kept)
			<-done
			req := post(t, t.Context(), s.addr, `{"b":2}`)
			if c.once {
				req.Header.Del("Idempotency-Key")
			}
			got := ask(tr, req)
			if (got.body == "ok") != c.good || s.lines.Load() != c.lines || asked.Load() != c.asked {
				t.Errorf("got %q %v over %d connections, %d requests; want %v, %d, %d", got.body, got.err, s.lines.Load(), asked.Load(), c.good, c.lines, c.asked)
			}
		})
	}
}

// TestDialDeadline: a dial that would end by itself when the time of its call is
// up, a moment before the context does, leaves the end to the context.
func TestDialDeadline(t *testing.T) {
	rest := settings()
	rest.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		if _, ok := ctx.Deadline(); ok {
			return nil, os.ErrDeadlineExceeded
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	why := errors.New("the time is up")
	for name, tr := range map[string]http.RoundTripper{"here": h1.New(rest), "library": rest} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, why)
		if got := ask(tr, get(t, ctx, "a.example")); got.err != why {
			t.Errorf("%s: got %v, want %v", name, got.err, why)
		}
		cancel()
	}
}

// TestNewConnection: a fault of a connection that was never used before is the
// answer.
func TestNewConnection(t *testing.T) {
	s := serve(t, func(l *line) { l.take() })
	if got := ask(near(t), post(t, t.Context(), s.addr, "{}")); !errors.Is(got.err, io.EOF) || s.lines.Load() != 1 {
		t.Errorf("got %v over %d connections, want an end over one", got.err, s.lines.Load())
	}
}

// TestEarly: an answer that comes before the request was read whole counts.
func TestEarly(t *testing.T) {
	s := serve(t, func(l *line) {
		l.say("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
		_ = l.Conn.(*net.TCPConn).CloseWrite()
		hold(l)
	})
	req := post(t, t.Context(), s.addr, "{}")
	sized(req, 64<<10)
	if got := ask(near(t), req); got.status != http.StatusRequestEntityTooLarge || got.body != "large" {
		t.Errorf("got %d %q %v, want the answer", got.status, got.body, got.err)
	}
}

// TestClosed: a body that is closed early ends its connection, and is read no
// more; also when another goroutine reads.
func TestClosed(t *testing.T) {
	s := serve(t, func(l *line) {
		l.take()
		l.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
		hold(l)
	})
	tr := near(t)
	for i := range 50 {
		resp, err := tr.RoundTrip(get(t, t.Context(), s.addr))
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, resp.Body)
			read <- err
		}()
		if i%2 == 0 {
			runtime.Gosched()
		}
		resp.Body.Close()
		if err := <-read; err == nil {
			t.Error("got the end of a body that was closed, want an error")
		}
		if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("got %v from a closed body, want %v", err, http.ErrBodyReadAfterClose)
		}
		resp.Body.Close()
	}
	if n := s.lines.Load(); n != 50 {
		t.Errorf("got %d connections for 50 bodies that were closed early", n)
	}
}

// TestLastWords closes bodies before their end was read, as it is done behind the
// last event of a stream: the connection is kept when nothing but the end was
// left and it was there, and nothing is waited for.
func TestLastWords(t *testing.T) {
	const first = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n[DONE]\r\n"
	for name, c := range map[string]struct {
		along, then string // what comes with the first chunk, and after it was read
		kept        bool
	}{
		"the end comes along":    {along: "0\r\n\r\n", kept: true},
		"the end comes after it": {then: "0\r\n\r\n", kept: true},
		"in two":                 {along: "0\r", then: "\n\r\n", kept: true},
		"a blank line first":     {then: "1\r\n\n\r\n0\r\n\r\n", kept: true},
		"with trailers":          {then: "0\r\nX-Sum: 1\r\n\r\n", kept: true},
		"no end":                 {},
		"half an end":            {then: "0\r\n"},
		"one more event":         {then: "64\r\n" + strings.Repeat("x", 100) + "\r\n0\r\n\r\n"},
		"more than the end":      {then: "0\r\n\r\n" + ok},
		"nonsense":               {then: "zz\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			read, said := make(chan struct{}), make(chan struct{})
			s := serve(t, func(l *line) {
				if l.take() == nil {
					return
				}
				if l.nr > 1 {
					l.say(ok)
					return
				}
				l.say(first + c.along)
				<-read
				l.say(c.then)
				close(said)
				if l.take() != nil {
					l.say(ok)
				}
			})
			tr := near(t)
			resp, err := tr.RoundTrip(get(t, t.Context(), s.addr))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, 6)); err != nil {
				t.Fatal(err)
			}
			close(read)
			<-said
			resp.Body.Close()
			if n, err := resp.Body.Read(make([]byte, 9)); n != 0 || err != http.ErrBodyReadAfterClose {
				t.Errorf("got %d bytes, %v of a closed body, want %v", n, err, http.ErrBodyReadAfterClose)
			}
			if got := ask(tr, get(t, t.Context(), s.addr)); got.body != "ok" || s.lines.Load() == 1 != c.kept {
				t.Errorf("got %q %v over %d connections, want the same one %v", got.body, got.err, s.lines.Load(), c.kept)
			}
		})
	}
}

// TestAbandoned leaves 120 calls that wait for an answer: nothing stays.
func TestAbandoned(t *testing.T) {
	var waiting sync.WaitGroup
	waiting.Add(120)
	s := serve(t, func(l *line) {
		if l.take() != nil {
			waiting.Done()
		}
		hold(l)
	})
	tr := near(t)
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 120 {
		all.Go(func() {
			if got := ask(tr, post(t, ctx, s.addr, "{}")); !errors.Is(got.err, context.Canceled) {
				t.Errorf("got %v, want that it was cancelled", got.err)
			}
		})
	}
	waiting.Wait()
	cancel()
	all.Wait()
	settle(t, "goroutines", goroutines, runtime.NumGoroutine)
	settle(t, "descriptors", files, func() int { return descriptors(t) })
}

// TestTrace: the hooks that callers rely on are called here as by the library.
func TestTrace(t *testing.T) {
	s := serve(t, func(l *line) {
		for i := 0; l.take() != nil && i < 2; i++ {
			l.say(ok)
		}
	})
	for name, tr := range map[string]http.RoundTripper{"here": near(t), "library": h1.New(settings())} {
		var said []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn:              func(i httptrace.GotConnInfo) { said = append(said, fmt.Sprint("reused ", i.Reused)) },
			GotFirstResponseByte: func() { said = append(said, "answer") },
		})
		for range 3 {
			req := get(t, ctx, s.addr)
			if name == "library" {
				req.Header["x-a"] = nil
			}
			ask(tr, req)
		}
		want := "reused false,answer,reused true,answer,reused true,reused false,answer"
		if got := strings.Join(said, ","); got != want && got != strings.Replace(want, "reused true,reused false", "reused false", 1) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		tr.(*h1.Transport).CloseIdleConnections()
	}
}

// TestBound: no more calls at a time than there may be connections, whichever
// way they go; one that leaves while it waits is gone.
func TestBound(t *testing.T) {
	var now, most atomic.Int32
	release := make(chan struct{})
	s := serve(t, func(l *line) {
		for l.take() != nil {
			for n, m := now.Add(1), most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-release
			now.Add(-1)
			l.say(ok)
		}
	})
	rest := settings()
	rest.MaxConnsPerHost = 2
	tr := h1.New(rest)
	defer tr.CloseIdleConnections()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			req := post(t, t.Context(), s.addr, "{}")
			if i%3 == 0 {
				sized(req, 100<<10)
			}
			if got := ask(tr, req); got.body != "ok" {
				t.Errorf("got %q %v, want an answer", got.body, got.err)
			}
		})
	}
	left, cancel := context.WithCancel(t.Context())
	all.Go(func() { ask(tr, get(t, left, s.addr)) })
	cancel()
	close(release)
	all.Wait()
	if n := most.Load(); n > 2 {
		t.Errorf("got %d calls at a time, want 2", n)
	}
}

// TestBoundAbandoned: a call whose context ended holds no slot, though nobody
// closed its body, whichever way it went.
func TestBoundAbandoned(t *testing.T) {
	s := serve(t, func(l *line) {
		for l.take() != nil {
			l.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
		}
	})
	rest := settings()
	rest.MaxConnsPerHost = 2
	tr := h1.New(rest)
	defer tr.CloseIdleConnections()
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	for i := range 40 {
		ctx, cancel := timeout(t, 20*time.Second)
		req := post(t, ctx, s.addr, "{}")
		if i%2 == 0 {
			sized(req, 100<<10)
		}
		if _, err := tr.RoundTrip(req); err != nil {
			t.Fatalf("call %d: got %v, want a reply", i, err)
		}
		cancel()
	}
	settle(t, "goroutines", goroutines, runtime.NumGoroutine)
	settle(t, "descriptors", files, func() int { return descriptors(t) })
}
