package pipe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// openWeb makes a WebSocket on the stream: paho's own would ask the environment
// for a proxy and could not be ended.
func (b *Broker) openWeb(ctx context.Context) (net.Conn, error) {
	stream := func(ctx context.Context, _, _ string) (net.Conn, error) { return b.openStream(ctx) }
	d := websocket.Dialer{NetDialContext: stream, NetDialTLSContext: stream, Subprotocols: []string{"mqtt"}, ReadBufferSize: 1024, WriteBufferSize: 1024}
	conn, reply, err := d.DialContext(ctx, b.url.String(), http.Header{})
	if err != nil && reply != nil {
		return nil, fmt.Errorf("WebSocket: %w: %s", err, reply.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("WebSocket: %w", err)
	}
	return &webConn{Conn: conn}, nil
}

// webConn makes a stream of a WebSocket's messages.
type webConn struct {
	*websocket.Conn
	message io.Reader // that is being read; nil at its end

	until   atomic.Pointer[time.Time] // limit of the writes to come
	writing sync.Mutex                // a WebSocket has one writer
}

func (c *webConn) Read(p []byte) (int, error) {
	for {
		if c.message == nil {
			_, message, err := c.NextReader()
			if err != nil {
				return 0, err
			}
			c.message = message
		}
		n, err := c.message.Read(p)
		if err == io.EOF {
			c.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (c *webConn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if until := c.until.Load(); until != nil {
		c.Conn.SetWriteDeadline(*until)
	}
	if err := c.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetWriteDeadline is for the writes to come.
func (c *webConn) SetWriteDeadline(t time.Time) error {
	c.until.Store(&t)
	return nil
}

// SetDeadline is also for what is under way.
func (c *webConn) SetDeadline(t time.Time) error {
	c.until.Store(&t)
	return c.NetConn().SetDeadline(t)
}
