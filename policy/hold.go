package policy

import (
	"slices"
	"time"
)

// Hold lists the rules with an until that are in force, in the order of the
// document, given those that were (s.Held). Such a rule comes into force when
// its when holds and stays so until its until does, or until nothing that the
// until tests is known any more. One with a dwell changes no sooner than that
// after its last change (s.HeldSince), which comes back in since. Hold is pure;
// with its results in s the same signals give the same again.
func Hold(d *Document, s *Signals) (held []string, since map[string]time.Time) {
	for i := range d.Rules {
		r := &d.Rules[i]
		if r.Until == nil {
			continue
		}
		was := slices.Contains(s.Held, r.Name)
		last, changed := s.HeldSince[r.Name]
		is := r.wanted(was, s)
		if age := s.Time.Sub(last); changed && age >= 0 && age < time.Duration(r.DwellMS)*time.Millisecond {
			is = was
		}
		if is != was {
			last, changed = s.Time, true
		}
		if changed && r.DwellMS > 0 {
			since = with(since, r.Name, last)
		}
		if is {
			held = append(held, r.Name)
		}
	}
	return held, since
}

// Settled is what [Hold] lists when the signals have been as they are for long,
// so that no dwell keeps a rule as it was.
func Settled(d *Document, s *Signals) []string {
	long := *s
	long.HeldSince = nil
	held, _ := Hold(d, &long)
	return held
}

// with is the map with one entry more; mostly there is none.
func with(m map[string]time.Time, name string, at time.Time) map[string]time.Time {
	if m == nil {
		m = map[string]time.Time{}
	}
	m[name] = at
	return m
}

// wanted tells whether the signals would have the rule in force.
func (r *Rule) wanted(was bool, s *Signals) bool {
	return r.When.Holds(&Ask{}, s) || was && r.Until.judgeable(s) && !r.Until.Holds(&Ask{}, s)
}

// InForce tells whether the rule applies to the ask: its condition holds, or,
// where it has an until, it is held; then it applies to every ask.
func (r *Rule) InForce(a *Ask, s *Signals) bool {
	if r.Until != nil {
		return slices.Contains(s.Held, r.Name)
	}
	return r.When.Holds(a, s)
}

// Leaves calls f with every comparison and every window in the condition.
func (c *Condition) Leaves(f func(*Condition)) {
	for i := range c.All {
		c.All[i].Leaves(f)
	}
	for i := range c.Any {
		c.Any[i].Leaves(f)
	}
	if c.Not != nil {
		c.Not.Leaves(f)
	}
	if c.Field != "" || c.Time != nil {
		f(c)
	}
}

// Fields calls f with every field the condition tests; a window tests "time".
func (c *Condition) Fields(f func(string)) {
	c.Leaves(func(leaf *Condition) {
		if leaf.Time != nil {
			f(KindTime)
		}
		if leaf.Field != "" {
			f(leaf.Field)
		}
	})
}

// judgeable tells whether anything that the condition tests is known.
func (c *Condition) judgeable(s *Signals) bool {
	known := false
	c.Fields(func(field string) { known = known || lookup(field, &Ask{}, s).Known })
	return known
}
