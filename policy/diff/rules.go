package diff

import (
	"encoding/json"
	"fmt"
	"slices"

	"nearside/policy"
	"nearside/policy/cond"
)

// rules compares rules by their names, and those that are in one only by what
// they mean.
func rules(a, b *policy.Document) []Change {
	var all []Change
	var gone []*policy.Rule
	for i := range a.Rules {
		r := &a.Rules[i]
		if s := named(b, r.Name); s != nil {
			all = append(all, parts(r, s)...)
		} else {
			gone = append(gone, r)
		}
	}
	for i := range b.Rules {
		r := &b.Rules[i]
		if named(a, r.Name) != nil {
			continue
		}
		k := slices.IndexFunc(gone, func(g *policy.Rule) bool { return len(parts(g, r)) == 0 })
		if k < 0 {
			all = append(all, Change{"rules." + r.Name, Added, "", write(r)})
			continue
		}
		all = append(all, Change{"rules." + r.Name, Renamed, gone[k].Name, r.Name})
		gone = slices.Delete(gone, k, k+1)
	}
	for _, r := range gone {
		all = append(all, Change{"rules." + r.Name, Removed, write(r), ""})
	}
	return append(all, moved(a, b)...)
}

func named(d *policy.Document, name string) *policy.Rule {
	for i := range d.Rules {
		if d.Rules[i].Name == name {
			return &d.Rules[i]
		}
	}
	return nil
}

// parts compares two rules of one name.
func parts(r, s *policy.Rule) []Change {
	var all []Change
	changed := func(key string, before, after any) {
		all = append(all, Change{"rules." + s.Name + "." + key, Changed, write(before), write(after)})
	}
	if !cond.Same(&r.When, &s.When) {
		changed("when", r.When, s.When)
	}
	switch {
	case r.Until == nil && s.Until == nil:
	case r.Until == nil || s.Until == nil || !cond.Same(r.Until, s.Until):
		changed("until", r.Until, s.Until)
	}
	if r.DwellMS != s.DwellMS {
		changed("dwell_ms", r.DwellMS, s.DwellMS)
	}
	if write(sorted(r.Then)) != write(sorted(s.Then)) {
		changed("then", r.Then, s.Then)
	}
	return all
}

// sorted is the effect with its targets in one order, since theirs says nothing.
func sorted(e policy.Effect) policy.Effect {
	for _, list := range []*[]string{&e.Deny, &e.Force, &e.Prefer} {
		*list = slices.Clone(*list)
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return e
}

// write is a part of a rule on one line.
func write(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// patience bounds how long the order of rules is thought about; what is not
// found out counts as moved.
const patience = 1_000_000

// moved lists rules that come in another order where both can hold: the first
// that changes something gives the reason, and its commit rule binds.
func moved(a, b *policy.Document) []Change {
	var all []Change
	left, place := cond.Patience(patience), map[string]int{}
	for i, r := range b.Rules {
		place[r.Name] = i
	}
	for i := range a.Rules {
		for j := range i {
			first, second := a.Rules[j].Name, a.Rules[i].Name
			x, inB := place[first]
			y, alsoInB := place[second]
			if !inB || !alsoInB || x < y {
				continue
			}
			if _, v := left.Together(cond.Holds(&b.Rules[x].When), cond.Holds(&b.Rules[y].When)); v != cond.Never {
				all = append(all, Change{"rules." + second, Moved, "after " + first, "before " + first})
				break // one is enough to see it
			}
		}
	}
	return all
}
