package h1

import (
	"slices"
	"sync"
	"time"
)

// lookEvery is how often idle connections are looked at whether the other end
// hung up. A library's connection has a goroutine that waits for it.
const lookEvery = 15 * time.Second

// shelf keeps idle connections, of which the one that was used last goes first.
type shelf struct {
	all, each int           // most that are kept, and most to one address; 0 of all is no bound
	keep      time.Duration // how long one may lie idle; 0 is no bound

	mu    sync.Mutex // guards all below
	conns []*conn    // in the order in which they came
	timer *time.Timer
	armed bool // the timer runs, no later than the first one is due, or all are to be looked at
	shut  bool // it was cleared, and no call was made since
}

// take finds a connection to that address on which nothing came; nil for none.
func (s *shelf) take(addr string) *conn {
	for {
		c := s.pop(addr)
		if c == nil || !s.stale(c) && c.quiet() {
			return c
		}
		c.Close()
	}
}

// stale tells whether a connection lay idle for too long by the clock on the
// wall: timers stand still while the device sleeps.
func (s *shelf) stale(c *conn) bool {
	return s.keep > 0 && time.Now().Round(0).Sub(c.since.Round(0)) >= s.keep
}

func (s *shelf) pop(addr string) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = false
	for i := len(s.conns) - 1; i >= 0; i-- {
		if c := s.conns[i]; c.addr == addr {
			s.conns = slices.Delete(s.conns, i, i+1)
			return c
		}
	}
	return nil
}

// put keeps a connection, or closes it when there are enough.
func (s *shelf) put(c *conn) {
	c.since = time.Now()
	if out := s.push(c); out != nil {
		out.Close()
	}
}

// push returns the connection that is to be closed, nil for none.
func (s *shelf) push(c *conn) (out *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := len(s.conns); {
	case s.shut, n >= s.each && s.countLocked(c.addr) >= s.each:
		return c
	case s.all > 0 && n >= s.all:
		out = s.conns[0]
		s.conns = slices.Delete(s.conns, 0, 1)
	}
	s.conns = append(s.conns, c)
	s.armLocked(min(s.keep, lookEvery))
	return out
}

func (s *shelf) countLocked(addr string) (n int) {
	for _, c := range s.conns {
		if c.addr == addr {
			n++
		}
	}
	return n
}

func (s *shelf) armLocked(in time.Duration) {
	switch {
	case s.keep == 0 || s.armed:
		return
	case s.timer == nil:
		s.timer = time.AfterFunc(in, s.expire)
	default:
		s.timer.Reset(in)
	}
	s.armed = true
}

// expire closes those that lay idle for too long, and those of which the other
// end did: their descriptors would wait for the same time.
func (s *shelf) expire() {
	for _, c := range s.expired(time.Now()) {
		c.Close()
	}
}

func (s *shelf) expired(now time.Time) []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var old []*conn
	s.conns = slices.DeleteFunc(s.conns, func(c *conn) bool {
		over := now.Sub(c.since) >= s.keep || !c.quiet()
		if over {
			old = append(old, c)
		}
		return over
	})
	if s.armed = false; len(s.conns) > 0 {
		s.armLocked(min(s.keep-now.Sub(s.conns[0].since), lookEvery))
	}
	return old
}

// clear closes all, and those to come until the next is asked for.
func (s *shelf) clear() {
	s.mu.Lock()
	old := s.conns
	s.conns, s.shut, s.armed = nil, true, false
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	for _, c := range old {
		c.Close()
	}
}
