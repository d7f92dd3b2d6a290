package policy

import "slices"

// Hold lists the rules with an until that are in force, in the order of the
// document, given those that were (s.Held). Such a rule comes into force when
// its when holds and stays so until its until does, or until nothing that the
// until tests is known any more. Hold is pure; with its result in s.Held the
// same signals give the same list again.
func Hold(d *Document, s *Signals) []string {
	var held []string
	for i := range d.Rules {
		r := &d.Rules[i]
		if r.Until == nil {
			continue
		}
		if r.When.holds(&Ask{}, s) || slices.Contains(s.Held, r.Name) && r.Until.judgeable(s) && !r.Until.holds(&Ask{}, s) {
			held = append(held, r.Name)
		}
	}
	return held
}

// inForce tells whether the rule applies to the ask. One with an until applies
// to every ask while it is held.
func (r *Rule) inForce(a *Ask, s *Signals) bool {
	if r.Until != nil {
		return slices.Contains(s.Held, r.Name)
	}
	return r.When.holds(a, s)
}

// Fields calls f with every field the condition tests.
func (c *Condition) Fields(f func(string)) {
	for i := range c.All {
		c.All[i].Fields(f)
	}
	for i := range c.Any {
		c.Any[i].Fields(f)
	}
	if c.Not != nil {
		c.Not.Fields(f)
	}
	if c.Field != "" {
		f(c.Field)
	}
}

// judgeable tells whether anything that the condition tests is known.
func (c *Condition) judgeable(s *Signals) bool {
	known := false
	c.Fields(func(field string) { known = known || lookup(field, &Ask{}, s).known })
	return known
}
