package h1_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"nearside/agent/openai/h1"
)

// tape is a connection that keeps what is written, and answers once the head of
// a request is there.
type tape struct {
	net.Conn // what is not asked for
	answer   *strings.Reader
	asked    chan struct{}
	over     chan struct{}
	once     sync.Once
	mu       sync.Mutex // guards said
	said     bytes.Buffer
}

func newTape() *tape {
	return &tape{
		answer: strings.NewReader("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
		asked:  make(chan struct{}, 1), over: make(chan struct{}),
	}
}

func (t *tape) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := bytes.Contains(t.said.Bytes(), []byte("\r\n\r\n"))
	t.said.Write(p)
	if !before && bytes.Contains(t.said.Bytes(), []byte("\r\n\r\n")) {
		t.asked <- struct{}{}
	}
	return len(p), nil
}

func (t *tape) Read(p []byte) (int, error) {
	select {
	case <-t.asked:
		t.asked <- struct{}{}
		return t.answer.Read(p)
	case <-t.over:
		return 0, net.ErrClosed
	}
}

func (t *tape) Close() error {
	t.once.Do(func() { close(t.over) })
	return nil
}

// text is the request with its headers in order, which is any.
func (t *tape) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	head, body, _ := strings.Cut(t.said.String(), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	slices.Sort(lines[1:])
	return fmt.Sprintf("%q %q", lines, body)
}

// FuzzRequest sends requests of any address, host, method and header, as a config
// may name them: where the library sends one, the same goes over the wire to the
// same place, and where it refuses to, nothing does.
func FuzzRequest(f *testing.F) {
	for _, url := range []string{
		"http://a.example", "http://A.Example:80/x?y=z&q=%zz", "http://user:pw@h/x", "http://h:/x", "http://h/%2f%20//..;a", "http://ä.example/ä", "http://h/?", "http://h/#frag", "http://h?x#y",
		"http://[::1]:8080/v1", "http://[fe80::1%25eth0]:8080/v1", "http://::1/", "http://a_b/\\", "http://1.2.3.4:99999/a", "http:///x", "http:h/x", "http://h/a b", "http://h.:80/", "http://h/x?a b",
	} {
		f.Add(url, "X-A", "b", "POST", "")
	}
	for _, name := range []string{"x-a", "X-A ", "Host", "Content-Length", "User-Agent", "Accept-Encoding", "Te", "Trailer", "Range", "X\r\nY", "Connection", "", "X-1a", "X_A", "Idempotency-Key"} {
		f.Add("http://h/x", name, "v", "GET", "")
		f.Add("http://h/x", name, "", "POST", "other.example")
	}
	for _, value := range []string{" v ", "\tv", "a\r\nb: c", "ä", "\x7f", "a\tb", "\x00", strings.Repeat("v", 5000)} {
		f.Add("http://h/x", "X-A", value, "POST", value)
	}
	f.Fuzz(func(t *testing.T, url, name, value, method, host string) {
		req, err := http.NewRequest(method, url, strings.NewReader("{}"))
		if err != nil || req.URL.Scheme != "http" {
			return
		}
		if method == http.MethodGet {
			req.Body, req.GetBody, req.ContentLength = nil, nil, 0
		}
		req.Header[name] = []string{value, value}
		req.Host = cmp.Or(host, req.Host)
		got := sent(t, clone(t, req), func(rest *http.Transport) http.RoundTripper { return h1.New(rest) })
		want := sent(t, clone(t, req), func(rest *http.Transport) http.RoundTripper { return rest })
		if got != want {
			t.Errorf("got %.900s\nthe library %.900s", got, want)
		}
		got = sent(t, clone(t, req), func(rest *http.Transport) http.RoundTripper { return next{h1.New(rest)} })
		if got != want {
			t.Errorf("made ready it is %.900s\nthe library %.900s", got, want)
		}
	})
}

// sent is what goes to which address for a request, and whether it was answered.
func sent(t *testing.T, req *http.Request, way func(*http.Transport) http.RoundTripper) string {
	t.Helper()
	rest, said := &http.Transport{DisableCompression: true}, ""
	c := newTape()
	rest.DialContext = func(_ context.Context, _, addr string) (net.Conn, error) {
		said = addr
		return c, nil
	}
	got := ask(way(rest), req)
	return fmt.Sprint(said, " ", c.text(), " ", got.body, got.err != nil)
}
