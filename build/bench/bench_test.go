package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSheet(t *testing.T) {
	f := func(asJSON bool, want string) {
		t.Helper()
		var out strings.Builder
		s := &sheet{out: &out, asJSON: asJSON}
		s.add("start_ms", 5.78649, "ms")
		s.add("rps_c32", 2765, "1/s")
		if err := s.end(); err != nil || out.String() != want {
			t.Errorf("got %q, %v, want %q", out.String(), err, want)
		}
	}
	f(false, "bench start_ms 5.786 ms\nbench rps_c32 2765 1/s\n")
	f(true, `[{"name":"start_ms","value":5.786,"unit":"ms"},{"name":"rps_c32","value":2765,"unit":"1/s"}]`+"\n")
}

func TestQuantile(t *testing.T) {
	f := func(q float64, want time.Duration, all ...time.Duration) {
		t.Helper()
		if got := quantile(all, q); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	f(0.5, 0)
	f(0.5, 7, 7)
	f(0.5, 3, 5, 1, 3, 2, 4)
	f(0.99, 5, 5, 1, 3, 2, 4)
	f(1, 5, 5, 1, 3, 2, 4)
}

func TestDecideHasRulesThatApply(t *testing.T) {
	var out strings.Builder
	if err := decide(t.Context(), &lab{sheet: &sheet{out: &out}}); err != nil || strings.Count(out.String(), "bench decide_") != 2 {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

// TestProxy checks that the bare proxy passes a call on and ends with its context.
func TestProxy(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		io.WriteString(w, r.URL.Path+" "+string(body))
	}))
	defer target.Close()
	socket := filepath.Join(t.TempDir(), "p.sock")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"proxy", socket, target.URL}, false) }()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		for { // until it listens
			conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
			if err == nil || len(ended) > 0 || ctx.Err() != nil {
				return conn, err
			}
		}
	}}, Timeout: 10 * time.Second}
	resp, err := client.Post("http://localhost/v1/x", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || string(body) != "/v1/x hello" {
		t.Errorf("got %q, %v", body, err)
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the proxy ended with %v", err)
	}
}
