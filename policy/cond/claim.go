package cond

import (
	"slices"

	"nearside/policy"
)

// Claim is a condition and whether it is to hold.
type Claim struct {
	Condition *policy.Condition
	Fails     bool // it is not to hold
}

// Holds is the claim that the condition holds.
func Holds(c *policy.Condition) Claim { return Claim{Condition: c} }

// Fails is the claim that the condition does not hold.
func Fails(c *policy.Condition) Claim { return Claim{Condition: c, Fails: true} }

// Verdict is what was found out about claims.
type Verdict int

// Verdicts of [Together].
const (
	Unsure Verdict = iota // too many cases to try them all
	Never                 // they contradict one another
	Sometimes
)

// maxTries bounds how many partial assignments one question may try.
const maxTries = 20_000

// Patience is how many partial assignments may still be tried, for many
// questions together. Where it is used up, every answer is [Unsure].
type Patience int

// Together tells whether all claims can be true at once, and if so of which
// values of the fields, in the order in which the claims name them.
func (p *Patience) Together(claims ...Claim) ([]Value, Verdict) { return p.search(claims, false) }

// TogetherKnown is Together where everything that is tested is known.
func (p *Patience) TogetherKnown(claims ...Claim) ([]Value, Verdict) { return p.search(claims, true) }

// Implies is the function of that name, for as long as the patience lasts.
func (p *Patience) Implies(a, b *policy.Condition) bool {
	_, verdict := p.Together(Holds(a), Fails(b))
	return verdict == Never
}

// Implies tells whether b holds wherever a does. It is false when that could
// not be found out.
func Implies(a, b *policy.Condition) bool { return new(Patience(maxTries)).Implies(a, b) }

// Same tells whether the two conditions hold of the same asks and signals. It
// is false when that could not be found out.
func Same(a, b *policy.Condition) bool { return Implies(a, b) && Implies(b, a) }

// Fields lists what the condition tests, each once; a window of time tests
// "time".
func Fields(c *policy.Condition) []string {
	var all []string
	c.Fields(func(name string) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	})
	return all
}

// Tests lists the comparisons in the conditions by what they test, see
// [Values]; the two zones of time are "time" and "time in UTC".
func Tests(all ...*policy.Condition) map[string][]*policy.Condition {
	tests := map[string][]*policy.Condition{}
	for _, c := range all {
		c.Leaves(func(l *policy.Condition) { tests[tested(l)] = append(tests[tested(l)], l) })
	}
	return tests
}

// tested is what a comparison tests. The two zones of time are as good as two
// fields, since a device may be anywhere.
func tested(l *policy.Condition) string {
	switch {
	case l.Time == nil:
		return l.Field
	case l.Time.Zone == "utc":
		return "time in UTC"
	}
	return "time"
}

// finder is one search: it gives the fields values, one after the other, for as
// long as the claims may still be true.
type finder struct {
	claims []Claim
	fields []field
	given  map[string]*Value
	left   int // it may try
}

func (p *Patience) search(claims []Claim, known bool) ([]Value, Verdict) {
	if *p <= 0 {
		return nil, Unsure
	}
	most := min(int(*p), maxTries)
	f := &finder{claims: claims, fields: fieldsOf(claims, known), given: map[string]*Value{}, left: most}
	found := f.from(0)
	*p -= Patience(most - max(0, f.left))
	if found == Never && f.left < 0 {
		found = Unsure
	}
	if found != Sometimes {
		return nil, found
	}
	var values []Value
	for i := range f.fields {
		if v := f.given[f.fields[i].name]; v != nil {
			values = append(values, *v)
		}
	}
	return values, Sometimes
}

// from tries the fields from the i-th on.
func (f *finder) from(i int) Verdict {
	if f.left--; f.left < 0 {
		return Never
	}
	switch f.judge() {
	case no:
		return Never
	case yes:
		return Sometimes
	}
	one := &f.fields[i] // there is one left: with all given nothing is open
	for k := range one.values {
		f.given[one.name] = &one.values[k]
		if f.from(i+1) == Sometimes {
			return Sometimes
		}
	}
	delete(f.given, one.name)
	return Never
}

// truth of a claim while not every field has a value.
type truth int

const (
	open truth = iota
	yes
	no
)

func (t truth) not() truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return open
}

func (f *finder) judge() truth {
	all := yes
	for _, c := range f.claims {
		is := f.holds(c.Condition)
		if c.Fails {
			is = is.not()
		}
		if is == no {
			return no
		}
		if is == open {
			all = open
		}
	}
	return all
}

func (f *finder) holds(c *policy.Condition) truth {
	switch {
	case len(c.All) > 0:
		return f.fold(c.All, no)
	case len(c.Any) > 0:
		return f.fold(c.Any, yes)
	case c.Not != nil:
		return f.holds(c.Not).not()
	case c.Field == "" && c.Time == nil:
		return yes
	}
	v := f.given[tested(c)]
	if v == nil {
		return open
	}
	if v.meets(c) {
		return yes
	}
	return no
}

// fold joins parts, of which one that is strong decides.
func (f *finder) fold(parts []policy.Condition, strong truth) truth {
	all := strong.not()
	for i := range parts {
		switch is := f.holds(&parts[i]); is {
		case strong:
			return strong
		case open:
			all = open
		}
	}
	return all
}
