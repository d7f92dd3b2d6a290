package cloud

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"

	"nearside/agent/openai/h1"
)

// wire is a connection that is dropped without a word when there is no network:
// a close that cannot be sent would be tried again by the kernel for minutes.
type wire struct {
	net.Conn
	lost func() bool
}

func (w *wire) Close() error {
	if tcp, ok := w.Conn.(*net.TCPConn); ok && w.lost() {
		_ = tcp.SetLinger(0)
	}
	return w.Conn.Close()
}

// SyscallConn lets it be looked at whether something came.
func (w *wire) SyscallConn() (syscall.RawConn, error) {
	if c, ok := w.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// newTransport reaches targets over plain HTTP on the goroutine that asks, and
// those behind TLS or a proxy as the library does.
func newTransport(lost func() bool) *h1.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	dialer := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &wire{c, lost}, nil
	}
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 256, 128
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second} // finds a connection that lost its way
	t.TLSHandshakeTimeout = 10 * time.Second
	t.MaxResponseHeaderBytes = 64 << 10
	return h1.New(t)
}
