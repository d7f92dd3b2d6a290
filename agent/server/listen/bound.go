package listen

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// descriptors are kept for the daemon itself: databases, engine, upstream.
const (
	descriptors = 40
	mostEach    = 16 << 10
)

// Room is how many connections each of n listeners may have, so that the
// descriptors of the process suffice for calls calls to targets, too.
func Room(n, calls int) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return mostEach
	}
	all := int(min(limit.Cur, 1<<30))
	each := (all - descriptors - min(calls, all/4)) / n
	return min(max(each, 4), mostEach)
}

// grace is how long a new connection may be silent before it counts as idle.
const grace = 100 * time.Millisecond

// Bound lets at most most connections through at a time; 0 is no bound. When
// there are as many, the one that was idle longest is closed for the next; when
// none is idle, the next waits. [Watch] tells it which are idle; new ones are
// that have not said a word.
func Bound(l net.Listener, most int) net.Listener {
	if most == 0 {
		return l
	}
	b := &bounded{Listener: l, slots: make(chan struct{}, most), closed: make(chan struct{}), conns: map[*conn]bool{}}
	b.close = sync.OnceFunc(func() { close(b.closed) })
	return b
}

type bounded struct {
	net.Listener
	slots   chan struct{} // holds one thing for every connection
	waits   atomic.Bool   // the next one waits for a place
	crowded atomic.Int64  // how often one had to
	closed  chan struct{}
	close   func()

	mu    sync.Mutex // guards conns
	conns map[*conn]bool
}

// Accept takes the next connection, and one place for it. When the process has
// no descriptor left for it, one that is idle makes way before it is tried again.
func (b *bounded) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		b.crowded.Add(1)
		b.evict()
	}
	if err != nil {
		return nil, err
	}
	select {
	case b.slots <- struct{}{}:
		return b.hold(c), nil
	default:
	}
	b.crowded.Add(1)
	b.waits.Store(true)
	defer b.waits.Store(false)
	again := time.NewTicker(grace)
	defer again.Stop()
	for {
		b.evict()
		select {
		case b.slots <- struct{}{}:
			return b.hold(c), nil
		case <-b.closed:
			c.Close()
			return nil, net.ErrClosed
		case <-again.C:
		}
	}
}

func (b *bounded) hold(c net.Conn) *conn {
	held := &conn{Conn: c, in: b, reads: deadline{tell: c.SetReadDeadline}, writes: deadline{tell: c.SetWriteDeadline}}
	held.idle.Store(time.Now().Add(grace).UnixNano())
	held.release = sync.OnceFunc(func() {
		b.mu.Lock()
		delete(b.conns, held)
		b.mu.Unlock()
		<-b.slots
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns[held] = true
	return held
}

// Close ends a waiting Accept, too.
func (b *bounded) Close() error {
	b.close()
	return b.Listener.Close()
}

// evict closes the connection that was idle longest, if any is.
func (b *bounded) evict() {
	var oldest *conn
	now := time.Now().UnixNano()
	b.mu.Lock()
	for c := range b.conns {
		if at := c.idle.Load(); at != 0 && at <= now && (oldest == nil || at < oldest.idle.Load()) {
			oldest = c
		}
	}
	b.mu.Unlock()
	if oldest != nil {
		oldest.Close()
	}
}

// conn is one connection of a bounded listener.
type conn struct {
	net.Conn
	in            *bounded
	idle          atomic.Int64 // since when, in nanoseconds; 0 is not, and one to come is as long as it is new
	release       func()
	reads, writes deadline
}

// NetConn is the connection below.
func (c *conn) NetConn() net.Conn { return c.Conn }

func (c *conn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// Watch is for http.Server's ConnState. A connection that falls idle while
// another waits for a place is closed, to make way.
func Watch(c net.Conn, state http.ConnState) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	held, ok := c.(*conn)
	if !ok || state == http.StateNew {
		return
	}
	if state != http.StateIdle {
		held.idle.Store(0)
		return
	}
	held.idle.Store(time.Now().UnixNano())
	if held.in.waits.Load() {
		held.Close()
	}
}

// Crowded is how many connections of a listener of [Open] or [Bound] had to
// wait for a place or took one from an idle one.
func Crowded(l net.Listener) int64 {
	if s, ok := l.(secure); ok {
		l = s.below
	}
	if b, ok := l.(*bounded); ok {
		return b.crowded.Load()
	}
	return 0
}
