package weigh

import "nearside/policy"

// Foresight is what is expected of a target that is asked, as it is weighed.
type Foresight struct {
	Quality   float64 // chance, 0 to 1, that its answer is good, if it gives one
	Fails     float64 // chance, 0 to 1, that it gives none
	MS        float64 // until the answer, in milliseconds
	CostUSD   float64
	MeteredKB float64 // to and fro where bytes cost money
}

// Foresee is what is expected of the target for the ask; false when the signals
// have no such target.
func Foresee(d *policy.Document, a *policy.Ask, s *policy.Signals, target string) (Foresight, bool) {
	for i := range s.Targets {
		if t := &s.Targets[i]; t.Name == target {
			scale := For(d, a, s)
			return scale.foresee(t), true
		}
	}
	return Foresight{}, false
}

func (s *Scale) foresee(t *policy.Target) Foresight {
	f := Foresight{Quality: s.expect(t), Fails: known(t.ErrorRate, assumedErrors), MS: s.median(t)}
	if !t.Local() {
		f.CostUSD = s.cost(t)
	}
	if s.metered && !t.Near && !t.Local() {
		f.MeteredKB = s.ask.Size.Kilobytes()
	}
	return f
}
