package h1

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// body is the body of a reply, and has the connection until it is over. Close
// may be called while another goroutine reads.
type body struct {
	ctx   context.Context // of the call
	inner io.ReadCloser
	conn  *conn
	resp  *http.Response
	stop  func() bool // ends the watch over the context; false when that was the end first
	leave func()      // frees the slot of the call
	state atomic.Int32
	mu    sync.Mutex // guards inner
}

// States of a body.
const (
	open int32 = iota
	ended
	closed
)

// Read reads on. At the end of the body the connection is free for another
// call.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.state.Load() {
	case ended:
		return 0, io.EOF
	case closed:
		return 0, b.fault(http.ErrBodyReadAfterClose)
	}
	n, err := b.inner.Read(p)
	switch err {
	case nil:
		return n, nil
	case io.EOF:
		b.over(ended, true)
		return n, err
	}
	if !b.over(closed, false) {
		err = http.ErrBodyReadAfterClose
	}
	return n, b.fault(err)
}

// fault is err, or why the context ended.
func (b *body) fault(err error) error {
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	return err
}

// Close ends the call. When no more than the mark of the body's end was left to
// read, as behind the last event of a stream, and that is there already, the
// connection is free for another call; nothing is waited for.
func (b *body) Close() error {
	if !b.resp.Close && b.mu.TryLock() {
		if b.state.Load() == open { // else the connection is another call's by now
			b.over(closed, b.atEnd())
		}
		b.mu.Unlock()
	}
	b.over(closed, false)
	b.state.Store(closed)
	return nil
}

// atEnd tells whether the end of the body is there, behind a few bytes at most.
// Its caller holds mu.
func (b *body) atEnd() bool {
	c, left := b.conn, make([]byte, 64)
	c.still = true
	defer func() { c.still = false }()
	for len(left) > 0 {
		n, err := b.inner.Read(left)
		if err != nil {
			return err == io.EOF
		}
		left = left[n:]
	}
	return false
}

// over ends the body once, and tells whether this was it; whole is whether all
// of it was read.
func (b *body) over(state int32, whole bool) bool {
	if !b.state.CompareAndSwap(open, state) {
		return false
	}
	c, kept := b.conn, whole && !b.resp.Close && b.resp.StatusCode >= http.StatusOK
	if b.stop() && kept && c.in.Buffered() == 0 { // more than the reply would be taken for the next one
		c.home.shelf.put(c)
	} else {
		c.Close()
	}
	b.leave()
	return true
}
