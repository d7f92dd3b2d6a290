package replay

import (
	"cmp"
	"slices"

	"nearside/policy"
	"nearside/policy/weigh"
)

// known is what was recorded. How good an answer was is not: the new policy's
// expectation of who gave it stands for that.
func (t *tally) known(r *Record) outcome {
	o := outcome{route: cmp.Or(r.Outcome.Route, "none"), ms: float64(r.Outcome.TotalMS)}
	f, ok := weigh.Foresee(t.o.New, &r.Ask, &r.Signals, r.Outcome.Target)
	if !ok {
		return o
	}
	o.quality = f.Quality
	if o.route != policy.StepCloud {
		return o
	}
	o.usd, o.kb = f.CostUSD, f.MeteredKB
	if r.Outcome.CostUSD != nil {
		o.usd = *r.Outcome.CostUSD
	}
	return o
}

// foresee is what is expected of a step that was not taken: by the figures its
// target had at the time. Nothing is expected of a step that asks nobody but
// that it takes no time; a stale answer may or may not be there.
func (t *tally) foresee(r *Record, s *policy.Step) outcome {
	o := outcome{route: s.Route()}
	f, ok := weigh.Foresee(t.o.New, &r.Ask, &r.Signals, s.Target)
	if !ok {
		return o
	}
	o.quality, o.ms, o.usd, o.kb = f.Quality*(1-f.Fails), f.MS, f.CostUSD, f.MeteredKB
	target := named(r, s.Target)
	if target.P50MS == nil || target.ErrorRate == nil || target.Price == nil && !target.Local() {
		t.assumed++
	}
	if p := target.Price; p != nil && r.Outcome.TokensIn != nil && r.Outcome.TokensOut != nil {
		o.usd = (p.Input*float64(*r.Outcome.TokensIn) + p.Output*float64(*r.Outcome.TokensOut)) / 1e6
	}
	return o
}

// named is a target of the record, which has it.
func named(r *Record, name string) *policy.Target {
	return &r.Signals.Targets[slices.IndexFunc(r.Signals.Targets, func(t policy.Target) bool { return t.Name == name })]
}

// fullMeter is how many kB count as all that may be spent, as in a decision.
const fullMeter = 100

// change completes what changes for one ask.
func (t *tally) change(r *Record, was, is outcome, c Change) Change {
	w := t.o.New.Weights
	c.ID, c.Time, c.Task, c.Tokens = r.ID, r.Time, r.Task, r.Size.TokensEst
	c.Quality, c.MS, c.CostUSD, c.KB = is.quality-was.quality, is.ms-was.ms, is.usd-was.usd, is.kb-was.kb
	c.Effect = w.Quality*c.Quality - w.Latency*max(-1, min(1, c.MS/float64(max(1, r.DeadlineMS)))) -
		w.Cost*100*c.CostUSD - w.Metered*max(-1, min(1, c.KB/fullMeter))
	return c
}
