package cloud

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nearside/cloud/network"
)

// connectivity holds the state of the network for many goroutines, and ends
// what waits for a way that is lost.
type connectivity struct {
	log     *slog.Logger
	moved   func()        // called when the state is another; never waits
	changed chan struct{} // has one when a probe may be due at another time
	seen    atomic.Pointer[sight]

	mu      sync.Mutex // guards all below, and changes of seen
	machine *network.Machine
	lapse   *time.Timer // when what the host app said ends
	far     way
	links   map[netip.Prefix]way // networks directly on a link that is up
}

// sight is what the machine says until that time, zero for until it is told
// something. It never changes.
type sight struct {
	network.View
	until time.Time
}

// way is open until its context ends.
type way struct {
	context.Context
	lose context.CancelFunc
}

func newWay() way {
	ctx, lose := context.WithCancel(context.Background())
	return way{ctx, lose}
}

func newConnectivity(log *slog.Logger, moved func()) *connectivity {
	now := time.Now()
	c := &connectivity{
		log: log, moved: moved, changed: make(chan struct{}, 1), far: newWay(), links: map[netip.Prefix]way{},
		machine: network.New(now, rand.Float64()),
	}
	c.seen.Store(&sight{c.machine.Look(now), c.machine.Stands(now)})
	c.lapse = time.AfterFunc(time.Hour, func() { c.host(func(*network.Machine) {}) })
	c.lapse.Stop()
	return c
}

// look is what is known of the network.
func (c *connectivity) look() network.View {
	s := c.seen.Load()
	if s.until.IsZero() || time.Now().Before(s.until) {
		return s.View
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settleLocked(time.Now())
	return c.seen.Load().View
}

// tell lets the machine take something in.
func (c *connectivity) tell(what func(m *network.Machine, now time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	what(c.machine, now)
	c.settleLocked(now)
}

// settleLocked acts on what the machine makes of it.
func (c *connectivity) settleLocked(now time.Time) {
	was, is := c.seen.Load(), sight{c.machine.Look(now), c.machine.Stands(now)}
	if is == *was {
		return
	}
	c.seen.Store(&sight{is.View, is.until})
	if is.State == was.State {
		return
	}
	c.log.Info("connectivity", "state", is.State, "was", was.State, "source", is.Source)
	if is.Lost() && !was.Lost() {
		c.far.lose()
	} else if was.Lost() && !is.Lost() {
		c.far = newWay()
	}
	c.wake()
	c.moved()
}

// wake has the time of the next probe looked at again.
func (c *connectivity) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// host takes in something that the host app says for a while.
func (c *connectivity) host(says func(m *network.Machine)) {
	c.tell(func(m *network.Machine, now time.Time) {
		says(m)
		if end := m.Lapse(now); !end.IsZero() {
			c.lapse.Reset(end.Sub(now))
		}
	})
	c.wake()
}

// setLinks takes in the networks that are directly on a link that is up, and
// tells whether they are others than before.
func (c *connectivity) setLinks(down bool, onLink []netip.Prefix) (other bool) {
	if down {
		onLink = nil
	}
	c.tell(func(m *network.Machine, now time.Time) {
		for p, w := range c.links {
			if !slices.Contains(onLink, p) {
				other = true
				delete(c.links, p)
				w.lose()
			}
		}
		for _, p := range onLink {
			if _, known := c.links[p]; !known {
				other = true
				c.links[p] = newWay()
			}
		}
		m.Link(now, down, other)
	})
	c.wake()
	return other
}

// probeDue is when a probe may be sent, if one is wanted.
func (c *connectivity) probeDue() (due time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.machine.ProbeDue(time.Now())
}

// whenLost has f run once, in its own goroutine, when the network is lost that
// leads to the member. Stop tells whether it had not come to that.
func (c *connectivity) whenLost(m *member, f func()) (stop func() bool) {
	if m.self {
		return func() bool { return true }
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w, ok := c.linkLocked(m); ok {
		return context.AfterFunc(w, f)
	}
	return context.AfterFunc(c.far, f)
}

// near tells whether the target is on this device or a neighbour on a link
// that is up. Such a target is judged by its own calls alone.
func (c *connectivity) near(m *member) bool {
	if m.self || !m.ip.IsValid() {
		return m.self
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.linkLocked(m)
	return ok
}

// linkLocked is the way to the member when it is a neighbour.
func (c *connectivity) linkLocked(m *member) (way, bool) {
	if m.ip.IsValid() {
		for p, w := range c.links {
			if p.Contains(m.ip) {
				return w, true
			}
		}
	}
	return way{}, false
}

// whereIs reads from a base URL whether it leads to this device, and the
// address it names.
func whereIs(base *url.URL) (self bool, ip netip.Addr) {
	host := strings.ToLower(base.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true, ip
	}
	ip, _ = netip.ParseAddr(host)
	ip = ip.Unmap()
	return ip.IsLoopback(), ip
}
