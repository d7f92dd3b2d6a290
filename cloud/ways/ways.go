// Package ways holds the state of the network for many goroutines, and ends what
// waits for a way that is lost. The machine of cloud/network says what the state
// is; here are the lock, the clock and the timers it has none of. Whoever calls
// targets tells what came of it, and asks before the next call.
package ways

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

// Net is the network as calls see it. Make it with [New]; its methods may be
// called from any goroutine.
type Net struct {
	log     *slog.Logger
	moved   func()        // see New
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

// New is a network of which nothing is known yet. Changes of its state are
// logged, and moved is called after each; it must not wait, nor ask the Net.
func New(log *slog.Logger, moved func()) *Net {
	now := time.Now()
	n := &Net{
		log: log, moved: moved, changed: make(chan struct{}, 1), far: newWay(), links: map[netip.Prefix]way{},
		machine: network.New(now, rand.Float64()),
	}
	n.seen.Store(&sight{n.machine.Look(now), n.machine.Stands(now)})
	n.lapse = time.AfterFunc(time.Hour, func() { n.Host(func(*network.Machine) {}) })
	n.lapse.Stop()
	return n
}

// Look is what is known of the network.
func (n *Net) Look() network.View {
	s := n.seen.Load()
	if s.until.IsZero() || time.Now().Before(s.until) {
		return s.View
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settleLocked(time.Now())
	return n.seen.Load().View
}

// Tell lets the machine take something in.
func (n *Net) Tell(what func(m *network.Machine, now time.Time)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	what(n.machine, now)
	n.settleLocked(now)
}

// settleLocked acts on what the machine makes of it.
func (n *Net) settleLocked(now time.Time) {
	was, is := n.seen.Load(), sight{n.machine.Look(now), n.machine.Stands(now)}
	if is == *was {
		return
	}
	n.seen.Store(&sight{is.View, is.until})
	if is.State == was.State {
		return
	}
	n.log.Info("connectivity", "state", is.State, "was", was.State, "source", is.Source)
	if is.Lost() && !was.Lost() {
		n.far.lose()
	} else if was.Lost() && !is.Lost() {
		n.far = newWay()
	}
	n.Wake()
	n.moved()
}

// Wake has the time of the next probe looked at again.
func (n *Net) Wake() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// Host takes in something that the host app says for a while.
func (n *Net) Host(says func(m *network.Machine)) {
	n.Tell(func(m *network.Machine, now time.Time) {
		says(m)
		if end := m.Lapse(now); !end.IsZero() {
			n.lapse.Reset(end.Sub(now))
		}
	})
	n.Wake()
}

// SetLinks takes in the networks that are directly on a link that is up, and
// tells whether they are others than before.
func (n *Net) SetLinks(down bool, onLink []netip.Prefix) (other bool) {
	if down {
		onLink = nil
	}
	n.Tell(func(m *network.Machine, now time.Time) {
		for p, w := range n.links {
			if !slices.Contains(onLink, p) {
				other = true
				delete(n.links, p)
				w.lose()
			}
		}
		for _, p := range onLink {
			if _, known := n.links[p]; !known {
				other = true
				n.links[p] = newWay()
			}
		}
		m.Link(now, down, other)
	})
	n.Wake()
	return other
}

// ProbeDue is when a probe may be sent, if one is wanted.
func (n *Net) ProbeDue() (due time.Time, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.machine.ProbeDue(time.Now())
}

// Changed has one when a probe may be due at another time.
func (n *Net) Changed() <-chan struct{} { return n.changed }

// WhenLost has f run once, in its own goroutine, when the network is lost that
// leads there. Stop tells whether it had not come to that.
func (n *Net) WhenLost(to Place, f func()) (stop func() bool) {
	if to.Self {
		return func() bool { return true }
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if w, ok := n.linkLocked(to); ok {
		return context.AfterFunc(w, f)
	}
	return context.AfterFunc(n.far, f)
}

// Near tells whether the target is on this device or a neighbour on a link
// that is up. Such a target is judged by its own calls alone.
func (n *Net) Near(to Place) bool {
	if to.Self || !to.IP.IsValid() {
		return to.Self
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.linkLocked(to)
	return ok
}

// linkLocked is the way there when it is a neighbour.
func (n *Net) linkLocked(to Place) (way, bool) {
	if to.IP.IsValid() {
		for p, w := range n.links {
			if p.Contains(to.IP) {
				return w, true
			}
		}
	}
	return way{}, false
}

// Place is where a target is.
type Place struct {
	Self bool       // on this device
	IP   netip.Addr // not valid for one that goes by a name
}

// PlaceOf reads from a base URL where it leads.
func PlaceOf(base *url.URL) Place {
	host := strings.ToLower(base.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return Place{Self: true}
	}
	ip, _ := netip.ParseAddr(host)
	ip = ip.Unmap()
	return Place{ip.IsLoopback(), ip}
}
