package h1_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/agent/openai/h1"
)

// line is a connection as a server has it.
type line struct {
	net.Conn
	in *bufio.Reader
	nr int // from 1
}

// take reads one request to its end; nil when there is none.
func (l *line) take() *http.Request {
	req, err := http.ReadRequest(l.in)
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	return req
}

func (l *line) say(text string) { _, _ = io.WriteString(l, text) }

// server answers with what a script says, byte for byte.
type server struct {
	addr  string
	lines atomic.Int32 // accepted so far
}

// serve runs the script for every connection, which is closed after it.
func serve(t testing.TB, script func(*line)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{addr: l.Addr().String()}
	var all sync.WaitGroup
	var mu sync.Mutex
	live := map[net.Conn]bool{}
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range live {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			live[c] = true
			mu.Unlock()
			nr := int(s.lines.Add(1))
			all.Go(func() {
				script(&line{c, bufio.NewReader(c), nr})
				c.Close()
				mu.Lock()
				delete(live, c)
				mu.Unlock()
			})
		}
	})
	return s
}

// always answers every request with that text.
func always(text string) func(*line) {
	return func(l *line) {
		for l.take() != nil {
			l.say(text)
		}
	}
}

// settings are those of a library's transport with small bounds.
func settings() *http.Transport {
	return &http.Transport{MaxIdleConns: 8, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10}
}

func near(t testing.TB) *h1.Transport {
	tr := h1.New(settings())
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func get(t testing.TB, ctx context.Context, addr string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/v1/models?a=b", nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func post(t testing.TB, ctx context.Context, addr, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v1/chat", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header["Idempotency-Key"] = nil
	return req
}

// end is what came of a call.
type end struct {
	status int
	header http.Header
	body   string
	err    error // of the call, or of its body
	begun  bool  // there was a head
}

func ask(tr http.RoundTripper, req *http.Request) end {
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return end{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return end{resp.StatusCode, resp.Header, string(text), err, true}
}
