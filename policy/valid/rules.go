package valid

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"nearside/policy"
)

func (v *validator) rules(rules []policy.Rule) {
	v.check(len(rules) <= maxRules, "rules", "has %d entries; at most %d are taken", len(rules), maxRules)
	seen := map[string]bool{}
	for i, r := range rules[:min(len(rules), maxRules)] {
		path := fmt.Sprintf("rules[%d]", i)
		v.check(plainName(r.Name), path+".name", "%q must be lower case letters, digits and _, starting with a letter", r.Name)
		v.check(!seen[r.Name], path+".name", "%q is there twice", r.Name)
		seen[r.Name] = true
		v.condition(path+".when", &r.When, 0)
		if r.Until != nil {
			v.until(path, &r)
		}
		v.effect(path+".then", r.Then)
	}
}

// until checks a rule that is held: what begins and what ends it must not
// depend on the ask.
func (v *validator) until(path string, r *policy.Rule) {
	v.condition(path+".until", r.Until, 0)
	for _, c := range []struct {
		name string
		cond *policy.Condition
	}{{"when", &r.When}, {"until", r.Until}} {
		tests := 0
		c.cond.Fields(func(field string) {
			tests++
			ok := slices.Contains(policy.SignalNames(), field) || policy.KindOf(field) == policy.NoField
			v.check(ok, path+"."+c.name, "tests %s; a rule with an until may test only %s", field, strings.Join(policy.SignalNames(), ", "))
		})
		v.check(tests > 0, path+"."+c.name, "is missing; a rule with an until needs both")
	}
}

func plainName(s string) bool {
	for i, c := range s {
		if !(c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '_')) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func (v *validator) effect(path string, e policy.Effect) {
	v.check(len(e.Deny)+len(e.Force)+len(e.Prefer) > 0, path, "is empty; it needs deny, force or prefer")
	for _, list := range []struct {
		name  string
		names []string
	}{{"deny", e.Deny}, {"force", e.Force}, {"prefer", e.Prefer}} {
		for i, name := range list.names {
			ok := name == policy.Local || name == policy.Cloud || strings.HasPrefix(name, "local/") || strings.HasPrefix(name, "cloud/")
			v.check(ok, fmt.Sprintf("%s.%s[%d]", path, list.name, i), "%q must be local, cloud, local/NAME or cloud/NAME", name)
		}
	}
}

func (v *validator) condition(path string, c *policy.Condition, depth int) {
	if depth > maxDepth {
		v.check(false, path, "is nested deeper than %d", maxDepth)
		return
	}
	forms := 0
	for _, set := range []bool{len(c.All) > 0, len(c.Any) > 0, c.Not != nil, c.Field != ""} {
		if set {
			forms++
		}
	}
	v.check(forms <= 1, path, "must have only one of all, any, not and field")
	v.check(c.All == nil || len(c.All) > 0, path+".all", "is empty")
	v.check(c.Any == nil || len(c.Any) > 0, path+".any", "is empty")
	for i := range c.All {
		v.condition(fmt.Sprintf("%s.all[%d]", path, i), &c.All[i], depth+1)
	}
	for i := range c.Any {
		v.condition(fmt.Sprintf("%s.any[%d]", path, i), &c.Any[i], depth+1)
	}
	if c.Not != nil {
		v.condition(path+".not", c.Not, depth+1)
	}
	v.comparison(path, c)
}

func (v *validator) comparison(path string, c *policy.Condition) {
	numbers := 0
	for _, n := range []*float64{c.LT, c.LE, c.GT, c.GE} {
		if n != nil {
			numbers++
			v.check(!math.IsNaN(*n) && !math.IsInf(*n, 0), path, "compares with %v", *n)
		}
	}
	isText, isFlag := len(c.In) > 0, c.Is != nil
	if c.Field == "" {
		v.check(numbers == 0 && !isText && !isFlag, path+".field", "is missing beside a comparison")
		return
	}
	switch policy.KindOf(c.Field) {
	case policy.NoField:
		v.check(false, path+".field", "%q is not a field; known are %s", c.Field, strings.Join(policy.Fields(), ", "))
	case policy.TextField:
		v.check(isText && !isFlag && numbers == 0, path, "%s is text; compare it with in: [...]", c.Field)
		v.states(path, c)
	case policy.FlagField:
		v.check(isFlag && !isText && numbers == 0, path, "%s is true or false; compare it with is:", c.Field)
	case policy.NumberField:
		v.check(numbers > 0 && !isText && !isFlag, path, "%s is a number; compare it with lt, le, gt or ge", c.Field)
	}
}

// states checks that a comparison with the network names states it can have.
func (v *validator) states(path string, c *policy.Condition) {
	if c.Field != "network" {
		return
	}
	networks := policy.Networks()
	for i, name := range c.In {
		known := slices.ContainsFunc(networks, func(n string) bool { return strings.EqualFold(n, name) })
		v.check(known, fmt.Sprintf("%s.in[%d]", path, i), "%q is not a state of the network; it must be one of %s", name, strings.Join(networks, ", "))
	}
}
