package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/agent/openai/client"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/agent/openai/h1"
)

const said = `{"choices":[{"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}`

// forgetful answers the first request of each connection and drops the
// connection when it has read the second, as a gateway does whose idle time is
// over.
func forgetful(t *testing.T) (base string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				if take(in) {
					fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(said), said)
					take(in)
				}
			})
		}
	})
	return "http://" + l.Addr().String()
}

// take reads one request to its end.
func take(in *bufio.Reader) bool {
	req, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

// TestDeadConnection asks over connections that were kept and are dead: another
// is tried, and nobody notices.
func TestDeadConnection(t *testing.T) {
	base := forgetful(t)
	lib, near := &http.Transport{}, h1.New(&http.Transport{})
	t.Cleanup(lib.CloseIdleConnections)
	t.Cleanup(near.CloseIdleConnections)
	for _, way := range []http.RoundTripper{lib, near} {
		c := client.Client{Base: base, HTTP: way}
		for i := range 6 {
			answer, _, err := c.Chat(t.Context(), []byte(`{"messages":[]}`), completion.Shape{})
			if err != nil || answer.Text() != "yes" {
				t.Errorf("%T, ask %d: got %v, want an answer", way, i, err)
			}
		}
	}
}

// TestStreamLeavesItsConnection reads streams up to their last event, behind
// which only the end of the body is left: the next one takes the same
// connection.
func TestStreamLeavesItsConnection(t *testing.T) {
	var lines atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		fmt.Fprintf(w, "data: %s\n\ndata: [DONE]\n\n", `{"choices":[{"delta":{"content":"yes"},"finish_reason":"stop"}]}`)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			lines.Add(1)
		}
	}
	s.Start()
	way := h1.New(&http.Transport{})
	t.Cleanup(func() { way.CloseIdleConnections(); s.Close() })
	c := client.Client{Base: s.URL, HTTP: way}
	for i := range 5 {
		stream, err := c.ChatStream(t.Context(), []byte(`{"messages":[],"stream":true}`), completion.Shape{})
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Prime(-1); err != nil || stream.Answer.Text() != "yes" {
			t.Errorf("stream %d: got %q %v, want an answer", i, stream.Answer.Text(), err)
		}
		stream.Close()
	}
	if n := lines.Load(); n != 1 {
		t.Errorf("got %d connections for 5 streams, want 1", n)
	}
}

// TestSilentZip holds the bound of silence where a compressed stream never
// begins, on either way of the transport.
func TestSilentZip(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Content-Encoding", "gzip")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	way := h1.New(&http.Transport{})
	t.Cleanup(func() { way.CloseIdleConnections(); s.Close() })
	c := client.Client{Base: s.URL, HTTP: way}
	for _, size := range []int{10, 100 << 10} { // a large one goes the library's way
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		body := []byte(`{"stream":true,"user":"` + strings.Repeat("u", size) + `"}`)
		stream, err := c.ChatStream(ctx, body, completion.Shape{Silence: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Next(); !errors.Is(err, fault.ErrStalled) {
			t.Errorf("%d bytes: got %v, want %v", size, err, fault.ErrStalled)
		}
		stream.Close()
		cancel()
	}
}
