package cloud

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"nearside/agent/openai/fault"
	"nearside/cloud/network"
)

// Network is what is known of the way out.
func (p *Pool) Network() network.View { return p.net.Look() }

// SetLink tells what the kernel says of the links.
func (p *Pool) SetLink(known, up bool, onLink []netip.Prefix) {
	if p.net.SetLinks(known && !up, onLink) {
		p.http.CloseIdleConnections() // they lead nowhere now
	}
}

// SetHost tells what the host app says of the network, one of the states of
// cloud/network. It outranks all else until that time.
func (p *Pool) SetHost(state string, until time.Time) {
	p.net.Host(func(m *network.Machine) { m.Host(state, until) })
}

// SetHostMetered tells whether the host app says that bytes cost money. It
// outranks all else until that time.
func (p *Pool) SetHostMetered(is bool, until time.Time) {
	p.net.Host(func(m *network.Machine) { m.HostMetered(is, until) })
}

// SetLinkMetered tells whether bytes cost money by the kind of the link; nil is
// not known.
func (p *Pool) SetLinkMetered(is *bool) {
	p.net.Tell(func(m *network.Machine, _ time.Time) { m.LinkMetered(is) })
	p.net.Wake()
}

// SetBattery tells whether the device runs on its battery, so that probes are
// rarer.
func (p *Pool) SetBattery(on bool) {
	p.net.Tell(func(m *network.Machine, _ time.Time) { m.Battery(on) })
	p.net.Wake()
}

// Run probes for a network that calls have lost, or seem to have, until ctx ends.
func (p *Pool) Run(ctx context.Context) error {
	defer p.http.CloseIdleConnections()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Stop()
		if due, ok := p.net.ProbeDue(); ok {
			timer.Reset(time.Until(due))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.net.Changed():
		case <-timer.C:
			p.probe(ctx)
		}
	}
}

// probe asks a far target for a sign of life; the next one takes its turn the
// next time. Where the network is not lost, it is one of those that were not tried.
func (p *Pool) probe(ctx context.Context) {
	var untried []string
	p.net.Tell(func(m *network.Machine, now time.Time) {
		m.Probed(now, rand.Float64())
		untried = slices.Clone(m.Untried())
	})
	far := slices.DeleteFunc(slices.Clone(p.order()), func(m *member) bool {
		return p.net.Near(m.place) || len(untried) > 0 && !slices.Contains(untried, m.Name)
	})
	if len(far) == 0 {
		return
	}
	m := far[p.turn%len(far)]
	p.turn++
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	p.http.CloseIdleConnections() // what stood before leads nowhere where the network is lost
	met := &contact{start: time.Now()}
	err := m.client(nil).Ping(met.trace(ctx))
	if !errors.Is(err, context.Canceled) {
		p.saw(m, network.ByProbe, err, met, 0)
	}
}

// saw takes in what the end of a call says of the network; first is the time
// to the first token of a stream, 0 where there was none. Near targets say
// nothing of it.
func (p *Pool) saw(m *member, source string, err error, met *contact, first time.Duration) {
	if errors.Is(err, fault.ErrDown) || p.net.Near(m.place) {
		return
	}
	what := m.evidence(err, met.stood.Load())
	if what == nothing {
		return
	}
	miss := network.Miss{Source: source, Target: m.Name}
	switch what {
	case intercepted:
		miss.Met = network.Intercepted
	case noRoute:
		miss.Met = network.NoRoute
	}
	if what != answered && what != somebody {
		miss.Others = p.others(m, what)
	}
	p.net.Tell(func(n *network.Machine, now time.Time) {
		switch what {
		case answered:
			n.Answer(now, source, m.Name, network.Pace{Setup: time.Duration(met.setup.Load()), First: first})
		case somebody:
			n.Contact(now, source)
		default:
			n.Miss(now, miss)
		}
	})
	if len(miss.Others) > 0 {
		p.net.Wake() // one of them may have to be probed
	}
}

// others are the far targets besides m that may be called and might have met
// something else: without a resolver, none that has a name.
func (p *Pool) others(m *member, what evidence) []string {
	var names []string
	now := time.Now()
	for _, o := range p.order() {
		usable, _ := o.usable(now)
		if usable && o != m && !p.net.Near(o.place) && (what != noNames || o.place.IP.IsValid()) {
			names = append(names, o.Name)
		}
	}
	return names
}

// cutOff tells whether there is known to be no way to the member.
func (p *Pool) cutOff(m *member) bool { return !p.net.Near(m.place) && p.net.Look().Lost() }
