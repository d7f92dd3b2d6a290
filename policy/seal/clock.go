package seal

import "time"

const (
	maxStep   = 24 * time.Hour            // what a clock that nobody confirms may gain at once
	ahead     = 24 * time.Hour            // how far the clocks of operator and device may differ
	stretch   = 400 * 24 * time.Hour      // how long a device may well have been off
	longest   = 10 * 365 * 24 * time.Hour // how old a program may well be
	agreement = time.Hour                 // how close two clocks are that tell the same
)

// States of a device's clock.
const (
	ClockUnknown = "unknown" // it tells less than the floor: nothing is expired by it
	ClockFloor   = "floor"   // it tells much more than the floor, and nobody confirms it
	ClockTrusted = "trusted"
)

// Reading is what a device may believe of the time. Time is the device's clock,
// or the network's, when that is trusted, else the floor: a lower bound of the
// true time either way, so that what ended before it has ended in every state.
type Reading struct {
	State string    `json:"state"`
	Time  time.Time `json:"time"`
}

// Evidence is what speaks for a time. Elapsed is how long, by a clock that only
// runs, the floor has been what it is.
type Evidence struct {
	Wall    time.Time     // the device's clock
	Elapsed time.Duration // since the floor was last raised, or since boot
	Build   time.Time     // when the program was built
	Synced  bool          // the kernel says that its clock is synchronised
	Server  time.Time     // what a server told over verified TLS, moved on since; zero for none
}

// Clock is what a device keeps of the time: a floor, and whether anybody but
// the device's own clock ever spoke for it. The zero Clock kept nothing.
type Clock struct {
	Floor    time.Time `json:"floor,omitzero"`
	Anchored bool      `json:"anchored,omitempty"`
}

// Read judges the time.
func (c Clock) Read(e Evidence) Reading {
	floor := c.lowest(e)
	if t, ok := c.confirmed(e); ok {
		return Reading{ClockTrusted, t}
	}
	switch {
	case e.Wall.Before(floor):
		return Reading{ClockUnknown, floor}
	case e.Wall.After(c.plausible(e)):
		return Reading{ClockFloor, floor}
	}
	return Reading{ClockTrusted, e.Wall}
}

// lowest is the floor that holds: a program does not run before it was built.
func (c Clock) lowest(e Evidence) time.Time { return later(c.Floor, e.Build) }

// plausible is the latest that the device's clock may tell and be believed on
// its own.
func (c Clock) plausible(e Evidence) time.Time {
	if c.Anchored {
		return c.lowest(e).Add(stretch)
	}
	return later(e.Build.Add(longest), c.Floor)
}

// confirmed is the time that a server or the synchronised kernel tells, unless
// it is below the floor or absurdly far above.
func (c Clock) confirmed(e Evidence) (time.Time, bool) {
	t := e.Server
	if t.IsZero() && e.Synced {
		t = e.Wall
	}
	floor := c.lowest(e)
	return t, !t.IsZero() && !t.Before(floor) && !t.After(floor.Add(longest))
}

// Raise is the clock to keep after this evidence. Confirmed time raises the
// floor to it; the device's own clock raises it, while it is believed, by what
// elapsed and a day at most, so that one wild reading cannot carry the floor
// away. A floor that is too high comes down when a server and the device's own
// clock agree on an earlier time, never below the build.
func (c Clock) Raise(e Evidence) Clock {
	floor := c.lowest(e)
	if t, ok := c.confirmed(e); ok {
		return Clock{later(floor, t), true}
	}
	if e.Server.Before(floor) && !e.Server.Before(e.Build) && e.Server.Sub(e.Wall).Abs() <= agreement {
		return Clock{e.Server, true}
	}
	r := c.Read(e)
	if r.State != ClockTrusted {
		return c
	}
	if most := floor.Add(min(max(e.Elapsed, 0), stretch) + maxStep); r.Time.After(most) {
		return Clock{most, c.Anchored}
	}
	return Clock{r.Time, true}
}

// Heard is the clock to keep after a document was verified that was issued at
// that time: its signers' word raises the floor, unless it is more than a day
// ahead of the device's clock, or, where that is known to be behind, further
// ahead of the floor than is plausible.
func (c Clock) Heard(issued time.Time, e Evidence) Clock {
	r := c.Read(e)
	most := r.Time.Add(ahead)
	switch r.State {
	case ClockUnknown:
		most = c.plausible(e)
	case ClockFloor:
		most = e.Wall.Add(ahead)
	}
	if issued.After(most) || issued.Before(c.lowest(e)) {
		return c
	}
	return Clock{issued, true}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
