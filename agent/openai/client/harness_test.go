package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"nearside/agent/openai/client"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server runs h and gives a client for it.
func server(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	transport := &http.Transport{}
	t.Cleanup(func() { transport.CloseIdleConnections(); s.Close() })
	return &client.Client{Base: s.URL + "/v1", Key: "secret", HTTP: transport}
}

// send writes and flushes one piece of a stream.
func send(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, text)
	w.(http.Flusher).Flush()
}

const plain = `{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},` +
	`"logprobs":{"content":[{"token":"Hello","logprob":-0.1}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2},"timings":{"x":1},"exotic":1}`

var (
	hel   = piece(`{"role":"assistant","content":"Hel"}`, "null")
	lo    = piece(`{"content":"lo"}`, "null")
	end   = piece(`{}`, `"stop"`)
	usage = `{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`
)

// piece is a chunk as a good server sends it; finish is null or a quoted word.
func piece(delta, finish string) string {
	return fmt.Sprintf(`{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`, delta, finish)
}

// canned is a server that answers every request with the same reply.
type canned struct{ kind, body string }

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {c.kind}},
		Body: io.NopCloser(strings.NewReader(c.body)),
	}, nil
}

// drain reads a stream to its end and closes it.
func drain(s *completion.Stream) (got []string, err error) {
	defer s.Close()
	for {
		chunk, err := s.Next()
		if err != nil {
			return got, err
		}
		got = append(got, string(chunk))
	}
}

// asError is err as the *Error it must be.
func asError(t *testing.T, err error) *fault.Error {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *fault.Error", err)
	}
	return e
}

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}
