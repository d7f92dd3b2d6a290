package lint

import (
	"fmt"
	"slices"
	"strings"

	"nearside/policy"
	"nearside/policy/cond"
)

// rules looks at every rule, and at every two of them.
func (c *checker) rules() {
	for i := range c.doc.Rules {
		r, path := &c.doc.Rules[i], fmt.Sprintf("rules[%d]", i)
		c.names(path, r)
		c.itself(path, r)
		if !c.matches(path, r) {
			continue
		}
		if r.Until != nil {
			c.band(path, r)
		}
		for j := range i {
			c.pair(path, &c.doc.Rules[j], r)
		}
	}
	if c.left <= 0 {
		c.warn("rules", "fewer rules, or simpler conditions", "are too many to compare all of them: there may be more to say")
	}
}

// matches looks at when a rule holds, and tells whether it ever does.
func (c *checker) matches(path string, r *policy.Rule) bool {
	if _, v := c.left.Together(cond.Holds(&r.When)); v == cond.Never {
		c.fail(path+".when", "remove the rule, or one of what contradicts", "rule %s can never match: its conditions contradict one another", r.Name)
		return false
	}
	if len(cond.Fields(&r.When)) > 0 {
		if _, v := c.left.Together(cond.Fails(&r.When)); v == cond.Never {
			c.warn(path+".when", "leave the condition out to say so", "rule %s always matches", r.Name)
		}
	}
	c.parts(path+".when", &r.When)
	return true
}

// parts looks for parts of an any that can never hold.
func (c *checker) parts(path string, w *policy.Condition) {
	for i := range w.Any {
		at := fmt.Sprintf("%s.any[%d]", path, i)
		if _, v := c.left.Together(cond.Holds(&w.Any[i])); v == cond.Never {
			c.warn(at, "remove it, or one of what contradicts", "this part can never hold")
		}
		c.parts(at, &w.Any[i])
	}
	for i := range w.All {
		c.parts(fmt.Sprintf("%s.all[%d]", path, i), &w.All[i])
	}
	if w.Field == "task" {
		for i, task := range w.In {
			c.task(fmt.Sprintf("%s.in[%d]", path, i), task)
		}
	}
}

// band looks at a rule that is held: it must be able to end, and not where it
// begins.
func (c *checker) band(path string, r *policy.Rule) {
	at := path + ".until"
	if _, v := c.left.Together(cond.Holds(r.Until)); v == cond.Never {
		c.fail(at, "a condition that can hold", "rule %s can never end: its until contradicts itself", r.Name)
		return
	}
	if values, v := c.left.Together(cond.Holds(&r.When), cond.Holds(r.Until)); v == cond.Sometimes {
		c.fail(at, "end it beyond where it begins, such as when lt 20, until ge 30",
			"the band of rule %s is inverted: with %s both its when and its until hold", r.Name, cond.List(values))
		return
	}
	if !measures(&r.When) || !measures(r.Until) || r.DwellMS > 0 {
		return // yes or no has no band, and a dwell steadies as well
	}
	if _, v := c.left.TogetherKnown(cond.Fails(&r.When), cond.Fails(r.Until)); v == cond.Never {
		c.warn(at, "leave a gap that is wider than the signal's noise, such as when lt 20, until ge 30",
			"the band of rule %s is empty: it ends where it begins, and a signal about there makes routes go to and fro", r.Name)
	}
}

// measures tells whether a number is compared.
func measures(w *policy.Condition) bool {
	return slices.ContainsFunc(cond.Fields(w), func(f string) bool { return policy.FieldKind(f) == policy.KindNumber })
}

// names holds the targets of an effect against those there are.
func (c *checker) names(path string, r *policy.Rule) {
	for _, list := range effects(&r.Then) {
		for i, name := range list.names {
			at := fmt.Sprintf("%s.then.%s[%d]", path, list.name, i)
			if c.known.Targets != nil && strings.Contains(name, "/") && !slices.Contains(c.known.Targets, name) {
				c.fail(at, "one of "+strings.Join(c.known.Targets, ", "), "rule %s names %s, which the config does not have", r.Name, name)
			}
		}
	}
}

type effect struct {
	name  string
	names []string
}

func effects(e *policy.Effect) []effect {
	return []effect{{"deny", e.Deny}, {"force", e.Force}, {"prefer", e.Prefer}}
}

// itself looks at an effect that works against itself.
func (c *checker) itself(path string, r *policy.Rule) {
	e := &r.Then
	switch {
	case len(e.Force) > 0 && covers(e.Deny, e.Force):
		c.fail(path+".then", "deny or force, not both", "rule %s forces %s and denies the same: nobody may be asked", r.Name, strings.Join(e.Force, ", "))
	case len(e.Prefer) > 0 && covers(e.Deny, e.Prefer):
		c.fail(path+".then", "deny or prefer, not both", "rule %s prefers %s and denies the same", r.Name, strings.Join(e.Prefer, ", "))
	case covers(e.Deny, []string{policy.Local, policy.Cloud}) && r.Until == nil && len(cond.Fields(&r.When)) == 0:
		c.warn(path+".then.deny", "say when, or leave one side", "rule %s denies everybody, always: nobody is ever asked", r.Name)
	case e.Privacy == policy.Private && len(e.Force) > 0 && covers([]string{policy.Cloud}, e.Force):
		c.fail(path+".then", "privacy: private or force, not both", "rule %s makes the ask private and forces %s: nobody may be asked", r.Name, strings.Join(e.Force, ", "))
	case e.Privacy == policy.Private && len(e.Prefer) > 0 && covers([]string{policy.Cloud}, e.Prefer):
		c.warn(path+".then.prefer", "leave it out", "rule %s makes the ask private and prefers %s, which is then not asked", r.Name, strings.Join(e.Prefer, ", "))
	}
	c.required(path+".then.require", r)
}

// required looks for a confidence that every threshold exceeds.
func (c *checker) required(path string, r *policy.Rule) {
	q := r.Then.Require
	if q == nil || q.Confidence == 0 {
		return
	}
	least := c.doc.Check.Confidence["default"]
	for _, x := range c.doc.Check.Confidence {
		least = min(least, x)
	}
	if q.Confidence <= least {
		c.warn(path+".confidence", fmt.Sprintf("more than %v", least), "rule %s requires %v, and every threshold is at least %v", r.Name, q.Confidence, least)
	}
}

// covers tells whether every target that the others name is named by the list.
func covers(list, others []string) bool {
	for _, name := range others {
		side, _, _ := strings.Cut(name, "/")
		if !slices.Contains(list, name) && !slices.Contains(list, side) {
			return false
		}
	}
	return true
}

// apart tells whether no target can be named by both lists.
func apart(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if covers([]string{x}, []string{y}) || covers([]string{y}, []string{x}) {
				return false
			}
		}
	}
	return true
}

// pair looks at a rule beside one before it.
func (c *checker) pair(path string, before, r *policy.Rule) {
	switch {
	case c.shadowed(path, before, r):
	case len(before.Then.Force) > 0 && len(r.Then.Force) > 0 && apart(before.Then.Force, r.Then.Force):
		c.clash(path, before, r, "force different targets")
	case len(r.Then.Force) > 0 && covers(before.Then.Deny, r.Then.Force):
		c.clash(path, before, r, "deny what the other forces")
	case len(before.Then.Force) > 0 && covers(r.Then.Deny, before.Then.Force):
		c.clash(path, before, r, "deny what the other forces")
	case leaves(&before.Then, &r.Then) || leaves(&r.Then, &before.Then):
		c.clash(path, before, r, "make the ask private and force the cloud")
	case before.Until == nil && r.Until == nil && parted(before, r): // one that is held is for an emergency
		c.clash(path, before, r, "deny the device and the cloud")
	}
}

// leaves tells whether one effect keeps asks on the device that the other sends
// away.
func leaves(one, other *policy.Effect) bool {
	return one.Privacy == policy.Private && len(other.Force) > 0 && covers([]string{policy.Cloud}, other.Force)
}

// parted tells whether two rules deny everybody together, and neither alone.
func parted(one, other *policy.Rule) bool {
	everybody := []string{policy.Local, policy.Cloud}
	a, b := one.Then.Deny, other.Then.Deny
	return covers(slices.Concat(a, b), everybody) && !covers(a, everybody) && !covers(b, everybody)
}

// clash reports two rules that leave nobody when both hold.
func (c *checker) clash(path string, before, r *policy.Rule, what string) {
	if values, v := c.left.Together(cond.Holds(&before.When), cond.Holds(&r.When)); v == cond.Sometimes {
		c.warn(path+".then", "make one of them not hold where the other does", "rules %s and %s %s: nobody may be asked%s", before.Name, r.Name, what, with(values))
	}
}

// with says of which values something is true.
func with(values []cond.Value) string {
	if len(values) == 0 {
		return ""
	}
	return " with " + cond.List(values)
}

// named tells whether all that an effect does is to name targets.
func named(e *policy.Effect) bool {
	return len(e.Deny)+len(e.Force)+len(e.Prefer) > 0 && e.Limit == nil && e.Require == nil && e.Commit == nil && e.Privacy == ""
}

// shadowed reports a rule to which one before it leaves nothing to do.
func (c *checker) shadowed(path string, before, r *policy.Rule) bool {
	what := ""
	b, e := &before.Then, &r.Then
	if !named(e) {
		return false
	}
	switch {
	case len(b.Deny) > 0 && len(e.Force) == 0 && covers(b.Deny, append(slices.Clone(e.Deny), e.Prefer...)):
		what = "denies these targets already"
	case len(b.Force) > 0 && len(e.Force) == 0 && len(e.Prefer) == 0 && apart(b.Force, e.Deny):
		what = "forces others already"
	case len(b.Force) > 0 && len(e.Deny) == 0 && len(e.Force) == 0 && apart(b.Force, e.Prefer):
		what = "forces others already"
	default:
		return false
	}
	if !c.within(before, r) {
		return false
	}
	c.warn(path, "remove it, or move it up if its name is to be the reason",
		"rule %s changes nothing: whenever it holds, rule %s does too and %s", r.Name, before.Name, what)
	return true
}

// within tells whether the rule is in force only while the one before it is.
func (c *checker) within(before, r *policy.Rule) bool {
	if !c.left.Implies(&r.When, &before.When) {
		return false
	}
	return r.Until == nil || before.Until != nil && c.left.Implies(before.Until, r.Until)
}
