package decide

import (
	"nearside/policy"
	"nearside/policy/weigh"
)

// Plan decides who may answer an ask. It is pure: the same document, ask and
// signals give the same plan. The document must be valid, see policy/valid; a
// service it does not name has a ladder with every rung.
//
// The plan's budgets add up to at most the ask's deadline, its last step is
// terminal, and a private ask or one made offline or behind a portal has no
// step that leaves the device, targets on the device's own link excepted for
// the latter two.
func Plan(d *policy.Document, a *policy.Ask, s *policy.Signals) policy.Plan {
	c := &chooser{doc: d, ask: a, sig: s, service: d.Service(a.Service)}
	c.has = rungsOf(c.service.Ladder)
	c.applyRules()
	c.bind()
	c.sift()
	return c.plan()
}

// chooser holds what one call of [Plan] has found so far.
type chooser struct {
	doc     *policy.Document
	ask     *policy.Ask
	sig     *policy.Signals
	service policy.Service
	has     ladder

	own      *policy.Ask    // ask, when rules bound it
	bounds   policy.Limit   // of rules, where they are less than what the ask has
	require  policy.Require // of an answer
	commit   policy.Commit
	private  bool // a rule made the ask private, of the name secret
	secret   string
	withheld string // see [policy.Plan]
	spared   bool   // a rule kept a local target from the ask
	capped   int    // index in matched of the rule whose cost cap binds
	fewer    int    // the same of the one whose attempts do

	matched   []*policy.Rule  // rules whose condition holds
	blamed    int             // index in matched of the first that changed something; its length when none did
	prefers   int             // index in matched of the first that prefers something
	locals    []policy.Member // allowed local targets
	clouds    []policy.Member // allowed cloud targets: the pool
	scale     weigh.Scale     // for the ask as it is bounded
	not       []policy.NotChosen
	offline   bool  // a cloud target was left out because there is no network
	skipped   bool  // a local target was left out because it would hardly answer well
	overspent bool  // a cloud target was left out because of the cost cap
	tooLong   bool  // a target was left out because the ask does not fit its context
	fits      bool  // a target was not left out for that
	pauseMS   int64 // the shortest pause of a target that asked for fewer calls
	steps     []policy.Step
}

func (c *chooser) applyRules() {
	for i := range c.doc.Rules {
		if r := &c.doc.Rules[i]; r.InForce(c.ask, c.sig) {
			if c.matched == nil {
				c.matched = make([]*policy.Rule, 0, len(c.doc.Rules)-i)
			}
			c.matched = append(c.matched, r)
		}
	}
	c.blamed = len(c.matched)
	for c.prefers < len(c.matched) && len(c.matched[c.prefers].Then.Prefer) == 0 {
		c.prefers++
	}
}

// plan puts the steps in order.
func (c *chooser) plan() policy.Plan {
	c.steps = make([]policy.Step, 0, c.most())
	if c.cacheFirst() {
		c.add(policy.StepCache, policy.ReasonCacheFresh, "an identical ask may have been answered lately").MaxAgeS = c.service.FreshMaxS
	}
	c.answering()
	if c.staleAllowed() {
		c.add(policy.StepStale, policy.ReasonStale, "when nothing better answers, what was last known is better than nothing").MaxAgeS = c.service.StaleMaxS
	}
	if c.defaultAllowed() {
		c.add(policy.StepDefault, policy.ReasonDefault, "when nothing answers, the service has a reply of its own for that")
	}
	token, why := c.refusal()
	last := c.add(policy.StepRefuse, token, why)
	if token == policy.ReasonRateLimited {
		last.PauseMS = c.pauseMS
	}
	p := policy.Plan{Steps: c.steps, NotChosen: c.not, Private: c.private, Bounds: c.bounds, Require: c.require, Reason: c.reason()}
	if len(c.clouds) == 0 && !c.spared {
		p.Withheld = c.withheld
	}
	return p
}

// most is how many steps there can be: cache, cloud, stale, default and refuse
// beside the local ones.
func (c *chooser) most() int {
	n := len(c.locals) + 1
	for _, has := range []bool{c.has.cache, len(c.clouds) > 0, c.has.stale, c.defaultAllowed()} {
		if has {
			n++
		}
	}
	return n
}

// add appends a step, to be completed before the next one.
func (c *chooser) add(kind, reason, why string) *policy.Step {
	n := len(c.steps)
	c.steps = c.steps[:n+1] // there is room, see most
	s := &c.steps[n]
	s.Kind, s.Reason, s.Why = kind, reason, why
	return s
}

func (c *chooser) reason() string {
	switch {
	case c.blamed < len(c.matched):
		return policy.ReasonRule + c.matched[c.blamed].Name
	case c.ask.Privacy == policy.Private:
		return policy.ReasonPrivate
	case c.ask.Mode == policy.Local || c.ask.Mode == policy.Cloud || c.ask.Target != "":
		return policy.ReasonForced
	case c.offline:
		return policy.ReasonOffline
	}
	return ""
}

// ladder is which rungs a ladder has.
type ladder struct{ cache, local, cloud, stale, fallback bool }

func rungsOf(names []string) (l ladder) {
	for _, name := range names {
		switch name {
		case policy.StepCache:
			l.cache = true
		case policy.StepLocal:
			l.local = true
		case policy.StepCloud:
			l.cloud = true
		case policy.StepStale:
			l.stale = true
		case policy.StepDefault:
			l.fallback = true
		}
	}
	return l
}

// cacheFirst tells whether a fresh answer may be reused. Nothing of a private
// ask is kept, so there is nothing to look for.
func (c *chooser) cacheFirst() bool {
	k := c.ask.Cache
	if !c.has.cache || c.require.Verified || c.ask.Privacy == policy.Private || k.NoStore || k.NoCache {
		return false
	}
	return c.service.Fresh == "always" || c.service.Fresh == "repeatable" && c.ask.Repeatable
}

func (c *chooser) staleAllowed() bool {
	k := c.ask.Cache
	return c.has.stale && !c.require.Verified && c.ask.Privacy != policy.Private && !k.NoStore && (k.MaxStaleS == nil || *k.MaxStaleS > 0)
}

func (c *chooser) defaultAllowed() bool {
	return c.has.fallback && c.ask.Default && !c.ask.Cache.OnlyIfCached
}

// answering adds the steps that ask a target, best first, with their budgets.
// Of equals the local ones come first.
func (c *chooser) answering() {
	from, pool := len(c.steps), c.clouds
	for i := range c.locals {
		m := &c.locals[i]
		if len(pool) > 0 && weigh.Better(&pool[0], m) < 0 {
			c.consult(policy.StepCloud, &pool[0]).Members = pool
			pool = nil
		}
		c.consult(policy.StepLocal, m)
	}
	if len(pool) > 0 {
		c.consult(policy.StepCloud, &pool[0]).Members = pool
	}
	steps := c.cut(c.steps[from:])
	c.explain(steps)
	c.budget(steps)
	c.steps = c.steps[:from+len(steps)]
}

// consult appends a step that asks a target, or a pool of which it is the first.
func (c *chooser) consult(kind string, m *policy.Member) *policy.Step {
	s := c.add(kind, "", "")
	s.Target, s.Utility, s.Terms, s.Assumed = m.Target, m.Utility, m.Terms, m.Assumed
	return s
}

// budget shares the deadline: what later steps need to be worth trying is kept
// back, at most half of what is left, and the earlier step has the rest. A
// local step that others follow gets no more than it should need, so that an
// engine that hangs does not use up the caller's patience.
func (c *chooser) budget(steps []policy.Step) {
	left := max(0, c.ask.DeadlineMS)
	for i := range steps {
		var later int64
		for j := range steps[i+1:] {
			later += c.doc.Limits.AttemptMS * int64(max(1, len(steps[i+1+j].Members)))
		}
		steps[i].BudgetMS = left - min(later, left/2)
		if later > 0 && steps[i].Kind == policy.StepLocal {
			steps[i].BudgetMS = min(steps[i].BudgetMS, c.patience(steps[i].Target))
		}
		left -= steps[i].BudgetMS
	}
}

// patience is how long a local target may take while others are left: by what
// is known of it, else what the policy allows for one not known.
func (c *chooser) patience(target string) int64 {
	for i := range c.sig.Targets {
		if t := &c.sig.Targets[i]; t.Name == target && t.P95MS != nil {
			return max(c.doc.Limits.AttemptMS, int64(4**t.P95MS))
		}
	}
	return c.doc.Limits.AttemptMS
}
