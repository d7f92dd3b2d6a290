package cases

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nearside/policy"
	"nearside/policy/decide"
)

// Want is what a plan is to be. What is left out may be anything.
type Want struct {
	Route     string            `json:"route,omitempty"`      // the first step after the cache: local, cloud, stale, default, none
	First     string            `json:"first,omitempty"`      // the first step, the cache too
	Steps     []string          `json:"steps,omitempty"`      // all of them
	Target    string            `json:"target,omitempty"`     // who is asked first
	Targets   []string          `json:"targets,omitempty"`    // all who are asked, in their order
	Reason    string            `json:"reason,omitempty"`     // of the plan; where it has none, of the route
	Refusal   string            `json:"refusal,omitempty"`    // reason of the last step
	NotChosen map[string]string `json:"not_chosen,omitempty"` // by target, a part of why it is not asked
	BudgetMS  *int64            `json:"budget_ms,omitempty"`  // of the route
	Commit    string            `json:"commit,omitempty"`     // of the route
	Threshold *float64          `json:"threshold,omitempty"`  // of the route
}

// routes are what Want.Route may be; none is a refusal.
var routes = []string{policy.StepLocal, policy.StepCloud, policy.StepStale, policy.StepDefault, "none"}

// steps are what Want.First and Want.Steps may be.
var steps = []string{policy.StepCache, policy.StepLocal, policy.StepCloud, policy.StepStale, policy.StepDefault, policy.StepRefuse}

// Fault is one way in which a plan is not as it is wanted.
type Fault struct {
	Field string `json:"field"`
	Got   string `json:"got"`
	Want  string `json:"want"`
}

// Result is what came of one case.
type Result struct {
	Name   string      `json:"name"`
	OK     bool        `json:"ok"`
	Faults []Fault     `json:"faults,omitempty"`
	Plan   policy.Plan `json:"got"`
}

// Run decides every case by the policy. The file must be valid, see
// [File.Validate], and so must the document.
func (f *File) Run(doc *policy.Document) []Result {
	results := make([]Result, len(f.Cases))
	for i := range f.Cases {
		c := &f.Cases[i]
		ask := c.ask()
		s, _ := c.signals(f.Targets)
		s.Held, s.HeldSince = policy.Hold(doc, &s)
		plan := decide.Plan(doc, &ask, &s)
		faults := append(c.strangers(doc), c.Want.faults(&plan)...)
		results[i] = Result{c.Name, len(faults) == 0, faults, plan}
	}
	return results
}

// strangers are rules that the case holds in force and the policy does not have:
// without them it tests something else.
func (c *Case) strangers(doc *policy.Document) []Fault {
	var all []Fault
	for _, name := range c.Held {
		if !slices.ContainsFunc(doc.Rules, func(r policy.Rule) bool { return r.Name == name && r.Until != nil }) {
			all = append(all, Fault{"held", "no rule of that name with an until", name})
		}
	}
	return all
}

func (w *Want) faults(p *policy.Plan) []Fault {
	var all []Fault
	is := func(field, got, want string) {
		if want != "" && got != want {
			all = append(all, Fault{field, got, want})
		}
	}
	main := p.Main()
	is("route", main.Route(), w.Route)
	is("first", p.Steps[0].Kind, w.First)
	is("steps", list(kinds(p)), list(w.Steps))
	is("target", main.Target, w.Target)
	is("targets", list(asked(p)), list(w.Targets))
	is("reason", p.MainReason(), w.Reason)
	is("refusal", p.Steps[len(p.Steps)-1].Reason, w.Refusal)
	is("commit", main.Commit, w.Commit)
	if w.BudgetMS != nil {
		is("budget_ms", fmt.Sprint(main.BudgetMS), fmt.Sprint(*w.BudgetMS))
	}
	if w.Threshold != nil {
		is("threshold", decimal(main.Threshold), decimal(*w.Threshold))
	}
	return append(all, w.leftOut(p)...)
}

// leftOut compares why targets are not asked.
func (w *Want) leftOut(p *policy.Plan) []Fault {
	var all []Fault
	for _, target := range slices.Sorted(maps.Keys(w.NotChosen)) {
		got := "it is not a target"
		if slices.Contains(asked(p), target) {
			got = "it is asked"
		}
		for _, n := range p.NotChosen {
			if n.Target == target {
				got = n.Why
			}
		}
		if !strings.Contains(got, w.NotChosen[target]) {
			all = append(all, Fault{"not_chosen." + target, got, w.NotChosen[target]})
		}
	}
	return all
}

func list(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "[" + strings.Join(names, ", ") + "]"
}

func decimal(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }

func kinds(p *policy.Plan) []string {
	all := make([]string, len(p.Steps))
	for i := range p.Steps {
		all[i] = p.Steps[i].Kind
	}
	return all
}

// asked are the targets of a plan, in the order in which they are asked.
func asked(p *policy.Plan) []string {
	var all []string
	for i := range p.Steps {
		if p.Steps[i].Target != "" {
			all = append(all, p.Steps[i].Targets()...)
		}
	}
	return all
}
