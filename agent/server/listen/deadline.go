package listen

import (
	"errors"
	"os"
	"sync"
	"time"
)

// deadline is what is asked of one direction of a connection. net/http and the
// server set one ten times a request, and nearly none comes to count, while to
// tell the kernel's poller costs half a microsecond each. So it is told only
// what could make a call end too late; a call that ends too early is made again.
type deadline struct {
	tell func(time.Time) error // of the connection

	mu     sync.Mutex // guards all below
	wanted time.Time  // the zero Time is never
	told   time.Time
	passed bool // a call has ended for what was told
	calls  int  // under way
}

// set is SetReadDeadline or SetWriteDeadline of the connection; it counts for
// calls under way, too.
func (d *deadline) set(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = t
	if d.calls == 0 {
		return nil
	}
	return d.arm()
}

// begin is for before a call.
func (d *deadline) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	return d.arm()
}

// arm tells what is wanted, unless what was told comes first and is to come. The
// lock is held.
func (d *deadline) arm() error {
	later := d.wanted.IsZero() || !d.told.IsZero() && !d.wanted.Before(d.told)
	if later && !d.passed {
		return nil
	}
	d.told, d.passed = d.wanted, false
	return d.tell(d.wanted)
}

// end is for after a call. early tells that it must be made again, since its
// time is not over.
func (d *deadline) end(err error) (early bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls--
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.passed = true
	return d.wanted.IsZero() || time.Now().Before(d.wanted)
}

// Read reads until the read deadline.
func (c *conn) Read(p []byte) (int, error) {
	for {
		if err := c.reads.begin(); err != nil {
			c.reads.end(nil)
			return 0, err
		}
		n, err := c.Conn.Read(p)
		if n > 0 && c.idle.Load() != 0 {
			c.idle.Store(0)
		}
		if !c.reads.end(err) {
			return n, err
		}
	}
}

// Write writes until the write deadline.
func (c *conn) Write(p []byte) (n int, err error) {
	for {
		if err := c.writes.begin(); err != nil {
			c.writes.end(nil)
			return n, err
		}
		m, err := c.Conn.Write(p[n:])
		n += m
		if !c.writes.end(err) {
			return n, err
		}
	}
}

// SetReadDeadline is as of net.Conn; a closed connection is not noticed here.
func (c *conn) SetReadDeadline(t time.Time) error { return c.reads.set(t) }

// SetWriteDeadline is as of net.Conn; a closed connection is not noticed here.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.writes.set(t) }

// SetDeadline sets both.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.reads.set(t), c.writes.set(t))
}
