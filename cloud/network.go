package cloud

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
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
	missesOff  = 2 // calls in a row that reached nothing make it offline
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
	down   bool // the kernel says that no link is up
	onLink []netip.Prefix
}

func (n *network) init(log *slog.Logger) {
	n.log, n.state, n.since, n.source = log, Unknown, time.Now(), "start"
}

func (n *network) get() (string, time.Time, string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state, n.since, n.source
}

func (n *network) set(state, source string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setLocked(state, source)
}

func (n *network) setLocked(state, source string) {
	if state == Online {
		n.misses = 0
	}
	if n.state == state || n.down && state != Offline {
		return
	}
	n.log.Info("connectivity", "state", state, "was", n.state, "source", source)
	n.state, n.since, n.source = state, time.Now(), source
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
		n.setLocked(Unknown, "link")
	}
}

// saw takes in what a call met. Near targets say nothing of the network.
func (n *network) saw(m *member, err error, reached bool) {
	if n.near(m) || errors.Is(err, context.Canceled) || errors.Is(err, errLost) {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch outage(err, reached) {
	case answered:
		n.setLocked(Online, "calls")
	case noRoute:
		n.setLocked(Offline, "calls")
	case silence:
		if n.misses++; n.misses >= missesOff {
			n.setLocked(Offline, "calls")
		}
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
	nothing  evidence = iota // a name that does not exist, a certificate that is not trusted
	answered                 // somebody out there did
	silence                  // nobody did
	noRoute                  // the kernel knows no way
)

// outage reads the end of a call; reached is whether a connection stood.
func outage(err error, reached bool) evidence {
	var status *openai.Error
	if err == nil || reached || errors.As(err, &status) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
		return answered
	}
	for _, no := range []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, no) {
			return noRoute
		}
	}
	var name *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	if errors.As(err, &name) && name.IsNotFound || errors.As(err, &cert) || errors.As(err, &record) {
		return nothing
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
