package trial

import "time"

// Quiet are the looks without an ask after which looks may be seldom.
const Quiet = 60

// Probe watches a policy on trial, look by look; the zero Probe watches none.
// The time of a look is any that only runs. One goroutine uses it.
type Probe struct {
	watch  *Watch
	start  time.Time
	last   Figures
	quiet  int   // looks since anything was asked
	asks   int64 // under trial, at the last look
	stored int64 // of these, in the record
}

// Begin watches, unless it does already.
func (p *Probe) Begin(at time.Time, known Probation, now Figures) {
	if p.watch == nil {
		*p = Probe{watch: NewWatch(known, now), start: at, last: now, stored: known.Sofar.Asks, asks: known.Sofar.Asks}
	}
}

// Watches tells whether it was begun.
func (p *Probe) Watches() bool { return p.watch != nil }

// Look judges what came of asks until now.
func (p *Probe) Look(at time.Time, now Figures) Judgement {
	p.quiet++
	if now.Begun != p.last.Begun || now.Asks != p.last.Asks {
		p.quiet = 0
	}
	p.last = now
	f, _ := p.watch.Sofar(0, now)
	p.asks = f.Asks
	return p.watch.Look(at.Sub(p.start), now)
}

// Idle tells that nobody has asked for [Quiet] looks.
func (p *Probe) Idle() bool { return p.quiet > Quiet }

// Asks is how many asks ended under trial, at the last look.
func (p *Probe) Asks() int64 { return p.asks }

// Unsaved is how many asks the record does not know of.
func (p *Probe) Unsaved() int64 { return p.asks - p.stored }

// Save is what the record is to know of, see [Record.Watched].
func (p *Probe) Save(at time.Time, now Figures) (Figures, time.Duration) {
	f, d := p.watch.Sofar(at.Sub(p.start), now)
	p.stored = f.Asks
	return f, d
}

// usualAsks are the asks after which a mark of [Usual] moves on.
const usualAsks = 200

// Usual knows what came of asks lately: since the older of two marks, which
// move on while asks come in.
type Usual struct {
	older, newer Figures
	last         Figures // what was usual before the last trial
}

// Begin sets the marks anew.
func (u *Usual) Begin(now Figures) { u.older, u.newer = now, now }

// Try sets the marks anew, as a trial begins; before is what was usual.
func (u *Usual) Try(now, before Figures) { *u = Usual{now, now, before} }

// Turn moves the marks on when enough was asked since the newer one.
func (u *Usual) Turn(now Figures) {
	if now.Asks-u.newer.Asks >= usualAsks {
		u.older, u.newer = u.newer, now
	}
}

// Figures are the time before; where little was asked since the last trial,
// those before that.
func (u *Usual) Figures(now Figures) Figures {
	if f := now.Since(u.older); f.Asks >= Clear {
		return f
	}
	return u.last
}
