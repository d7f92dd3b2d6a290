package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Reasons that shape a whole plan; the first that applies wins. A rule's is
// "rule_" and its name.
const (
	ReasonPrivate = "private"
	ReasonForced  = "forced_mode"
	ReasonOffline = "offline"
	ruleReason    = "rule_"
)

// Reasons of single steps.
const (
	ReasonCacheFresh       = "cache_fresh"
	ReasonStale            = "stale_on_error"
	ReasonDefault          = "default_on_error"
	ReasonLocalFirst       = "local_first"
	ReasonLocalUnsure      = "local_unsure"
	ReasonLocalUnavailable = "local_unavailable"
	ReasonCloudFirst       = "cloud_first"
	ReasonCloudOnly        = "cloud_only"
	ReasonCloudUnavailable = "cloud_unavailable"
	ReasonNoRoute          = "no_route"
	ReasonBudget           = "budget"
	ReasonTooLong          = "too_long"
	ReasonOnlyCached       = "only_if_cached"
	ReasonRateLimited      = "rate_limited"
)

// Decide plans one ask. It is pure: the same document, ask and signals give
// the same plan. The document must be valid, see [Document.Validate]; a
// service it does not name has a ladder with every rung.
//
// The plan's budgets add up to at most the ask's deadline, its last step is
// terminal, and a private ask or one made offline or behind a portal has no
// step that leaves the device, targets on the device's own link excepted for
// the latter two.
func Decide(d *Document, a *Ask, s *Signals) Plan {
	c := &chooser{doc: d, ask: a, sig: s, service: d.service(a.Service), metered: s.Metered()}
	c.applyRules()
	c.bind()
	c.sift()
	return c.plan()
}

// chooser holds what one call of Decide has found so far.
type chooser struct {
	doc     *Document
	ask     *Ask
	sig     *Signals
	service Service

	own      *Ask    // ask, when rules bound it
	bounds   Limit   // of rules, where they are less than what the ask has
	require  Require // of an answer
	commit   Commit
	private  bool // a rule made the ask private, of the name secret
	secret   string
	withheld string // see [Plan]
	spared   bool   // a rule kept a local target from the ask
	capped   int    // index in matched of the rule whose cost cap binds
	fewer    int    // the same of the one whose attempts do

	matched   []*Rule  // rules whose condition holds
	blamed    int      // index in matched of the first that changed something; its length when none did
	prefers   int      // index in matched of the first that prefers something
	locals    []Member // allowed local targets
	clouds    []Member // allowed cloud targets: the pool
	not       []NotChosen
	offline   bool     // a cloud target was left out because there is no network
	skipped   bool     // a local target was left out because it would hardly answer well
	overspent bool     // a cloud target was left out because of the cost cap
	metered   bool     // bytes cost money
	assumedMS float64  // see median; 0 until it is needed
	missed    []string // figures that were not known, target after target
	tooLong   bool     // a target was left out because the ask does not fit its context
	fits      bool     // a target was not left out for that
	pauseMS   int64    // the shortest pause of a target that asked for fewer calls
}

func (c *chooser) applyRules() {
	for i := range c.doc.Rules {
		if r := &c.doc.Rules[i]; r.inForce(c.ask, c.sig) {
			if c.matched == nil {
				c.matched = make([]*Rule, 0, len(c.doc.Rules)-i)
			}
			c.matched = append(c.matched, r)
		}
	}
	c.blamed = len(c.matched)
	for c.prefers < len(c.matched) && len(c.matched[c.prefers].Then.Prefer) == 0 {
		c.prefers++
	}
}

// otherSteps is how many there can be beside local ones: cache, cloud, stale,
// default and refuse.
const otherSteps = 5

// plan puts the steps in order.
func (c *chooser) plan() Plan {
	p := Plan{Private: c.private, Bounds: c.bounds, Require: c.require, Steps: make([]Step, 0, len(c.locals)+otherSteps)}
	if c.cacheFirst() {
		p.Steps = append(p.Steps, Step{Kind: StepCache, MaxAgeS: c.service.FreshMaxS, Reason: ReasonCacheFresh, Why: "an identical ask may have been answered lately"})
	}
	p.Steps = c.answering(p.Steps)
	if c.staleAllowed() {
		p.Steps = append(p.Steps, Step{Kind: StepStale, MaxAgeS: c.service.StaleMaxS, Reason: ReasonStale, Why: "when nothing better answers, what was last known is better than nothing"})
	}
	if c.defaultAllowed() {
		p.Steps = append(p.Steps, Step{Kind: StepDefault, Reason: ReasonDefault, Why: "when nothing answers, the service has a reply of its own for that"})
	}
	token, why := c.refusal()
	last := Step{Kind: StepRefuse, Reason: token, Why: why}
	if token == ReasonRateLimited {
		last.PauseMS = c.pauseMS
	}
	p.Steps = append(p.Steps, last)
	p.NotChosen, p.Reason = c.not, c.reason()
	if len(c.clouds) == 0 && !c.spared {
		p.Withheld = c.withheld
	}
	return p
}

func (c *chooser) reason() string {
	switch {
	case c.blamed < len(c.matched):
		return ruleReason + c.matched[c.blamed].Name
	case c.ask.Privacy == Private:
		return ReasonPrivate
	case c.ask.Mode == Local || c.ask.Mode == Cloud || c.ask.Target != "":
		return ReasonForced
	case c.offline:
		return ReasonOffline
	}
	return ""
}

func (c *chooser) has(rung string) bool { return slices.Contains(c.service.Ladder, rung) }

// cacheFirst tells whether a fresh answer may be reused. Nothing of a private
// ask is kept, so there is nothing to look for.
func (c *chooser) cacheFirst() bool {
	k := c.ask.Cache
	if !c.has(StepCache) || c.require.Verified || c.ask.Privacy == Private || k.NoStore || k.NoCache {
		return false
	}
	return c.service.Fresh == "always" || c.service.Fresh == "repeatable" && c.ask.Repeatable
}

func (c *chooser) staleAllowed() bool {
	k := c.ask.Cache
	return c.has(StepStale) && !c.require.Verified && c.ask.Privacy != Private && !k.NoStore && (k.MaxStaleS == nil || *k.MaxStaleS > 0)
}

func (c *chooser) defaultAllowed() bool {
	return c.has(StepDefault) && c.ask.Default && !c.ask.Cache.OnlyIfCached
}

// answering adds the steps that ask a target, best first, with their budgets.
func (c *chooser) answering(all []Step) []Step {
	before := len(all)
	for _, m := range c.locals {
		all = append(all, Step{Kind: StepLocal, Target: m.Target, Utility: m.Utility, Terms: m.Terms, Assumed: m.Assumed})
	}
	if len(c.clouds) > 0 {
		m := c.clouds[0]
		all = append(all, Step{Kind: StepCloud, Target: m.Target, Members: c.clouds, Utility: m.Utility, Terms: m.Terms, Assumed: m.Assumed})
	}
	steps := all[before:]
	slices.SortStableFunc(steps, func(x, y Step) int { return better(x.member(), y.member()) })
	steps = c.cut(steps)
	c.explain(steps)
	c.budget(steps)
	return all[:before+len(steps)]
}

// budget shares the deadline: what later steps need to be worth trying is kept
// back, at most half of what is left, and the earlier step has the rest. A
// local step that others follow gets no more than it should need, so that an
// engine that hangs does not use up the caller's patience.
func (c *chooser) budget(steps []Step) {
	left := max(0, c.ask.DeadlineMS)
	for i := range steps {
		var later int64
		for _, s := range steps[i+1:] {
			later += c.doc.Limits.AttemptMS * int64(max(1, len(s.Members)))
		}
		steps[i].BudgetMS = left - min(later, left/2)
		if later > 0 && steps[i].Kind == StepLocal {
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

// explain gives every answering step its commit rule, threshold and reason.
func (c *chooser) explain(steps []Step) {
	for i := range steps {
		s := &steps[i]
		if s.Kind == StepCloud {
			s.Commit = c.commit.Cloud
			s.Reason, s.Why = c.whyCloud(steps[:i])
		} else {
			s.Commit = c.commit.Local
			s.Threshold = c.threshold(s.Target)
			s.Reason, s.Why = c.whyLocal(steps[:i], s)
		}
		s.CommitTokens, _ = CommitTokens(s.Commit)
		s.Why = noting(s.Why, s.Assumed)
	}
}

// noting adds to a reason what was assumed for it.
func noting(why string, assumed []string) string {
	if len(assumed) == 0 {
		return why
	}
	var b strings.Builder
	b.Grow(len(why) + 128)
	b.WriteString(why)
	for i, figure := range assumed {
		b.WriteString([...]string{"; not known and taken in the middle: ", ", "}[min(i, 1)])
		b.WriteString(figure)
	}
	return b.String()
}

// threshold is the confidence the answer of a local target must reach.
func (c *chooser) threshold(target string) float64 {
	if e := c.ask.Estimate(target); e != nil && e.Threshold != nil {
		return max(*e.Threshold, c.require.Confidence)
	}
	return max(c.doc.Threshold(strings.TrimPrefix(target, "local/")), c.require.Confidence)
}

func (c *chooser) whyLocal(before []Step, s *Step) (string, string) {
	if len(before) == 0 {
		return ReasonLocalFirst, fmt.Sprintf("near comes first for %s (utility %.2f); an answer below confidence %.2f%s is not taken as good",
			c.ask.Task, s.Utility, s.Threshold, c.whyThreshold(s))
	}
	if before[len(before)-1].Kind == StepLocal {
		return ReasonLocalUnsure, "another local model, when the one before is not sure"
	}
	return ReasonCloudUnavailable, "when no cloud target answers"
}

// whyThreshold says where a threshold comes from that is not the document's.
func (c *chooser) whyThreshold(s *Step) string {
	e := c.ask.Estimate(s.Target)
	if e == nil || e.Threshold == nil {
		return ""
	}
	if len(c.doc.Check.Budget) == 0 {
		return fmt.Sprintf(" (%s)", e.From)
	}
	return fmt.Sprintf(" (%s, for at most %.3g wrong)", e.From, listed(c.doc.Check.Budget, c.ask.Task))
}

func (c *chooser) whyCloud(before []Step) (string, string) {
	if len(before) > 0 {
		return ReasonLocalUnsure, "when the local answer is missing or not good enough"
	}
	if len(c.locals) > 0 {
		return ReasonCloudFirst, fmt.Sprintf("%s is expected to be answered better by a cloud target (utility %.2f against %.2f)",
			c.ask.Task, c.clouds[0].Utility, c.locals[0].Utility)
	}
	if c.skipped {
		return ReasonLocalUnsure, "the device would hardly answer this well"
	}
	if c.ask.Service == Chat || slices.ContainsFunc(c.sig.Targets, func(t Target) bool { return t.Local() && t.Serves(c.ask.Service) }) {
		return ReasonLocalUnavailable, "no local target can answer this"
	}
	return ReasonCloudOnly, "no model on the device serves " + c.ask.Service
}

// refusal says what the last step tells the caller.
func (c *chooser) refusal() (token, why string) {
	switch {
	case c.ask.Cache.OnlyIfCached:
		return ReasonOnlyCached, "only a kept answer was wanted, and there is none"
	case c.tooLong && !c.fits && !c.offline:
		return ReasonTooLong, "it does not fit the context of any target that may answer"
	case c.ask.Privacy == Private:
		return ReasonPrivate, "the ask is private, and no local target could answer"
	case c.offline:
		return ReasonOffline, "there is no network, and nothing on the device could answer"
	case c.pauseMS > 0 && len(c.clouds) == 0:
		return ReasonRateLimited, "every cloud target that could answer asked for fewer calls"
	case c.overspent:
		return ReasonBudget, "every target that could answer is over the cost cap"
	}
	return ReasonNoRoute, "no target could answer"
}
