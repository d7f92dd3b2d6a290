package network

import "time"

// Host takes in the state that the host app says. It outranks all else until
// that time.
func (m *Machine) Host(state string, until time.Time) {
	m.host = claim{state: state, until: until}
	if state == Metered {
		yes := true
		m.host.is = &yes
	}
}

// HostMetered takes in whether the host app says that bytes cost money.
func (m *Machine) HostMetered(is bool, until time.Time) { m.metered = claim{is: &is, until: until} }

// LinkMetered takes in whether bytes cost money, by the kind of the link; nil
// is not known.
func (m *Machine) LinkMetered(is *bool) { m.bill = claim{is: is} }

// Battery takes in whether the device runs on its battery.
func (m *Machine) Battery(on bool) { m.battery = on }

// Lapse is when the next thing that the host app said ends, zero when nothing
// does.
func (m *Machine) Lapse(at time.Time) time.Time {
	var next time.Time
	for _, c := range []claim{m.host, m.metered} {
		if c.holds(at) && (next.IsZero() || c.until.Before(next)) {
			next = c.until
		}
	}
	return next
}

// Stands is until when [Machine.Look] says the same as at that time, if nothing
// is told meanwhile; zero is for good.
func (m *Machine) Stands(at time.Time) time.Time {
	until := m.Lapse(at)
	if end := m.meter.last.Add(quiet); m.reach == Degraded && (until.IsZero() || end.Before(until)) {
		return end
	}
	return until
}

// Untried are the far targets that alone keep the network from being lost: all
// others were called in vain, and of these nothing is known since somebody
// answered. One may be of a service that nobody asks for, so that only a probe
// can tell.
func (m *Machine) Untried() []string {
	if lost(m.reach) {
		return nil
	}
	return m.untried
}

// ProbeDue is when a probe may be sent; ok is false when none is wanted: only
// a probe can find out that a network lost by calls is back, or that it is lost,
// see [Machine.Untried]; and where no link is up, or the host app knows, there is
// nothing to find. A target that answered clears the network for a while, so that
// one that is gone for good does not have another probed for ever.
func (m *Machine) ProbeDue(at time.Time) (due time.Time, ok bool) {
	if m.down || !lost(m.reach) && len(m.untried) == 0 || m.host.holds(at) {
		return due, false
	}
	every := probeEvery
	if cost := m.costs(at); m.battery || cost != nil && *cost {
		every = probeThrifty
	}
	if lost(m.reach) {
		due = m.entered.Add(m.late(afterLoss))
	} else if !m.cleared.IsZero() {
		due = m.cleared.Add(probeThrifty)
	}
	if next := m.probed.Add(m.late(every)); !m.probed.IsZero() && next.After(due) {
		due = next
	}
	return due, true
}

// late lengthens a time by up to a quarter, so that not all devices of a
// street probe at once.
func (m *Machine) late(d time.Duration) time.Duration {
	return d + time.Duration(m.jitter*float64(d)/4)
}

// Probed takes in that a probe is sent; the jitter, 0 to 1, is that of the next.
func (m *Machine) Probed(at time.Time, jitter float64) { m.probed, m.jitter = at, jitter }
