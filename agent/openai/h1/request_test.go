package h1_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nearside/agent/openai/h1"
)

// TestRequest holds requests, as the server reads them, to those of the
// library.
func TestRequest(t *testing.T) {
	seen := make(chan string, 1)
	s := serve(t, func(l *line) {
		for req := l.take(); req != nil; req = l.take() {
			req.Header.Del("Accept-Encoding") // the library asks for gzip
			body, _ := io.ReadAll(req.Body)
			seen <- fmt.Sprint(req.Method, req.RequestURI, req.Host, req.Header, req.ContentLength, req.TransferEncoding, req.Close, string(body))
			l.say(ok)
		}
	})
	port := s.addr[strings.LastIndex(s.addr, ":"):]
	for name, change := range map[string]func(*http.Request){
		"as it is":           func(*http.Request) {},
		"a name":             func(r *http.Request) { r.URL.Host = "localhost" + port },
		"another host":       func(r *http.Request) { r.Host = "api.example" },
		"upper case":         func(r *http.Request) { r.URL.Host = "LOCALHOST" + port },
		"no path":            func(r *http.Request) { r.URL.Path = "" },
		"odd path":           func(r *http.Request) { r.URL.Path = "/a b/ä\n" },
		"a blank query":      func(r *http.Request) { r.URL.RawQuery = "a=1&b=%20" },
		"many values":        func(r *http.Request) { r.Header["X-A"] = []string{"1", "", "2"} },
		"a value with ends":  func(r *http.Request) { r.Header["X-A"] = []string{" 1 ", "\t2"} },
		"a value beyond":     func(r *http.Request) { r.Header["X-A"] = []string{"ä"} },
		"a name as it comes": func(r *http.Request) { r.Header["x-a"] = []string{"1"} },
		"an own agent":       func(r *http.Request) { r.Header.Set("User-Agent", "me") },
		"no agent":           func(r *http.Request) { r.Header["User-Agent"] = []string{""} },
		"nor this":           func(r *http.Request) { r.Header["User-Agent"] = nil },
		"a wrong host":       func(r *http.Request) { r.Header.Set("Host", "other.example") },
		"a wrong length":     func(r *http.Request) { r.Header.Set("Content-Length", "1") },
		"a wrong coding":     func(r *http.Request) { r.Header.Set("Transfer-Encoding", "chunked") },
		"closing":            func(r *http.Request) { r.Close = true },
		"closing by header":  func(r *http.Request) { r.Header.Set("Connection", "close") },
		"unknown length": func(r *http.Request) {
			r.Body, r.ContentLength, r.GetBody = io.NopCloser(strings.NewReader("abc")), -1, nil
		},
		"a large body": func(r *http.Request) {
			text := bytes.Repeat([]byte("large "), 20_000)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
		},
		"no header at all": func(r *http.Request) { r.Header = http.Header{} },
		"deleting":         func(r *http.Request) { r.Method = http.MethodDelete },
		"trailers":         func(r *http.Request) { r.Trailer = http.Header{"X-Sum": {"1"}} },
	} {
		t.Run(name, func(t *testing.T) {
			lib := settings()
			defer lib.CloseIdleConnections()
			for _, base := range []*http.Request{get(t, t.Context(), s.addr), post(t, t.Context(), s.addr, `{"a":1}`)} {
				var said []string
				for _, tr := range []http.RoundTripper{near(t), lib} {
					req := clone(t, base)
					change(req)
					if got := ask(tr, req); got.body != "ok" {
						t.Fatalf("%T: got %v, want an answer", tr, got.err)
					}
					said = append(said, <-seen)
				}
				if said[0] != said[1] {
					t.Errorf("got %.400s\nthe library %.400s", said[0], said[1])
				}
			}
		})
	}
}

// TestRefused: what the library does not send is not sent. Nobody answers: of a body
// that is too long the library sends all but the rest, and only then looks.
func TestRefused(t *testing.T) {
	s := serve(t, func(l *line) {
		for l.take() != nil {
		}
	})
	for name, change := range map[string]func(*http.Request){
		"a line end in a value":  func(r *http.Request) { r.Header["X-A"] = []string{"1\r\nX-B: 2"} },
		"a null in a value":      func(r *http.Request) { r.Header["X-A"] = []string{"\x00"} },
		"a colon in a name":      func(r *http.Request) { r.Header["X-A:"] = []string{"1"} },
		"a line end in a name":   func(r *http.Request) { r.Header["X\n"] = []string{"1"} },
		"no name":                func(r *http.Request) { r.Header[""] = []string{"1"} },
		"no host":                func(r *http.Request) { r.URL.Host = "" },
		"a line end in a query":  func(r *http.Request) { r.URL.RawQuery = "a\r\nb" },
		"an unknown scheme":      func(r *http.Request) { r.URL.Scheme = "gopher" },
		"a method with a blank":  func(r *http.Request) { r.Method = "GET /x HTTP/1.1\r\n" },
		"a body that is short":   func(r *http.Request) { r.ContentLength++ },
		"a body that is longer":  func(r *http.Request) { r.ContentLength-- },
		"a body that is a fault": func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), broken{})) },
	} {
		t.Run(name, func(t *testing.T) {
			lib := settings()
			defer lib.CloseIdleConnections()
			for _, tr := range []http.RoundTripper{near(t), lib} {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				req := post(t, ctx, s.addr, `{"a":1}`)
				closed := &closing{ReadCloser: req.Body}
				req.Body = closed
				change(req)
				if got := ask(tr, req); got.err == nil || ctx.Err() != nil {
					t.Errorf("%T: got %d %q %v, want it refused", tr, got.status, got.body, got.err)
				}
				if req.Body == io.ReadCloser(closed) && closed.n.Load() == 0 {
					t.Errorf("%T: the body was not closed", tr)
				}
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

type closing struct {
	io.ReadCloser
	n atomic.Int32
}

func (c *closing) Close() error {
	c.n.Add(1)
	return c.ReadCloser.Close()
}

// TestRest: what is not plain goes the library's way, which asks for gzip.
func TestRest(t *testing.T) {
	s := serve(t, func(l *line) {
		for req := l.take(); req != nil; req = l.take() {
			way := "here"
			if req.Header.Get("Accept-Encoding") == "gzip" {
				way = "library"
			}
			fmt.Fprintf(l, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(way), way)
		}
	})
	for name, c := range map[string]struct {
		change func(*http.Request)
		want   string
	}{
		"plain":             {func(*http.Request) {}, "here"},
		"with a key":        {func(r *http.Request) { r.Header.Set("Authorization", "Bearer sk-1") }, "here"},
		"64 KiB":            {func(r *http.Request) { sized(r, 64<<10) }, "here"},
		"over 64 KiB":       {func(r *http.Request) { sized(r, 64<<10+1) }, "library"},
		"not in memory":     {func(r *http.Request) { r.GetBody = nil }, "library"},
		"of no length":      {func(r *http.Request) { r.ContentLength = -1 }, "library"},
		"of length 0":       {func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("")), 0 }, "library"},
		"another method":    {func(r *http.Request) { r.Method = http.MethodPut }, "library"},
		"to be closed":      {func(r *http.Request) { r.Close = true }, "library"},
		"an upgrade":        {func(r *http.Request) { r.Header.Set("Upgrade", "x") }, "library"},
		"beyond ASCII":      {func(r *http.Request) { r.Header.Set("X-A", "ä") }, "library"},
		"a name of no rule": {func(r *http.Request) { r.Header["x-a"] = []string{"1"} }, "library"},
	} {
		t.Run(name, func(t *testing.T) {
			req := post(t, t.Context(), s.addr, "{}")
			c.change(req)
			if got := ask(near(t), req); got.body != c.want {
				t.Errorf("got %q %v, want %q", got.body, got.err, c.want)
			}
		})
	}
	t.Run("a proxy", func(t *testing.T) {
		rest := settings()
		rest.Proxy = func(*http.Request) (*urlType, error) { return urlOf("http://" + s.addr), nil }
		tr := h1.New(rest)
		defer tr.CloseIdleConnections()
		if got := ask(tr, get(t, t.Context(), "api.example")); got.body != "library" {
			t.Errorf("got %q %v, want the proxy's answer", got.body, got.err)
		}
	})
}

func sized(r *http.Request, n int) {
	text := bytes.Repeat([]byte("x"), n)
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	r.Body, _ = r.GetBody()
	r.ContentLength = int64(n)
}
