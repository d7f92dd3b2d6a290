package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
	"nearside/agent/server"
)

// TestSpelling: the path of an ask counts as net/http's mux has it, however it
// is spelled, and so does its method.
func TestSpelling(t *testing.T) {
	f := world{local: says("local/small", "Hi.")}.open(t)
	const chat = "/v1/chat/completions"
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"POST", chat, 200},
		{"POST", chat + "?x=1", 200},
		{"POST", "http://localhost" + chat, 200},
		{"POST", "/v1/ch%61t/completions", 200},
		{"POST", "/v1//chat/completions", 307},
		{"POST", "/v1/./chat/completions", 307},
		{"POST", "/v1/x/../chat/completions", 307},
		{"POST", chat + "/", 404},
		{"POST", "/v1/chat%2Fcompletions", 404},
		{"POST", "/v1/chat/Completions", 404},
		{"POST", "*", 400},
		{"post", chat, 405},
		{"GET", chat, 405},
		{"HEAD", chat, 405},
		{"PUT", "/v1/embeddings", 405},
		{"OPTIONS", chat, 204},
	} {
		w := f.dial(t, "tcp")
		w.say(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", c.method, c.path, len(hello), hello))
		resp, err := http.ReadResponse(w.in, &http.Request{Method: c.method})
		if err != nil {
			t.Fatalf("%s %s: %v", c.method, c.path, err)
		}
		if text, _ := io.ReadAll(resp.Body); resp.StatusCode != c.want {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, resp.StatusCode, text, c.want)
		}
		if allow := resp.Header.Get("Allow"); c.want == http.StatusMethodNotAllowed && allow != "POST" {
			t.Errorf("%s %s: allowed is %q", c.method, c.path, allow)
		}
	}
}

// after answers as the next does, but not sooner.
func after(d time.Duration, next answerer) answerer {
	return func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
		select {
		case <-time.After(d):
			return next(ctx, call)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// TestLongAnswer: an answer may take longer than a body may take to come and a
// reply to be read; so may a refusal.
func TestLongAnswer(t *testing.T) {
	t.Parallel()
	const bound = time.Second // in which a busy machine says what it has to
	f := world{
		local: after(2*bound, says("local/small", "Paris.")), cloud: after(2*bound, fails("cloud/first", fault.ErrBroken)),
		limits: server.Limits{Header: bound, Body: bound, Unread: bound, Idle: bound},
	}.open(t)
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		turn(`"model":"local"`):               {200, "Paris."},
		turn(`"model":"local","stream":true`): {200, "data: [DONE]"},
		turn(`"model":"cloud"`):               {502, "upstream_error"},
		turn(`"model":"cloud","stream":true`): {502, "upstream_error"},
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			if got := f.chat(body); got.status != want.status || !strings.Contains(got.body, want.says) {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}

// TestKept: how long a caller may take counts on a connection that has carried
// others before, and what was set for those counts no more.
func TestKept(t *testing.T) {
	t.Parallel()
	const bound = time.Second
	f := world{
		local: after(bound*5/4, says("local/small", "Hi.")), device: &gauge{},
		limits: server.Limits{Header: bound, Body: bound, Unread: 10 * bound, Idle: bound}, // a busy machine writes late
	}.open(t)
	before := []string{
		whole(turn(`"model":"local"`)), "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
		whole(turn(`"model":"local","stream":true`)), whole(`{}`),
	}
	for name, c := range map[string]struct {
		text string
		want int // 0: closed without an answer
	}{
		"nothing":     {"", 0},
		"half a head": {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: y\r\n", 0},
		"half a body": {post + "Content-Length: 100\r\n\r\n{", 408},
		"half a push": {"PUT /v1/device/signals HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", 408},
	} {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(network+" "+name, func(t *testing.T) {
				t.Parallel()
				w := f.dial(t, network)
				for _, text := range before {
					w.say(text)
					if resp := w.hear(); resp == nil || resp.Close {
						t.Fatalf("%q ended the connection: %+v", text, resp)
					}
				}
				w.say(c.text)
				if resp := w.hear(); resp == nil && c.want != 0 || resp != nil && resp.StatusCode != c.want {
					t.Errorf("got %+v, want status %d", resp, c.want)
				}
				w.ends(name)
			})
		}
	}
}
