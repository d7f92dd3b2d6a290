package network

import (
	"slices"
	"time"
)

// Bounds on how fast the state changes. A good answer ends portal and offline
// at once; what is slower is losing the network again.
const (
	missesLost   = 2                // so many calls in a row that reached nobody lose the network
	settle       = 10 * time.Second // after the network came back, before calls can lose it again
	dwell        = 30 * time.Second // between two changes from online to degraded or back
	quiet        = 10 * time.Minute // degraded without a call for so long is not known any more
	afterLoss    = 10 * time.Second // the first probe
	probeEvery   = 30 * time.Second
	probeThrifty = 5 * time.Minute // where bytes cost money or the battery is used
)

// Evidence is what a call that got no answer of its target met instead.
type Evidence int

// What a call may meet.
const (
	Silence     Evidence = iota // nobody
	NoRoute                     // the kernel, which knows no way
	Intercepted                 // somebody who is not the target: a foreign certificate, no TLS, another host
)

// Miss is a call to a far target that got no answer of it.
type Miss struct {
	Source string // calls or probe
	Target string
	Met    Evidence
	Others []string // the far targets that may be called and might have met something else
}

// Machine is the state of connectivity. Its methods are called in the order of
// their times, one after the other.
type Machine struct {
	reach  string // unknown, online, degraded, portal, offline: as links, calls and probes say
	source string
	down   bool // the kernel says that no link is up

	misses  int
	unheard map[string]Evidence // what calls to far targets met since one was answered
	blamed  map[string]bool     // targets whose certificate is bad while others answer
	untried []string            // those that alone keep the network from being lost, see Untried
	cleared time.Time           // when one of them last answered a probe
	found   time.Time           // when portal or offline was last left
	turned  time.Time           // when it last became degraded, or ended to be
	meter   meter

	host, metered, bill claim // what the host app says, of the state and of money; what the link's kind says
	battery             bool

	entered time.Time // when reach last changed
	probed  time.Time
	jitter  float64 // 0 to 1, of the next probe
	shown   View
}

// claim is what somebody else says, for as long as it holds.
type claim struct {
	state string
	is    *bool
	until time.Time
}

func (c claim) holds(at time.Time) bool { return at.Before(c.until) }

// New is a machine that knows nothing yet. The jitter, 0 to 1, is that of the
// first probe.
func New(at time.Time, jitter float64) *Machine {
	return &Machine{
		reach: Unknown, source: ByStart, entered: at, jitter: jitter,
		unheard: map[string]Evidence{}, blamed: map[string]bool{},
		shown: View{State: Unknown, Since: at, Source: ByStart},
	}
}

// Look is what is known at that time.
func (m *Machine) Look(at time.Time) View {
	if m.reach == Degraded && at.Sub(m.meter.last) >= quiet {
		m.turn(at, Unknown, ByQuiet)
	}
	state, source := m.reach, m.source
	m.shown.Metered = m.costs(at)
	switch {
	case m.host.holds(at):
		state, source = m.host.state, ByHost
	case state == Online && m.shown.Metered != nil && *m.shown.Metered:
		state = Metered
	}
	if state != m.shown.State {
		m.shown.State, m.shown.Since = state, at
	}
	m.shown.Source = source
	return m.shown
}

// costs tells whether bytes cost money.
func (m *Machine) costs(at time.Time) *bool {
	switch {
	case m.metered.holds(at):
		return m.metered.is
	case m.host.holds(at) && m.host.is != nil:
		return m.host.is
	}
	return m.bill.is
}

func (m *Machine) turn(at time.Time, state, source string) {
	if m.reach == state {
		return
	}
	if lost(m.reach) && !lost(state) {
		m.found = at
		m.meter.forget() // calls that met no network say nothing of how well it answers
	}
	if state == Degraded || m.reach == Degraded {
		m.turned = at
	}
	m.reach, m.source, m.entered = state, source, at
}

// Link takes in what the kernel says. A link that is down is certain; one that
// is up again, or another network on it, proves nothing yet, but ends what was
// concluded from calls.
func (m *Machine) Link(at time.Time, down, other bool) {
	wasDown := m.down
	m.down = down
	switch {
	case down:
		m.turn(at, Offline, ByLink)
	case wasDown, other && lost(m.reach):
		m.forget()
		m.turn(at, Unknown, ByLink)
	case other:
		m.forget()
	}
}

func (m *Machine) forget() {
	m.misses, m.untried = 0, nil
	clear(m.unheard)
	m.meter.forget()
}

// Answer takes in that a far target answered, the source being calls or a
// probe, and how long its parts took.
func (m *Machine) Answer(at time.Time, source, target string, p Pace) {
	m.clear(at, source)
	m.acquit(target)
	m.meter.add(outcome{at: at, target: target, heard: true, bad: m.meter.slow(target, p)})
	switch {
	case m.down:
	case m.reach == Degraded:
		m.recover(at)
	case m.reach == Online:
		m.worsen(at)
	default:
		m.turn(at, Online, source)
	}
}

// acquit forgets what calls met in vain. Whoever met a bad certificate while
// others answered has one of its own.
func (m *Machine) acquit(target string) {
	delete(m.blamed, target)
	for t, what := range m.unheard {
		if what == Intercepted && t != target && !lost(m.reach) {
			m.blamed[t] = true
		}
	}
	clear(m.unheard)
}

// Contact takes in that somebody is out there who cannot be told from a
// portal: it ends offline, and proves no more than that.
func (m *Machine) Contact(at time.Time, source string) {
	if m.down || m.reach == Portal {
		return
	}
	m.clear(at, source)
	clear(m.unheard)
	if m.reach == Offline {
		m.turn(at, Unknown, source)
	}
}

// clear ends the doubt whether there is a network.
func (m *Machine) clear(at time.Time, source string) {
	if source == ByProbe && len(m.untried) > 0 {
		m.cleared = at
	}
	m.misses, m.untried = 0, nil
}

// Miss takes in that a call was not answered. One host may be gone alone, so
// its silence means little as long as others have not been tried since somebody
// answered, see [Machine.Untried]. While nobody has, the kernel's word that there
// is no route is enough.
func (m *Machine) Miss(at time.Time, x Miss) {
	if x.Met == Intercepted && m.blamed[x.Target] {
		return
	}
	m.misses++
	m.unheard[x.Target] = x.Met
	m.meter.add(outcome{at: at, target: x.Target, bad: true})
	heard := m.reach == Online || m.reach == Degraded
	sure := x.Met == NoRoute || m.misses >= missesLost
	if sure {
		m.untried = m.left(x.Others)
	}
	switch {
	case m.down:
	case sure && len(m.untried) == 0, x.Met == NoRoute && !heard:
		m.lose(at, x.Source)
	case m.reach == Online:
		m.worsen(at)
	}
}

// left are those of the targets of which nothing is known since somebody answered.
func (m *Machine) left(targets []string) []string {
	return slices.DeleteFunc(slices.Clone(targets), func(t string) bool {
		_, tried := m.unheard[t]
		return tried || m.blamed[t]
	})
}

// lose has the network lost, unless it came back only just now.
func (m *Machine) lose(at time.Time, source string) {
	to := Offline
	for _, what := range m.unheard {
		if what == Intercepted {
			to = Portal
		}
	}
	last := m.found
	if lost(m.reach) {
		last = m.entered
	}
	if last.IsZero() || at.Sub(last) >= settle {
		m.turn(at, to, source)
	}
}

func (m *Machine) worsen(at time.Time) {
	if m.meter.poor(at) && m.rested(at) {
		m.turn(at, Degraded, ByCalls)
	}
}

func (m *Machine) recover(at time.Time) {
	if m.meter.well() && m.rested(at) {
		m.turn(at, Online, ByCalls)
	}
}

func (m *Machine) rested(at time.Time) bool { return m.turned.IsZero() || at.Sub(m.turned) >= dwell }
