package steer

import (
	"time"

	"nearside/policy/trial"
)

// probe watches a policy on trial; the zero probe watches none.
type probe struct {
	watch  *trial.Watch
	start  time.Time
	last   trial.Figures
	quiet  int   // looks since anything was asked
	asks   int64 // under trial, at the last look
	stored int64 // of these, in the record
}

// begin watches, unless it does already.
func (p *probe) begin(known trial.Probation, now trial.Figures) {
	if p.watch == nil {
		*p = probe{watch: trial.NewWatch(known, now), start: time.Now(), last: now, stored: known.Sofar.Asks, asks: known.Sofar.Asks}
	}
}

func (p *probe) look(now trial.Figures) trial.Judgement {
	p.quiet++
	if now.Begun != p.last.Begun || now.Asks != p.last.Asks {
		p.quiet = 0
	}
	p.last = now
	f, _ := p.watch.Sofar(0, now)
	p.asks = f.Asks
	return p.watch.Look(time.Since(p.start), now)
}

// pause is how long until the next look: a device that nobody asks is looked at
// seldom.
func (p *probe) pause() time.Duration {
	if p.quiet > quietLooks {
		return lookSeldom
	}
	return lookEvery
}

// unsaved is how many asks the record does not know of.
func (p *probe) unsaved() int64 { return p.asks - p.stored }

func (p *probe) sofar(now trial.Figures) (trial.Figures, time.Duration) {
	f, d := p.watch.Sofar(time.Since(p.start), now)
	p.stored = f.Asks
	return f, d
}

// usual knows what came of asks lately: since the older of two marks, which
// move on while asks come in.
type usual struct {
	older, newer trial.Figures
	last         trial.Figures // what was usual before the last trial
}

func (u *usual) begin(now trial.Figures) { u.older, u.newer = now, now }

// turn moves the marks on when enough was asked since the newer one.
func (u *usual) turn(now trial.Figures) {
	if now.Asks-u.newer.Asks >= usualAsks {
		u.older, u.newer = u.newer, now
	}
}

// figures are the time before; where little was asked since the last trial,
// those before that.
func (u *usual) figures(now trial.Figures) trial.Figures {
	if f := now.Since(u.older); f.Asks >= trial.Clear {
		return f
	}
	return u.last
}
