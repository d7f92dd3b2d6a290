package policy

import "cmp"

// Effect is what a rule does. Deny, Force and Prefer name targets: "local",
// "cloud", "local/NAME" or "cloud/NAME". Of two limits the lower binds, of two
// commit rules the first; what is required adds up.
type Effect struct {
	Deny    []string `json:"deny,omitempty"`   // they are not asked
	Force   []string `json:"force,omitempty"`  // only they are asked
	Prefer  []string `json:"prefer,omitempty"` // they are asked first
	Limit   *Limit   `json:"limit,omitempty"`
	Require *Require `json:"require,omitempty"`
	Commit  *Commit  `json:"commit,omitempty"`  // in place of the service's; "" leaves one side as it is
	Privacy string   `json:"privacy,omitempty"` // private: the ask stays on the device, and nothing of it is kept
}

// Limit bounds what one ask may use. 0 and nil do not bound.
type Limit struct {
	BudgetMS  int64    `json:"budget_ms,omitempty"`    // for all steps together
	MaxCost   *float64 `json:"max_cost_usd,omitempty"` // a target without a price is not eligible under it
	TokensOut int      `json:"tokens_out,omitempty"`   // of the answer
	Attempts  int      `json:"attempts,omitempty"`     // targets that are asked, each in one round only
}

// Require is what an answer must be to be given at all.
type Require struct {
	Confidence float64 `json:"confidence,omitempty"` // a local one is good from here on, 0 to 1, where the threshold is lower
	Schema     bool    `json:"schema,omitempty"`     // one without the form asked for is not given, not even for want of a better
	Verified   bool    `json:"verified,omitempty"`   // made and checked for this very ask: nothing kept, no poor one, none whose check says nothing
}

// bind takes from the service and the matched rules what bounds the ask. Rules
// see the ask as it came; the steps see it bounded.
func (c *chooser) bind() {
	c.require.Verified = c.service.Critical
	for i, r := range c.matched {
		e := &r.Then
		if e.Privacy == Private && c.ask.Privacy != Private {
			c.bounded().Privacy, c.private, c.secret = Private, true, r.Name
			c.blame(i)
		}
		if e.Limit != nil {
			c.limit(i, e.Limit)
		}
		if q := e.Require; q != nil {
			c.require.Confidence = max(c.require.Confidence, q.Confidence)
			c.require.Schema, c.require.Verified = c.require.Schema || q.Schema, c.require.Verified || q.Verified
		}
		if e.Commit != nil {
			c.commit = Commit{cmp.Or(c.commit.Local, e.Commit.Local), cmp.Or(c.commit.Cloud, e.Commit.Cloud)}
		}
	}
	c.commit = Commit{cmp.Or(c.commit.Local, c.service.Commit.Local), cmp.Or(c.commit.Cloud, c.service.Commit.Cloud)}
	if c.require.Verified || c.require.Schema && c.ask.Needs.Schema {
		c.commit = Commit{CommitCheck, CommitCheck}
	}
}

// bounded is the chooser's own copy of the ask, to be changed.
func (c *chooser) bounded() *Ask {
	if c.own == nil {
		own := *c.ask
		c.own, c.ask = &own, &own
	}
	return c.own
}

// limit bounds the ask by what rule i says, where that is less than what is.
func (c *chooser) limit(i int, l *Limit) {
	if l.BudgetMS > 0 && l.BudgetMS < c.ask.DeadlineMS {
		c.bounded().DeadlineMS, c.bounds.BudgetMS = l.BudgetMS, l.BudgetMS
	}
	if l.MaxCost != nil && (c.ask.MaxCost == nil || *l.MaxCost < *c.ask.MaxCost) {
		c.bounded().MaxCost, c.bounds.MaxCost, c.capped = l.MaxCost, l.MaxCost, i
	}
	if l.TokensOut > 0 && l.TokensOut < c.ask.Size.TokensOut {
		c.bounded().Size.TokensOut, c.bounds.TokensOut = l.TokensOut, l.TokensOut
	}
	if l.Attempts > 0 && (c.bounds.Attempts == 0 || l.Attempts < c.bounds.Attempts) {
		c.bounds.Attempts, c.fewer = l.Attempts, i
	}
}

// cut leaves out the targets that come after as many as may be asked.
func (c *chooser) cut(steps []Step) []Step {
	if c.bounds.Attempts == 0 {
		return steps
	}
	left, kept := c.bounds.Attempts, steps[:0]
	why := "comes after as many targets as rule " + c.matched[c.fewer].Name + " lets be asked"
	for _, s := range steps {
		names := s.Targets()
		for _, name := range names[min(left, len(names)):] {
			c.blame(c.fewer)
			c.not = append(c.not, NotChosen{name, why})
		}
		if s.Kind == StepCloud {
			s.Members = s.Members[:min(left, len(s.Members))]
		}
		if left > 0 {
			kept = append(kept, s)
		}
		left = max(0, left-len(names))
	}
	clear(steps[len(kept):])
	return kept
}
