package h1_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"nearside/agent/openai/h1"
)

// next sends requests as the next of many, where they can be.
type next struct{ *h1.Transport }

func (n next) RoundTrip(req *http.Request) (*http.Response, error) {
	ready := n.Prepare(req)
	if ready == nil {
		return n.Transport.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	return ready.Post(req.Context(), body, "X-Of-Its-Own", "")
}

// TestReady: a request that was made ready is, with each body and each value of
// the header, what it is when it is sent by itself.
func TestReady(t *testing.T) {
	seen := make(chan string, 1)
	s := serve(t, func(l *line) {
		for req := l.take(); req != nil; req = l.take() {
			body, _ := io.ReadAll(req.Body)
			seen <- fmt.Sprint(req.Method, req.RequestURI, req.Host, req.Header, req.ContentLength, string(body))
			l.say(ok)
		}
	})
	tr := near(t)
	first := post(t, t.Context(), s.addr, "{}")
	first.Header.Set("Authorization", "Bearer secret")
	ready := tr.Prepare(first)
	for _, body := range []string{"1", strings.Repeat("2", h1.MaxBody)} {
		for _, value := range []string{"", "a", "b c"} {
			req := post(t, t.Context(), s.addr, body)
			req.Header.Set("Authorization", "Bearer secret")
			if value != "" {
				req.Header.Set("X-Of-Its-Own", value)
			}
			if got := ask(tr, req); got.err != nil {
				t.Fatal(got.err)
			}
			want := <-seen
			resp, err := ready.Post(t.Context(), []byte(body), "X-Of-Its-Own", value)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			if got := <-seen; got != want || string(text) != "ok" || resp.Request != first {
				t.Errorf("got %.300s, answered %q, want %.300s", got, text, want)
			}
		}
	}
	if n := s.lines.Load(); n != 1 {
		t.Errorf("%d connections, want one", n)
	}
}

// TestReadyEnds: a call ends with its own context, for its cause, before the
// head of the reply and within its body, and then holds no place.
func TestReadyEnds(t *testing.T) {
	why := errors.New("the caller left")
	for name, said := range map[string]string{"nothing": "", "a head": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			s := serve(t, func(l *line) {
				for l.take() != nil {
					if l.nr > 1 {
						l.say(ok)
						continue
					}
					l.say(said)
					if said == "" {
						cancel(why)
					}
				}
			})
			rest := settings()
			rest.MaxConnsPerHost = 1
			tr := h1.New(rest)
			defer tr.CloseIdleConnections()
			ready := tr.Prepare(post(t, t.Context(), s.addr, "{}"))
			resp, err := ready.Post(ctx, []byte("1"), "", "")
			if err == nil {
				cancel(why)
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if !errors.Is(err, why) {
				t.Errorf("got %v, want %v", err, why)
			}
			if _, err := ready.Post(ctx, []byte("1"), "", ""); !errors.Is(err, why) {
				t.Errorf("with a context that is over: got %v, want %v", err, why)
			}
			resp, err = ready.Post(t.Context(), []byte("1"), "", "")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		})
	}
}

// TestNotReady: what is not plain goes by RoundTrip alone.
func TestNotReady(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"TLS":       func(r *http.Request) { r.URL.Scheme = "https" },
		"a look":    func(r *http.Request) { r.Method, r.Body, r.GetBody, r.ContentLength = http.MethodGet, nil, nil, 0 },
		"a framing": func(r *http.Request) { r.Header.Set("Transfer-Encoding", "chunked") },
		"a value":   func(r *http.Request) { r.Header.Set("X-A", "\n") },
	} {
		req := post(t, t.Context(), "127.0.0.1:1", "{}")
		change(req)
		if near(t).Prepare(req) != nil {
			t.Errorf("%s: it was made ready", name)
		}
	}
}
