package pull

import (
	"time"
)

// The bounds of a schedule. Jitter keeps the devices of a fleet, which came up
// together after a power cut, from asking together.
const (
	soon      = time.Minute      // within it, or the period, at random, a device that came online asks
	spread    = 0.2              // of the period, up and down
	thrift    = 6                // times the period where bytes cost money
	firstFail = 30 * time.Second // mean of the first wait after a failure is half of it
	leastWait = time.Second
	patience  = 24 * time.Hour // the longest Retry-After that is believed
)

// schedule is when the next request is due. It knows no clock: times and random
// numbers, 0 to 1, go in.
type schedule struct {
	every    time.Duration
	due      time.Time // zero: at once
	held     time.Time // the server asked to be left alone until then
	failures int       // in a row
	online   bool
}

// look takes in whether there is a network. Who comes back to one asks within a
// minute when a request is due, and at its time when not.
func (s *schedule) look(now time.Time, online bool, random float64) {
	if online && !s.online {
		s.due = later(s.due, now.Add(scale(min(soon, s.every), random)))
	}
	s.online = online
}

// ready tells whether a request may be sent now.
func (s *schedule) ready(now time.Time) bool { return s.online && !now.Before(s.due) }

// hurry makes a request due now, unless the server asked to be left alone.
func (s *schedule) hurry(now time.Time) { s.due = later(now, s.held) }

// answered plans the next request after a good one.
func (s *schedule) answered(now time.Time, metered bool, random float64) {
	s.failures, s.held = 0, time.Time{}
	s.due = now.Add(scale(s.period(metered), 1-spread+2*spread*random))
}

// failed plans the next request after one in vain: full jitter under a bound
// that doubles up to the period (AWS Architecture Blog, "Exponential backoff and
// jitter"), and not before the server wants it.
func (s *schedule) failed(now time.Time, after time.Duration, metered bool, random float64) {
	bound := s.period(metered)
	if doubled := firstFail << min(s.failures, 20); doubled < bound {
		bound = doubled
	}
	s.failures++
	s.due = now.Add(max(leastWait, scale(bound, random)))
	s.held = time.Time{}
	if after > 0 {
		after = min(after, patience)
		s.held = now.Add(after)
		s.due = later(s.due, s.held.Add(scale(after, spread*random)))
	}
}

func (s *schedule) period(metered bool) time.Duration {
	if metered {
		return thrift * s.every
	}
	return s.every
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func scale(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }
