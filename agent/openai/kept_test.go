package openai_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"nearside/agent/openai"
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
		c := openai.Client{Base: base, HTTP: way}
		for i := range 6 {
			answer, _, err := c.Chat(t.Context(), []byte(`{"messages":[]}`), openai.Shape{})
			if err != nil || answer.Text() != "yes" {
				t.Errorf("%T, ask %d: got %v, want an answer", way, i, err)
			}
		}
	}
}
