package decide

import (
	"cmp"

	"nearside/policy"
)

// bind takes from the service and the matched rules what bounds the ask. Rules
// see the ask as it came; the steps see it bounded.
func (c *chooser) bind() {
	c.require.Verified = c.service.Critical
	for i, r := range c.matched {
		e := &r.Then
		if e.Privacy == policy.Private && c.ask.Privacy != policy.Private {
			c.bounded().Privacy, c.private, c.secret = policy.Private, true, r.Name
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
			c.commit = policy.Commit{Local: cmp.Or(c.commit.Local, e.Commit.Local), Cloud: cmp.Or(c.commit.Cloud, e.Commit.Cloud)}
		}
	}
	c.commit = policy.Commit{Local: cmp.Or(c.commit.Local, c.service.Commit.Local), Cloud: cmp.Or(c.commit.Cloud, c.service.Commit.Cloud)}
	if c.require.Verified || c.require.Schema && c.ask.Needs.Schema {
		c.commit = policy.Commit{Local: policy.CommitCheck, Cloud: policy.CommitCheck}
	}
}

// bounded is the chooser's own copy of the ask, to be changed.
func (c *chooser) bounded() *policy.Ask {
	if c.own == nil {
		own := *c.ask
		c.own, c.ask = &own, &own
	}
	return c.own
}

// limit bounds the ask by what rule i says, where that is less than what is.
func (c *chooser) limit(i int, l *policy.Limit) {
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
func (c *chooser) cut(steps []policy.Step) []policy.Step {
	if c.bounds.Attempts == 0 {
		return steps
	}
	left, kept := c.bounds.Attempts, steps[:0]
	why := "comes after as many targets as rule " + c.matched[c.fewer].Name + " lets be asked"
	for _, s := range steps {
		names := s.Targets()
		for _, name := range names[min(left, len(names)):] {
			c.blame(c.fewer)
			c.not = append(c.not, policy.NotChosen{Target: name, Why: why})
		}
		if s.Kind == policy.StepCloud {
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
