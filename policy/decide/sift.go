package decide

import (
	"cmp"
	"fmt"
	"slices"

	"nearside/policy"
	"nearside/policy/weigh"
)

// sift parts the targets into those that may be asked and those that may not.
func (c *chooser) sift() {
	c.scale = weigh.For(c.doc, c.ask, c.sig)
	c.not = []policy.NotChosen{} // mostly none is left out
	near := 0
	for i := range c.sig.Targets {
		if c.sig.Targets[i].Local() {
			near++
		}
	}
	for i := range c.sig.Targets {
		t := &c.sig.Targets[i]
		if why := c.denied(t); why != "" {
			if cap(c.not) == 0 {
				c.not = make([]policy.NotChosen, 0, len(c.sig.Targets)-i)
			}
			c.not = append(c.not, policy.NotChosen{Target: t.Name, Why: why})
			continue
		}
		side, most := &c.clouds, len(c.sig.Targets)-near
		if t.Local() {
			side, most = &c.locals, near
		}
		if *side == nil {
			*side = make([]policy.Member, 0, most)
		}
		n := len(*side)
		*side = (*side)[:n+1]
		c.scale.Weigh(t, c.preferred(t), &(*side)[n])
	}
	c.skip()
	if len(c.locals) > 1 {
		slices.SortStableFunc(c.locals, func(x, y policy.Member) int { return weigh.Better(&x, &y) })
	}
	c.scale.Rank(c.clouds, c.service.Balance)
}

// preferred tells whether a matched rule prefers the target. What prefers the
// cloud spares the device, so a light target is not put behind it.
func (c *chooser) preferred(t *policy.Target) bool {
	found := false
	for i := c.prefers; i < len(c.matched); i++ {
		if list := c.matched[i].Then.Prefer; policy.Names(list, t) || t.Light && slices.Contains(list, policy.Cloud) {
			c.blame(i)
			found = true
		}
	}
	return found
}

// skip leaves out local targets that would hardly answer well, where a cloud
// target may be asked and no rule prefers them.
func (c *chooser) skip() {
	if len(c.clouds) == 0 || len(c.ask.Expected) == 0 {
		return
	}
	c.locals = slices.DeleteFunc(c.locals, func(m policy.Member) bool {
		e := c.ask.Estimate(m.Target)
		hopeless := e != nil && e.Good < c.doc.Check.Skip && m.Terms.Rule == 0
		if hopeless {
			c.not = append(c.not, policy.NotChosen{Target: m.Target, Why: fmt.Sprintf("P(good) %.2f is below %.2f", e.Good, c.doc.Check.Skip)})
			c.skipped = true
		}
		return hopeless
	})
}

// denied says why the target may not be asked, "" when it may.
func (c *chooser) denied(t *policy.Target) string {
	if !t.Serves(c.ask.Service) {
		return "does not serve " + c.ask.Service
	}
	if why := c.barred(t); why != "" {
		return why
	}
	if why := c.unfit(t); why != "" {
		return why
	}
	if t.Usable {
		return ""
	}
	if t.PauseMS > 0 && (c.pauseMS == 0 || t.PauseMS < c.pauseMS) {
		c.pauseMS = t.PauseMS
	}
	return cmp.Or(t.Why, "cannot be asked now")
}

// barred says why the target must not be asked, whatever it could do.
func (c *chooser) barred(t *policy.Target) string {
	if why := c.byRule(t); why != "" {
		return why
	}
	if why := c.byPrivacy(t); why != "" {
		return why
	}
	if why := c.byMode(t); why != "" {
		return why
	}
	return c.byNetwork(t)
}

// unfit says why the target is not the one for the ask.
func (c *chooser) unfit(t *policy.Target) string {
	if why := c.byLadder(t); why != "" {
		return why
	}
	if why := c.byAbility(t); why != "" {
		return why
	}
	return c.byCost(t)
}

func (c *chooser) byRule(t *policy.Target) string {
	for i, r := range c.matched {
		if denies(r.Then.Deny, t) {
			c.blame(i)
			c.keep(t, r.Name)
			return "denied by rule " + r.Name
		}
		if len(r.Then.Force) > 0 && !policy.Names(r.Then.Force, t) {
			c.blame(i)
			c.keep(t, r.Name)
			return "rule " + r.Name + " forces another"
		}
	}
	return ""
}

// keep notes that a rule kept a target from the ask.
func (c *chooser) keep(t *policy.Target, rule string) {
	switch {
	case t.Local():
		c.spared = true
	case c.withheld == "":
		c.withheld = rule
	}
}

// blame notes that a matched rule changed something.
func (c *chooser) blame(i int) { c.blamed = min(c.blamed, i) }

// denies tells whether the list denies the target. What denies the local ones
// spares the device, and a light one needs no sparing: it is denied by its name.
func denies(list []string, t *policy.Target) bool {
	return policy.Names(list, t) && (!t.Light || slices.Contains(list, t.Name))
}

func (c *chooser) byPrivacy(t *policy.Target) string {
	if c.ask.Privacy == policy.Private && !t.Local() {
		c.keep(t, c.secret)
		return "the ask is private and stays on the device"
	}
	return ""
}

func (c *chooser) byMode(t *policy.Target) string {
	switch {
	case c.ask.Target != "" && c.ask.Target != t.Name:
		return "the caller asked for " + c.ask.Target
	case c.ask.Mode == policy.Local && !t.Local():
		return "the caller asked for local only"
	case c.ask.Mode == policy.Cloud && t.Local():
		return "the caller asked for cloud only"
	}
	return ""
}

func (c *chooser) byNetwork(t *policy.Target) string {
	if t.Local() || t.Near || !c.sig.Lost() {
		return ""
	}
	c.offline = true
	if c.sig.Network == "portal" {
		return "a portal answers in place of the network"
	}
	return "the network is offline"
}

// byAbility leaves out a target that cannot read the ask. The answer needs room
// too: what it may take, at most a quarter of the context.
func (c *chooser) byAbility(t *policy.Target) string {
	if c.ask.Needs.Vision && t.Blind {
		return "takes text only"
	}
	in, room := t.Tokens(c.ask.Size.TokensEst), min(c.ask.Size.TokensOut, t.Context/4)
	if c.ask.Service == policy.Chat && t.Context > 0 && in > t.Context-room {
		c.tooLong = true
		return fmt.Sprintf("about %d tokens and %d for the answer do not fit its context of %d", in, room, t.Context)
	}
	c.fits = true
	return ""
}

func (c *chooser) byCost(t *policy.Target) string {
	if c.ask.MaxCost == nil || t.Local() {
		return ""
	}
	if t.Price == nil {
		c.overspend()
		return "has no price, and the ask has a cost cap"
	}
	if cost := t.Price.Cost(c.ask.Size); cost > *c.ask.MaxCost {
		c.overspend()
		return fmt.Sprintf("may cost %.6f USD, over the cap of %.6f", cost, *c.ask.MaxCost)
	}
	return ""
}

// overspend notes that the cost cap left a target out, and whose cap it is.
func (c *chooser) overspend() {
	c.overspent = true
	if c.bounds.MaxCost != nil {
		c.blame(c.capped)
		if c.withheld == "" {
			c.withheld = c.matched[c.capped].Name
		}
	}
}

func (c *chooser) byLadder(t *policy.Target) string {
	rung, has := policy.StepCloud, c.has.cloud
	if t.Local() {
		rung, has = policy.StepLocal, c.has.local
	}
	switch {
	case !has:
		return "the ladder of " + c.ask.Service + " has no " + rung + " step"
	case c.ask.Cache.OnlyIfCached:
		return "only a kept answer was wanted"
	}
	return ""
}
