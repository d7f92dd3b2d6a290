package cloud

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"nearside/agent/openai"
)

// What is known of the way out of the device.
const (
	Unknown = "unknown"
	Online  = "online"
	Offline = "offline"
)

const (
	probeEvery = 30 * time.Second
	missesOff  = 2 // so many calls in a row that reached nothing make it offline
)

// network is the state of connectivity, fed by real calls first, by the
// kernel's links second, by probes last.
type network struct {
	log *slog.Logger

	mu     sync.Mutex // guards all below
	state  string
	since  time.Time
	source string
	misses int
	silent map[*member]bool // whom they went to
	down   bool             // the kernel says that no link is up
	onLink []netip.Prefix
	way    context.Context // ends when the state becomes offline; another one when it is left
	lose   context.CancelFunc
}

func (n *network) init(log *slog.Logger) {
	n.log, n.state, n.since, n.source = log, Unknown, time.Now(), "start"
	n.silent = map[*member]bool{}
	n.way, n.lose = context.WithCancel(context.Background())
}

func (n *network) get() (string, time.Time, string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state, n.since, n.source
}

func (n *network) setLocked(state, source string) {
	if n.state == state || n.down && state != Offline {
		return
	}
	n.log.Info("connectivity", "state", state, "was", n.state, "source", source)
	if state == Offline {
		n.lose()
	} else if n.state == Offline {
		n.way, n.lose = context.WithCancel(context.Background())
	}
	n.state, n.since, n.source = state, time.Now(), source
}

// hear takes in that a far target answered.
func (n *network) hear(source string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.misses = 0
	clear(n.silent)
	n.setLocked(Online, source)
}

// whenLost has f run once, in its own goroutine, when the network is lost that
// leads to the member. Stop tells whether it had not come to that.
func (n *network) whenLost(m *member, f func()) (stop func() bool) {
	if n.near(m) {
		return func() bool { return true }
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return context.AfterFunc(n.way, f)
}

// setLink takes in what the kernel says. A link that is down is certain; one
// that is up again proves nothing yet.
func (n *network) setLink(known, up bool, onLink []netip.Prefix) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onLink = onLink
	wasDown := n.down
	n.down = known && !up
	switch {
	case n.down:
		n.setLocked(Offline, "link")
	case wasDown:
		n.misses = 0
		clear(n.silent)
		n.setLocked(Unknown, "link")
	}
}

// miss takes in that a call to the member reached nobody. One host may be gone
// alone, so its silence means little as long as others have not been tried
// since somebody answered; others are the far targets that may be called.
// While nobody has, the kernel's word that there is no route is enough.
func (n *network) miss(m *member, what evidence, others []*member) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.misses++
	n.silent[m] = true
	alone := slices.ContainsFunc(others, func(o *member) bool {
		sameWay := what == noNames && !o.ip.IsValid()
		return !n.silent[o] && !sameWay
	})
	switch {
	case what == noRoute && (!alone || n.state != Online),
		what != noRoute && !alone && n.misses >= missesOff:
		n.setLocked(Offline, "calls")
	}
}

// wantsProbe tells whether only a probe can find out that the way is open again.
func (n *network) wantsProbe() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state == Offline && !n.down
}

// evidence is what the end of a call says of the network.
type evidence int

const (
	nothing  evidence = iota // a name that does not exist, a certificate that is not trusted, no descriptor left here
	answered                 // somebody out there did
	silence                  // nobody did
	noNames                  // nobody who knows names
	noRoute                  // the kernel knows no way
)

// outage reads the end of a call; stood is whether a connection did.
func outage(err error, stood bool) evidence {
	var status *openai.Error
	if err == nil || stood || errors.As(err, &status) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
		return answered
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return answered // an alert of its TLS
	}
	for _, no := range []error{syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, no) {
			return noRoute
		}
	}
	if ranShort(err) {
		return nothing
	}
	var name *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &cert), errors.As(err, &record), errors.As(err, &name) && name.IsNotFound:
		return nothing
	case name != nil:
		return noNames
	}
	return silence
}

// near tells whether the target is on this device or a neighbour on a link
// that is up. Such a target is judged by its own calls alone.
func (n *network) near(m *member) bool {
	if m.self || !m.ip.IsValid() {
		return m.self
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return false
	}
	for _, p := range n.onLink {
		if p.Contains(m.ip) {
			return true
		}
	}
	return false
}

// whereIs reads from a base URL whether it leads to this device, and the
// address it names.
func whereIs(base string) (self bool, ip netip.Addr) {
	u, err := url.Parse(base)
	if err != nil {
		return false, ip
	}
	host := strings.ToLower(u.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true, ip
	}
	ip, _ = netip.ParseAddr(host)
	ip = ip.Unmap()
	return ip.IsLoopback(), ip
}
