package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/agent/openai/client"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/agent/openai/h1"
)

func TestChat(t *testing.T) {
	c := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer secret" ||
			r.Header.Get("Content-Type") != "application/json" || string(body) != `{"a":1}` {
			t.Errorf("asked %s %s %v %s", r.Method, r.URL, r.Header, body)
		}
		_, _ = io.WriteString(w, plain)
	})
	for _, shape := range []completion.Shape{{}, {Strip: true}} {
		a, body, err := c.Chat(t.Context(), []byte(`{"a":1}`), shape)
		if err != nil || a.Text() != "Hello" || a.Finish != "stop" || a.Model != "m" || a.Usage.In != 3 || a.Usage.Out != 2 || len(a.Tokens) != 1 {
			t.Fatalf("got %+v, %v", a, err)
		}
		if strings.Contains(string(body), "logprobs") == shape.Strip || !strings.Contains(string(body), `"exotic":1`) {
			t.Errorf("%+v: body %s", shape, body)
		}
	}
}

// TestPrepare asks as two copies of a prepared client and as one that is not:
// all that differs is the trace, and what a new connection has to send again is
// there.
func TestPrepare(t *testing.T) {
	var asked []string
	c := client.Client{Base: "http://server/v1/", Key: "secret", HTTP: trip(func(r *http.Request) (*http.Response, error) {
		again, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		first, _ := io.ReadAll(r.Body)
		second, _ := io.ReadAll(again)
		asked = append(asked, fmt.Sprint(r.Method, r.URL, r.Host, r.Header, r.ContentLength, string(first), string(second)))
		return nil, io.ErrUnexpectedEOF
	})}
	for range 2 {
		for _, trace := range []string{"one", "", "two"} {
			call := c
			call.Trace = trace
			if _, _, err := call.Chat(t.Context(), []byte(`{"trace":"`+trace+`"}`), completion.Shape{}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatal(err)
			}
		}
		c.Prepare()
	}
	if got, want := asked[3:], asked[:3]; !slices.Equal(got, want) || !strings.Contains(got[2], "Traceparent:[two]") {
		t.Errorf("prepared asked\n%q, want\n%q", got, want)
	}
}

// TestPrepareNear: the same over a connection, where the client has a way of its
// own for what is plain: short, long and streamed.
func TestPrepareNear(t *testing.T) {
	var asked []string
	c := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Header.Del("Accept-Encoding") // the library's way asks for gzip
		asked = append(asked, fmt.Sprint(r.Method, r.URL, r.Host, r.Header, r.ContentLength, len(r.TransferEncoding), string(body[:min(len(body), 99)])))
		http.Error(w, "", http.StatusTeapot)
	})
	way := h1.New(&http.Transport{})
	defer way.CloseIdleConnections()
	c.HTTP = way
	for range 2 {
		for _, trace := range []string{"one", ""} {
			for _, n := range []int{0, 1, h1.MaxBody, h1.MaxBody + 1} {
				call := *c
				call.Trace = trace
				_, _, err := call.Chat(t.Context(), []byte(strings.Repeat("1", n)), completion.Shape{})
				_, err2 := call.ChatStream(t.Context(), []byte(strings.Repeat("1", n)), completion.Shape{})
				if asError(t, err).Status != http.StatusTeapot || asError(t, err2).Status != http.StatusTeapot {
					t.Fatal(err, err2)
				}
			}
		}
		c.Prepare()
	}
	if got, want := asked[16:], asked[:16]; !slices.Equal(got, want) || !strings.Contains(got[2], "Traceparent:[one]") {
		t.Errorf("prepared asked\n%q, want\n%q", got, want)
	}
}

func TestChatFaults(t *testing.T) {
	tests := []struct {
		name string
		h    http.HandlerFunc
		want error
		word string
	}{
		{"HTML", says("<html>sign in</html>"), fault.ErrBroken, "broken"},
		{"nothing", says(""), fault.ErrBroken, "broken"},
		{"no choices", says(`{"choices":[]}`), fault.ErrBroken, "broken"},
		{"null error", says(`{"error":null}`), fault.ErrBroken, "broken"},
		{"cut JSON", says(plain[:50]), fault.ErrBroken, "broken"},
		{"too much", says(strings.Repeat(" ", 33<<20)), fault.ErrBroken, "broken"},
		{"no words", says(strings.Replace(plain, "Hello", "", 1)), fault.ErrEmpty, "empty"},
		{"cut body", func(w http.ResponseWriter, _ *http.Request) { send(w, plain[:50]); panic(http.ErrAbortHandler) }, fault.ErrCut, "cut"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, fault.ErrBroken, "broken"},
		{"no content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, fault.ErrBroken, "broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := server(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					t.Error("followed the redirect")
				}
				tt.h(w, r)
			})
			_, _, err := c.Chat(t.Context(), nil, completion.Shape{})
			if !errors.Is(err, tt.want) || fault.Result(err) != tt.word {
				t.Errorf("got %v (%s), want %v", err, fault.Result(err), tt.want)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	c := server(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	late, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	spent, cancel := context.WithCancelCause(t.Context())
	cancel(fault.ErrTimeout)
	for ctx, word := range map[context.Context]string{late: "timeout", spent: "timeout"} {
		if _, _, err := c.Chat(ctx, nil, completion.Shape{}); fault.Result(err) != word {
			t.Errorf("got %v, want %s", err, word)
		}
		if err := c.Ping(ctx); fault.Result(err) != word {
			t.Errorf("ping: got %v, want %s", err, word)
		}
	}
	gone := &client.Client{Base: "http://127.0.0.1:1/v1", HTTP: &http.Transport{}}
	if _, err := gone.ChatStream(t.Context(), nil, completion.Shape{}); fault.Result(err) != "unreachable" {
		t.Errorf("got %v, want unreachable", err)
	}
	if _, _, err := (&client.Client{Base: ":"}).Chat(t.Context(), nil, completion.Shape{}); err == nil {
		t.Error("a base that is no URL was taken")
	}
}

// TestPing tells a list of models from what else may answer in its place.
func TestPing(t *testing.T) {
	for _, x := range []struct {
		status int
		to     string
		body   string
		want   string
	}{
		{200, "", ` {"object":"list","data":[]}`, ""},
		{200, "", "<html>sign in</html>", "broken reply: no list of models"},
		{200, "", `{"cut":`, "broken reply: no list of models"},
		{401, "", `{"error":{"message":"who?"}}`, "401 upstream_error: who?"},
		{302, "http://portal.example/", "", "broken reply: status 302, redirects are not followed, to portal.example"},
		{307, "/v2/models", "", "broken reply: status 307, redirects are not followed"},
		{511, "", "", "511 upstream_error: Network Authentication Required"},
	} {
		c := server(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "GET" || r.URL.Path != "/v1/models" {
				t.Errorf("asked %s %s", r.Method, r.URL)
			}
			w.Header().Set("Location", x.to)
			w.WriteHeader(x.status)
			_, _ = io.WriteString(w, x.body)
		})
		got := ""
		if err := c.Ping(t.Context()); err != nil {
			got = err.Error()
		}
		if got != x.want {
			t.Errorf("%d %s: got %q, want %q", x.status, x.body, got, x.want)
		}
	}
}

// TestSendElsewhere: a reply that leads to another host tells of a portal.
func TestSendElsewhere(t *testing.T) {
	c := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://portal.invalid/login", http.StatusFound)
	})
	_, err := c.Send(t.Context(), http.MethodPost, "/embeddings", nil)
	var to *fault.Redirect
	if !errors.As(err, &to) || to.Host != "portal.invalid" || !errors.Is(err, fault.ErrBroken) {
		t.Errorf("got %v", err)
	}
}

// TestKeyIsHidden: an error that quotes the key does not, however JSON writes it.
func TestKeyIsHidden(t *testing.T) {
	for _, body := range []string{`{"error":{"message":"bad key sec/ret+key"}}`, `{"error":{"message":"bad key sec\/ret\u002bkey"}}`, "bad key sec/ret+key"} {
		c := server(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			says(body)(w, nil)
		})
		c.Key, c.Hide = "sec/ret+key", []byte("sec/ret+key")
		_, _, chat := c.Chat(t.Context(), nil, completion.Shape{})
		_, send := c.Send(t.Context(), http.MethodPost, "/embeddings", nil)
		for _, err := range []error{chat, send} {
			if e := asError(t, err); e.Message != "bad key [redacted]" {
				t.Errorf("%s: got %q", body, e.Message)
			}
		}
	}
}
