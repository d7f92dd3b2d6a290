package h1

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"syscall"
	"time"
)

// conn is one connection. It carries one call after the other.
type conn struct {
	net.Conn
	home  *Transport
	addr  string
	in    *bufio.Reader // from Read
	left  int64         // bytes that may still be read
	used  bool          // it has carried a call
	since time.Time     // it lies idle; the shelf's own
	drop  func()        // closes it
	still bool          // Read does not wait
	look  *glance
	one   [1]byte // for a look at a connection that lies idle
}

func newConn(home *Transport, addr string, to net.Conn) *conn {
	c := &conn{Conn: to, home: home, addr: addr, drop: func() { to.Close() }, look: newGlance(to)}
	c.in = bufio.NewReader(c)
	return c
}

// Read reads what the connection may still give.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("the head of the reply is over %d bytes", c.home.maxHead())
	}
	if p = p[:min(int64(len(p)), c.left)]; c.still {
		return c.look.into(p)
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	return n, err
}

func (t *Transport) maxHead() int64 {
	if n := t.rest.MaxResponseHeaderBytes; n > 0 {
		return n
	}
	return maxHead
}

// quiet tells whether nothing came while the connection lay idle: neither its
// end nor an answer that nobody asked for.
func (c *conn) quiet() bool {
	n, err := c.look.into(c.one[:])
	return n == 0 && err == syscall.EAGAIN
}

// unanswered is why a call ended before a byte of its reply came.
type unanswered struct {
	err    error
	unsent bool // nor did a byte of the request leave
}

// Error says what happened.
func (u *unanswered) Error() string { return fmt.Sprintf("no reply: %v", u.err) }

// Unwrap gives what ended it.
func (u *unanswered) Unwrap() error { return u.err }

// call sends the request and reads the head of the reply. The connection is the
// body's from there on, and closed when there is an error.
func (c *conn) call(l *letter) (*http.Response, error) {
	stop := context.AfterFunc(l.ctx, c.drop)
	resp, err := c.exchange(l)
	if err != nil {
		stop()
		c.Close()
		return nil, err
	}
	b := &body{ctx: l.ctx, inner: resp.Body, conn: c, resp: resp, stop: stop, leave: c.home.leaver(l.ctx)}
	if resp.Body == http.NoBody {
		b.over(ended, true)
	} else {
		resp.Body = b
		b.unzip(l.req)
	}
	return resp, nil
}

func (c *conn) exchange(l *letter) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(l.ctx)
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: c.Conn, Reused: c.used})
	}
	c.used, c.left = true, c.home.maxHead()
	n, unsent := c.Write(l.text)
	if unsent != nil && n == 0 {
		return nil, &unanswered{unsent, true}
	}
	if _, err := c.in.Peek(1); err != nil {
		if unsent != nil {
			err = unsent
		}
		return nil, &unanswered{err, false}
	}
	if trace != nil && trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	resp, err := c.head(l.req)
	if err == nil && unsent != nil {
		resp.Close = true // the server answered before it had it all
	}
	return resp, err
}

// head reads the head of the reply. Those of status 1xx before it count as its
// own, so that their number is bounded as well.
func (c *conn) head(req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(c.in, req)
		if err != nil {
			return nil, fmt.Errorf("read reply: %w", err)
		}
		if status := resp.StatusCode; status < 100 || status == http.StatusSwitchingProtocols || status > 199 {
			c.left = math.MaxInt64
			return resp, nil
		}
	}
}
