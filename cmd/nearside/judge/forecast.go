package judge

import (
	"slices"
	"strings"

	"nearside/policy"
	"nearside/policy/weigh"
)

// forecast is what is expected of one ask under a plan. Shares are chances, 0 to
// 1. Kept answers are left out: whether there is one is the same for all plans.
type forecast struct {
	answered float64 // of an answer, however good
	refused  float64 // of nobody being asked
	local    float64 // of an answer by the device
	poor     float64 // of a local answer that is not good enough by the policy in force
	unmarked float64 // of one that is given as if it were
	quality  float64 // of a good answer
	ms       float64 // until the answer, or until all have failed
	usd      float64
}

// oracle foresees what comes of plans, by the tables and thresholds of one
// document and by what is known of one ask.
type oracle struct {
	doc  *policy.Document
	ask  *policy.Ask
	sig  *policy.Signals
	sure *float64 // how sure the device was of its answer, nil when it is not known
}

// of walks the plan as the agent does: a step is reached by the share of asks
// that no step before it answered well enough.
func (o *oracle) of(p *policy.Plan) forecast {
	f := forecast{}
	reach, held, asked := 1.0, 0.0, false // held: the share that has a poor answer at hand
	for i := range p.Steps {
		s, before := &p.Steps[i], reach
		gave := 0.0
		switch s.Kind {
		case policy.StepLocal:
			asked = true
			var taken float64
			taken, gave = o.near(&f, s, reach)
			reach -= taken
			gave -= taken
		case policy.StepCloud:
			asked = true
			reach -= o.far(&f, s, reach)
		}
		held = max(gave, held*reach/max(before, 1e-9))
	}
	switch {
	case !asked || crippled(p):
		return forecast{refused: 1}
	case p.Require.Verified || p.Require.Schema && o.ask.Needs.Schema:
		held = 0
	}
	f.answered += held
	f.local += held
	f.poor += held
	return f
}

// leastTokens is the shortest limit under which an answer says anything.
const leastTokens = 8

// crippled tells whether a plan lets nobody say enough.
func crippled(p *policy.Plan) bool { return p.Bounds.TokensOut > 0 && p.Bounds.TokensOut < leastTokens }

// near adds a step of the device: the share of asks that its answer ends, and
// the share that it gives one at all.
func (o *oracle) near(f *forecast, s *policy.Step, reach float64) (taken, gave float64) {
	x, ok := weigh.Foresee(o.doc, o.ask, o.sig, s.Target)
	if !ok {
		return 0, 0
	}
	now := o.demand(s.Target)
	gave = reach * (1 - x.Fails) * inTime(x.MS, s.BudgetMS)
	passes, passed := o.passes(s.Threshold, now, x.Quality), o.passes(now, now, x.Quality)
	taken = gave * passes
	unmarked := gave * max(0, passes-passed)
	f.ms += reach * min(x.MS, float64(s.BudgetMS))
	f.answered += taken
	f.local += taken
	f.unmarked += unmarked
	f.poor += unmarked
	f.quality += taken * o.good(s.Threshold, now, x.Quality)
	return taken, gave
}

// far adds a pool: the share of asks that one of its members answers.
func (o *oracle) far(f *forecast, s *policy.Step, reach float64) float64 {
	left := reach
	for _, name := range s.Targets() {
		x, ok := weigh.Foresee(o.doc, o.ask, o.sig, name)
		if !ok {
			continue
		}
		gives := left * (1 - x.Fails) * inTime(x.MS, s.BudgetMS)
		f.ms += left * min(x.MS, float64(s.BudgetMS))
		f.usd += gives * x.CostUSD
		f.answered += gives
		f.quality += gives * x.Quality
		left -= gives
	}
	return reach - left
}

// demand is the confidence that the policy in force asks of a local answer.
func (o *oracle) demand(target string) float64 {
	if e := o.ask.Estimate(target); e != nil && e.Threshold != nil {
		return *e.Threshold
	}
	return o.doc.Threshold(strings.TrimPrefix(target, policy.Local+"/"))
}

// passes is the chance that a local answer reaches a threshold. Where it is not
// known how sure the device was, the threshold in force is taken to let through
// as many answers as are good, 0 lets through all, 1 none, and between them it
// goes straight.
func (o *oracle) passes(threshold, now, quality float64) float64 {
	switch {
	case o.ask.Service != policy.Chat: // there is no confidence in anything else
		return 1
	case o.sure != nil:
		return share(*o.sure >= threshold)
	case threshold <= 0:
		return 1
	case threshold <= now:
		return 1 - (1-quality)*threshold/now
	case threshold >= 1:
		return 0
	}
	return quality * (1 - threshold) / (1 - now)
}

// good is the chance that a local answer is good that reached a threshold: as
// the tables say where everything passes, and half as often wrong at the
// threshold in force and above.
func (o *oracle) good(threshold, now, quality float64) float64 {
	if now <= 0 {
		return quality
	}
	return quality + (1-quality)/2*min(1, max(0, threshold/now))
}

func share(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// inTime is the chance that an answer that mostly takes so long comes within a
// budget: none in half of it, all in three times as much.
func inTime(ms float64, budget int64) float64 {
	if ms <= 0 {
		return share(budget > 0)
	}
	return min(1, max(0, (float64(budget)/ms-0.5)/2.5))
}

// anybody tells whether a plan asks a target at all.
func anybody(p *policy.Plan) bool {
	return !crippled(p) && slices.ContainsFunc(p.Steps, func(s policy.Step) bool { return s.Target != "" && s.BudgetMS > 0 })
}
