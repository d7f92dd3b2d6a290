package policy

import (
	"cmp"
	"slices"
)

// Main is the step that a plan begins with, the cache aside.
func (p *Plan) Main() *Step {
	i := 0
	for p.Steps[i].Kind == StepCache {
		i++ // the last step is no look into the cache
	}
	return &p.Steps[i]
}

// MainReason is why the plan is as it is: what shaped all of it, else the reason
// of its main step.
func (p *Plan) MainReason() string { return cmp.Or(p.Reason, p.Main().Reason) }

// Route is what a reply made by the step says its route is: its kind, and
// "none" for a refusal.
func (s *Step) Route() string {
	if s.Kind == StepRefuse {
		return "none"
	}
	return s.Kind
}

// Pooled tells whether the plan has a choice among several cloud targets.
func (p *Plan) Pooled() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return len(s.Members) > 1 })
}

// Foresight is what is expected of a target that is asked, as [Decide] weighs
// it.
type Foresight struct {
	Quality   float64 // chance, 0 to 1, that its answer is good, if it gives one
	Fails     float64 // chance, 0 to 1, that it gives none
	MS        float64 // until the answer, in milliseconds
	CostUSD   float64
	MeteredKB float64 // to and fro where bytes cost money
}

// Foresee is what is expected of the target for the ask; false when the signals
// have no such target.
func Foresee(d *Document, a *Ask, s *Signals, target string) (Foresight, bool) {
	for i := range s.Targets {
		if t := &s.Targets[i]; t.Name == target {
			return foresee(&chooser{doc: d, ask: a, sig: s, metered: s.Metered()}, t), true
		}
	}
	return Foresight{}, false
}

func foresee(c *chooser, t *Target) Foresight {
	f := Foresight{Quality: c.expect(t), Fails: known(t.ErrorRate, assumedErrors), MS: c.median(t)}
	if !t.Local() {
		f.CostUSD = c.cost(t)
	}
	if c.metered && !t.Near && !t.Local() {
		f.MeteredKB = c.ask.Size.Kilobytes()
	}
	return f
}
