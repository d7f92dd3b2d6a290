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
		v.check(r.DwellMS == 0 || r.Until != nil, path+".dwell_ms", "needs an until; only a rule with one stays in force")
		v.check(r.DwellMS >= 0 && r.DwellMS <= 24*hour, path+".dwell_ms", "%d must be from 1 to 86400000 (one day)", r.DwellMS)
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
			ok := slices.Contains(policy.SignalNames(), field) || field == "time" || policy.FieldKind(field) == ""
			v.check(ok, path+"."+c.name, "tests %s; a rule with an until may test only time and %s", field, strings.Join(policy.SignalNames(), ", "))
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
	some := len(e.Deny)+len(e.Force)+len(e.Prefer) > 0 || e.Limit != nil || e.Require != nil || e.Commit != nil || e.Privacy != ""
	v.check(some, path, "is empty; it needs deny, force, prefer, limit, require, commit or privacy")
	for _, list := range []struct {
		name  string
		names []string
	}{{"deny", e.Deny}, {"force", e.Force}, {"prefer", e.Prefer}} {
		for i, name := range list.names {
			ok := name == policy.Local || name == policy.Cloud || len(name) > len("local/") && (strings.HasPrefix(name, "local/") || strings.HasPrefix(name, "cloud/"))
			v.check(ok, fmt.Sprintf("%s.%s[%d]", path, list.name, i), "%q must be local, cloud, local/NAME or cloud/NAME", name)
		}
	}
	v.check(e.Privacy == "" || e.Privacy == policy.Private, path+".privacy", "%q must be private; a rule cannot make an ask less private", e.Privacy)
	if e.Limit != nil {
		v.limit(path+".limit", e.Limit)
	}
	if q := e.Require; q != nil {
		v.check(*q != (policy.Require{}), path+".require", "is empty; it needs confidence, schema or verified")
		v.share(path+".require.confidence", q.Confidence)
	}
	if e.Commit != nil {
		v.check(*e.Commit != (policy.Commit{}), path+".commit", "is empty; it needs local or cloud")
		v.commit(path+".commit", *e.Commit, true)
	}
}

// limit checks what a rule bounds.
func (v *validator) limit(path string, l *policy.Limit) {
	v.check(*l != (policy.Limit{}), path, "is empty; it needs budget_ms, max_cost_usd, tokens_out or attempts")
	v.check(l.BudgetMS >= 0 && l.BudgetMS <= hour, path+".budget_ms", "%d must be from 1 to 3600000 (one hour)", l.BudgetMS)
	v.check(l.MaxCost == nil || *l.MaxCost >= 0 && *l.MaxCost <= 1000, path+".max_cost_usd", "must be a number from 0 to 1000")
	v.check(l.TokensOut >= 0 && l.TokensOut <= 1_000_000, path+".tokens_out", "%d must be from 1 to 1000000", l.TokensOut)
	v.check(l.Attempts >= 0 && l.Attempts <= 100, path+".attempts", "%d must be from 1 to 100", l.Attempts)
}

func (v *validator) condition(path string, c *policy.Condition, depth int) {
	if depth > maxDepth {
		v.check(false, path, "is nested deeper than %d", maxDepth)
		return
	}
	forms := 0
	for _, set := range []bool{len(c.All) > 0, len(c.Any) > 0, c.Not != nil, c.Field != "", c.Time != nil} {
		if set {
			forms++
		}
	}
	v.check(forms <= 1, path, "must have only one of all, any, not, field and time")
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
	if c.Time != nil {
		v.window(path+".time", c.Time)
	}
	v.comparison(path, c)
}

// window checks a span of the day.
func (v *validator) window(path string, w *policy.Window) {
	v.check(w.From != "" || w.To != "" || len(w.Days) > 0, path, `is empty; such as {from: "22:00", to: "06:00", days: [fri, sat]}`)
	v.check((w.From == "") == (w.To == ""), path, "needs both from and to, or neither")
	v.check(w.From == "" || w.From != w.To, path, "begins when it ends")
	for _, x := range []struct{ name, clock string }{{"from", w.From}, {"to", w.To}} {
		at, ok := policy.Clock(x.clock)
		v.check(x.clock == "" || ok && (at < 24*60 || x.name == "to"), path+"."+x.name, `%q must be a time of the day such as "06:30"`, x.clock)
	}
	for i, day := range w.Days {
		v.check(slices.Contains(policy.Weekdays(), day), fmt.Sprintf("%s.days[%d]", path, i), "%q must be one of %s", day, strings.Join(policy.Weekdays(), ", "))
	}
	v.check(slices.Contains([]string{"", "local", "utc"}, w.Zone), path+".zone", "%q must be local or utc", w.Zone)
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
	switch policy.FieldKind(c.Field) {
	case "":
		v.check(false, path+".field", "%q is not a field; known are %s", c.Field, strings.Join(policy.Fields(), ", "))
	case policy.KindText:
		v.check(isText && !isFlag && numbers == 0, path, "%s is text; compare it with in: [...]", c.Field)
		v.states(path, c)
	case "time":
		v.check(false, path+".field", "time is tested with time: {from: HH:MM, to: HH:MM}")
	case policy.KindFlag:
		v.check(isFlag && !isText && numbers == 0, path, "%s is true or false; compare it with is:", c.Field)
	case policy.KindNumber:
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
