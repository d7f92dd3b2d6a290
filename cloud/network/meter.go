package network

import "time"

// What counts as answering badly.
const (
	latest  = 16               // calls that are looked at
	fewest  = 5                // fewer tell nothing
	recent  = 10 * time.Minute // older ones tell nothing
	wellRun = 5                // so many good ones in a row end it
	times   = 4                // as long as usual
	longer  = 2 * time.Second  // and so much longer
	memory  = 64               // a usual time is an average over about so many
)

// Pace is how long the parts of a call took; 0 is not known. The time of a
// whole answer is none of them, since it depends on its length.
type Pace struct {
	Setup time.Duration // until a new connection stood
	First time.Duration // until the first token of a stream
}

// meter judges how well far targets answer, by the latest calls. One in vain
// counts when the same target answered after it: a target that never does again
// is itself at fault, or the network is lost.
type meter struct {
	calls [latest]outcome // a ring
	n     int             // taken in so far
	bad   int             // of those in the ring
	last  time.Time
	usual map[string]*Pace // by target
}

type outcome struct {
	at     time.Time
	target string
	heard  bool // it answered
	bad    bool // it did not, or late
}

func (m *meter) forget() { m.n, m.bad = 0, 0 }

func (m *meter) add(o outcome) {
	slot := &m.calls[m.n%latest]
	if m.n >= latest && slot.bad {
		m.bad--
	}
	if o.bad {
		m.bad++
	}
	*slot = o
	m.n++
	m.last = o.at
}

// poor tells whether at least half of the recent calls went badly.
func (m *meter) poor(at time.Time) bool {
	if m.bad == 0 {
		return false
	}
	all, bad := 0, 0
	m.back(func(o outcome) bool {
		if at.Sub(o.at) > recent {
			return false
		}
		all++
		if o.bad {
			bad++
		}
		return true
	})
	return all >= fewest && 2*bad >= all
}

// well tells whether the last few calls all went well.
func (m *meter) well() bool {
	run := 0
	m.back(func(o outcome) bool {
		if !o.bad {
			run++
		}
		return !o.bad && run < wellRun
	})
	return run >= wellRun
}

// back goes through the calls that count, the latest first, until f has seen
// enough.
func (m *meter) back(f func(outcome) bool) {
	for i := m.n - 1; i >= max(0, m.n-latest); i-- {
		if o := m.calls[i%latest]; (o.heard || m.answered(o.target, i)) && !f(o) {
			return
		}
	}
}

// answered tells whether the target did after the call of that number.
func (m *meter) answered(target string, number int) bool {
	for i := number + 1; i < m.n; i++ {
		if o := &m.calls[i%latest]; o.heard && o.target == target {
			return true
		}
	}
	return false
}

// slow tells whether the target took far longer than it usually does. What
// lasts becomes usual.
func (m *meter) slow(target string, p Pace) bool {
	if p == (Pace{}) {
		return false
	}
	if m.usual == nil {
		m.usual = map[string]*Pace{}
	}
	u := m.usual[target]
	if u == nil {
		u = new(Pace)
		m.usual[target] = u
	}
	setup, first := unusual(&u.Setup, p.Setup), unusual(&u.First, p.First)
	return setup || first
}

// unusual compares a time with the usual one and averages it in.
func unusual(usual *time.Duration, took time.Duration) bool {
	switch {
	case took == 0:
		return false
	case *usual == 0:
		*usual = took
		return false
	}
	slow := took > times**usual && took > *usual+longer
	*usual += (min(took, 2**usual) - *usual) / memory
	return slow
}
