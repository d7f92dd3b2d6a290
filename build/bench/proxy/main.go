// Command proxy is a bare httputil.ReverseProxy, the floor that nearside is
// measured against. It is a program of its own: one that shares its code with the
// caller finds it in the processor's caches, as no daemon does.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// mostIdle is how many connections to the target are kept.
const mostIdle = 128

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: proxy SOCKET TARGET")
	}
	target, err := url.Parse(args[1])
	if err != nil {
		return fmt.Errorf("read target: %w", err)
	}
	l, err := net.Listen("unix", args[0])
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return serve(ctx, l, target)
}

// serve passes every request on to the target until ctx ends. It reads the body
// first, as whoever looks into it must, and does nothing else.
func serve(ctx context.Context, l net.Listener, target *url.URL) error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = mostIdle
	pass := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "the body could not be read", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		pass.ServeHTTP(w, r)
	})}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
