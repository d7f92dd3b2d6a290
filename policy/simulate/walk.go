package simulate

import (
	"cmp"

	"nearside/policy"
)

// end is how one ask ended.
type end struct {
	route  string
	target string
	reason string
	ms     float64
	usd    float64
}

// walk takes the steps of a plan as the agent does.
type walk struct {
	day  *day
	now  int
	ask  *policy.Ask
	plan *policy.Plan
	seen bool // asked before in the same words, and answered
	ms   float64
	poor *end
}

// run is how the ask ends.
func (w *walk) run() end {
	for i := range w.plan.Steps {
		if e, done := w.take(&w.plan.Steps[i]); done {
			e.ms = w.ms
			e.reason = cmp.Or(w.plan.Reason, e.reason)
			return e
		}
	}
	return end{route: "none"} // not reached: the last step ends every walk
}

func (w *walk) take(s *policy.Step) (end, bool) {
	e := end{route: s.Route(), reason: s.Reason}
	switch s.Kind {
	case policy.StepCache, policy.StepStale:
		return e, w.seen
	case policy.StepLocal, policy.StepCloud:
		return w.consult(s)
	case policy.StepRefuse:
		if w.poor != nil && !w.plan.Require.Verified {
			return *w.poor, true
		}
	}
	return e, true
}

// consult asks the targets of a step one after the other.
func (w *walk) consult(s *policy.Step) (end, bool) {
	names := s.Targets()
	patience := float64(s.BudgetMS) / float64(len(names))
	for i, name := range names {
		ms, ok := w.day.fleet.call(name, w.now, patience)
		w.ms += ms
		if !ok {
			continue
		}
		e := end{route: s.Kind, target: name, reason: s.Reason, usd: took(w.day.price(name), w.ask.Size)}
		if i > 0 {
			e.reason = "failover"
		}
		if s.Kind == policy.StepCloud || s.Threshold == 0 || w.day.fleet.sure(name, w.ask.Task) {
			return e, true
		}
		e.reason = "unverified"
		w.poor = &e
	}
	return end{}, false
}
