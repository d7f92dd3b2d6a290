package bind

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"nearside/policy"
)

// rules are what binds of own, then those of the remote document.
func rules(own, remote *policy.Document, s Switches) []policy.Rule {
	var all []policy.Rule
	if s.CloudOff {
		all = append(all, policy.Rule{Name: CloudOff, Then: policy.Effect{Deny: []string{policy.Cloud}}})
	}
	for i := range own.Rules {
		r := own.Rules[i]
		then, binds := binding(&r.Then)
		if !binds || covered(&r, &then, remote.Rules) {
			continue
		}
		r.Then = then
		if s.CloudOff && r.Name == CloudOff {
			r.Name = free(r.Name+"_own", all, own.Rules)
		}
		all = append(all, r)
	}
	if len(all) == 0 {
		return remote.Rules
	}
	return append(all, renamed(remote.Rules, all)...)
}

// renamed are the rules with other names where another has theirs.
func renamed(rules, taken []policy.Rule) []policy.Rule {
	all := slices.Clone(rules)
	for i := range all {
		if has(taken, all[i].Name) {
			all[i].Name = free(all[i].Name+"_remote", taken, all)
		}
	}
	return all
}

const maxName = 64 // letters of a rule's name

// free is a name that no rule has, as near to the wanted one as can be.
func free(name string, lists ...[]policy.Rule) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(lists, func(l []policy.Rule) bool { return has(l, name) })
	}
	name = name[:min(len(name), maxName-len("_9999"))]
	for n, try := 2, name; ; n++ {
		if !taken(try) {
			return try
		}
		try = name + "_" + strconv.Itoa(n)
	}
}

func has(rules []policy.Rule, name string) bool {
	return slices.ContainsFunc(rules, func(r policy.Rule) bool { return r.Name == name })
}

// binding is the part of an effect that is about privacy and spending, and
// whether there is any. That the device is spared is neither, and so are
// preferences, times and commit rules.
func binding(e *policy.Effect) (policy.Effect, bool) {
	b := policy.Effect{Deny: far(e.Deny), Require: e.Require, Privacy: e.Privacy}
	if len(e.Force) > 0 && !slices.Contains(e.Force, policy.Cloud) {
		b.Force = append([]string{policy.Local}, far(e.Force)...)
	}
	if e.Limit != nil {
		l := *e.Limit
		l.BudgetMS = 0
		if l != (policy.Limit{}) {
			b.Limit = &l
		}
	}
	return b, len(b.Deny)+len(b.Force) > 0 || b.Limit != nil || b.Require != nil || b.Privacy != ""
}

// Tightens lists, by name, the rules of a bound document that keep asks from the
// cloud (deny, privacy) or cap what they cost, and are not the device's own: with
// them more stays on the device than its own policy would keep there.
func Tightens(own, bound *policy.Document, s Switches) map[string]bool {
	all := map[string]bool{}
	for i := range bound.Rules {
		r := &bound.Rules[i]
		mine := slices.ContainsFunc(own.Rules, func(o policy.Rule) bool { return o.Name == r.Name && keeps(&o.Then) })
		if keeps(&r.Then) && !mine && (!s.CloudOff || r.Name != CloudOff) {
			all[r.Name] = true
		}
	}
	return all
}

// keeps tells whether an effect keeps asks from the cloud, or caps their cost.
func keeps(e *policy.Effect) bool {
	return len(far(e.Deny)) > 0 || e.Privacy != "" || e.Limit != nil && e.Limit.MaxCost != nil
}

// Binds tells whether an effect is about privacy or spending, which is what of
// the device's own rules holds whatever is in force.
func Binds(e *policy.Effect) bool {
	_, binds := binding(e)
	return binds
}

// far are the names of the list that stand for cloud targets.
func far(list []string) []string {
	var all []string
	for _, name := range list {
		if name == policy.Cloud || strings.HasPrefix(name, policy.Cloud+"/") {
			all = append(all, name)
		}
	}
	return all
}

// covered tells whether one of the rules is the own one, with an effect that is
// at least as tight.
func covered(own *policy.Rule, then *policy.Effect, rules []policy.Rule) bool {
	return slices.ContainsFunc(rules, func(r policy.Rule) bool {
		return r.Name == own.Name && r.DwellMS == own.DwellMS && reflect.DeepEqual(r.When, own.When) && reflect.DeepEqual(r.Until, own.Until) &&
			denies(&r.Then, then) && forces(&r.Then, then) && limits(r.Then.Limit, then.Limit) && requires(r.Then.Require, then.Require) &&
			(then.Privacy == "" || r.Then.Privacy == then.Privacy)
	})
}

// denies tells whether an effect denies all that another denies.
func denies(e, other *policy.Effect) bool { return within(other.Deny, e.Deny) }

// forces tells whether an effect leaves no cloud target that another does not.
func forces(e, other *policy.Effect) bool {
	return len(other.Force) == 0 || len(e.Force) > 0 && within(far(e.Force), other.Force)
}

// within tells whether a list of cloud names says no more than another.
func within(list, other []string) bool {
	return !slices.ContainsFunc(list, func(name string) bool {
		return !slices.Contains(other, name) && !slices.Contains(other, policy.Cloud)
	})
}

// limits tells whether a limit is at least as low as another.
func limits(l, other *policy.Limit) bool {
	if other == nil {
		return true
	}
	if l == nil {
		return false
	}
	lower := func(n, than int) bool { return than == 0 || n > 0 && n <= than }
	return lower(l.TokensOut, other.TokensOut) && lower(l.Attempts, other.Attempts) &&
		(other.MaxCost == nil || l.MaxCost != nil && *l.MaxCost <= *other.MaxCost)
}

// requires tells whether an effect requires at least what another does.
func requires(q, other *policy.Require) bool {
	if other == nil {
		return true
	}
	return q != nil && q.Confidence >= other.Confidence && (q.Schema || !other.Schema) && (q.Verified || !other.Verified)
}
