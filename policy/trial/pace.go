package trial

import "time"

// Pace bounds how many refusals are told: 16 at once, then one in 10 s, each
// with how many were not.
type Pace struct {
	full  time.Time // when 16 may be told at once again
	muted int64
}

// Tell tells whether one more may be told at that time, and how many before it
// were not.
func (p *Pace) Tell(at time.Time) (muted int64, ok bool) {
	const every, burst = 10 * time.Second, 16
	if p.full.Before(at) {
		p.full = at
	}
	if p.full.Sub(at) > (burst-1)*every {
		p.muted++
		return 0, false
	}
	p.full = p.full.Add(every)
	muted, p.muted = p.muted, 0
	return muted, true
}
