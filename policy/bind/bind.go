package bind

import (
	"maps"
	"slices"

	"nearside/policy"
)

// Switches are what is set on the device beside its policy.
type Switches struct {
	CloudOff bool // no cloud target is asked, whatever any policy says
}

// CloudOff is the name of the rule that stands for [Switches.CloudOff]; plans
// give rule_cloud_off as their reason.
const CloudOff = "cloud_off"

// Bind gives the document that is to be in force where the remote one is, on a
// device whose own policy is own: the remote one, and what own says on privacy
// and spending. Rules of own come first and keep their names, so that those with
// an until stay held; a rule of the remote document that has the name of one of
// them and is another gets the name with _remote behind it. Where the remote
// document has the same rule, at least as tight, its own stands. Both must be
// valid; neither is changed, and the result shares what it can with them. It has
// as many rules as both together at most, so it may have more than is valid.
//
// With own as remote the result plans as own does.
func Bind(own, remote *policy.Document, s Switches) *policy.Document {
	d := *remote
	d.Services = services(own, remote)
	d.Check.Budget = budgets(own.Check.Budget, remote.Check.Budget)
	d.Rules = rules(own, remote, s)
	return &d
}

// services are those of the remote document. What own asks to be verified stays
// critical, and what it keeps from the cloud stays from it.
func services(own, remote *policy.Document) map[string]policy.Service {
	all := maps.Clone(remote.Services)
	for name, mine := range own.Services {
		s, named := all[name]
		if !named {
			s = policy.Service{Ladder: policy.Rungs(), Fresh: "repeatable"} // what a service has that is not named
		}
		critical := mine.Critical && !s.Critical
		near := !slices.Contains(mine.Ladder, policy.StepCloud) && slices.Contains(s.Ladder, policy.StepCloud)
		if !critical && !near {
			continue
		}
		s.Critical = s.Critical || mine.Critical
		if near {
			s.Ladder = slices.DeleteFunc(slices.Clone(s.Ladder), func(rung string) bool { return rung == policy.StepCloud })
		}
		all[name] = s
	}
	return all
}

// budgets are the tighter of both by task class: of the answers taken as good,
// fewer may be wrong.
func budgets(own, remote map[string]float64) map[string]float64 {
	if own == nil {
		return remote
	}
	if remote == nil {
		return own
	}
	all := make(map[string]float64, len(own)+len(remote))
	for _, table := range []map[string]float64{own, remote} {
		for task := range table {
			all[task] = min(listed(own, task), listed(remote, task))
		}
	}
	return all
}

// listed is the entry of a table, or that of "default".
func listed(table map[string]float64, name string) float64 {
	if v, ok := table[name]; ok {
		return v
	}
	return table["default"]
}
