package cloud

import (
	"context"
	"net"
	"net/http"
	"time"
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

func newTransport(lost func() bool) *http.Transport {
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
	return t
}
