package cases

import (
	"fmt"
	"slices"
	"strings"

	"nearside/policy"
)

// Bounds of a file of cases.
const (
	maxCases   = 10_000
	maxTargets = 64
)

// Validate lists what is wrong with the cases, by path; nil means they can run.
func (f *File) Validate() []policy.Problem {
	v := &validator{}
	v.check(len(f.Cases) > 0, "cases", "is empty; it needs at least one case")
	v.check(len(f.Cases) <= maxCases, "cases", "has %d entries; at most %d are taken", len(f.Cases), maxCases)
	v.targets("targets", f.Targets)
	seen := map[string]bool{}
	for i := range f.Cases[:min(len(f.Cases), maxCases)] {
		c, path := &f.Cases[i], fmt.Sprintf("cases[%d]", i)
		v.check(c.Name != "" && len(c.Name) <= 200, path+".name", "must be a text of 1 to 200 bytes")
		v.check(!seen[c.Name], path+".name", "%q is there twice", c.Name)
		seen[c.Name] = true
		v.oneCase(path, c, f.Targets)
	}
	return v.problems
}

type validator struct{ problems []policy.Problem }

func (v *validator) check(ok bool, path, format string, args ...any) {
	if !ok {
		v.problems = append(v.problems, policy.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
	}
}

func (v *validator) oneCase(path string, c *Case, shared []Target) {
	v.ask(path+".ask", c.ask())
	v.targets(path+".targets", c.Targets)
	s, bad := c.signals(shared)
	for _, p := range bad {
		v.check(false, path+p.Path, "%s", p.Message)
	}
	var names []string
	for _, t := range s.Targets {
		names = append(names, t.Name)
	}
	for i, name := range c.Down {
		v.among(fmt.Sprintf("%s.down[%d]", path, i), name, names)
	}
	for i := range c.Ask.Expected {
		v.estimate(fmt.Sprintf("%s.ask.expected[%d]", path, i), &c.Ask.Expected[i], names)
	}
	v.want(path+".want", &c.Want, names)
}

func (v *validator) ask(path string, a policy.Ask) {
	v.check(a.Service != "", path+".service", "is empty")
	v.among(path+".mode", a.Mode, []string{policy.Auto, policy.Local, policy.Cloud})
	v.among(path+".privacy", a.Privacy, []string{policy.Normal, policy.Private})
	v.check(a.DeadlineMS >= 0 && a.DeadlineMS <= 86_400_000, path+".deadline_ms", "must be from 0 to 86400000 (a day)")
	v.check(min(a.Size.Bytes, a.Size.TokensEst, a.Size.TokensOut) >= 0, path+".size", "must not be negative")
	v.check(a.MaxCost == nil || *a.MaxCost >= 0, path+".max_cost_usd", "must not be negative")
}

func (v *validator) estimate(path string, e *policy.Estimate, targets []string) {
	v.among(path+".target", e.Target, targets)
	v.check(e.Good >= 0 && e.Good <= 1, path+".good", "must be from 0 to 1")
	v.check(e.Threshold == nil || *e.Threshold >= 0 && *e.Threshold <= 1, path+".threshold", "must be from 0 to 1")
	v.check(e.Gain == nil || *e.Gain >= -1 && *e.Gain <= 1, path+".gain", "must be from -1 to 1")
}

func (v *validator) targets(path string, all []Target) {
	v.check(len(all) <= maxTargets, path, "has %d entries; at most %d are taken", len(all), maxTargets)
	for i, t := range all {
		at := fmt.Sprintf("%s[%d]", path, i)
		same := func(other Target) bool { return other.Name == t.Name }
		v.check(!slices.ContainsFunc(all[:i], same), at+".name", "%q is there twice", t.Name)
		v.check(strings.HasPrefix(t.Name, "local/") || strings.HasPrefix(t.Name, "cloud/"), at+".name", "%q must be local/NAME or cloud/NAME", t.Name)
		v.check(t.ErrorRate == nil || *t.ErrorRate >= 0 && *t.ErrorRate <= 1, at+".error_rate", "must be from 0 to 1")
		v.check((t.P50MS == nil || *t.P50MS >= 0) && (t.P95MS == nil || *t.P95MS >= 0), at, "times must not be negative")
		v.check(t.InFlight >= 0 && t.Context >= 0 && t.PauseMS >= 0, at, "in_flight, context and pause_ms must not be negative")
	}
}

func (v *validator) want(path string, w *Want, targets []string) {
	before := len(v.problems)
	v.among(path+".route", w.Route, append(slices.Clone(routes), ""))
	v.among(path+".first", w.First, append(slices.Clone(steps), ""))
	for i, s := range w.Steps {
		v.among(fmt.Sprintf("%s.steps[%d]", path, i), s, steps)
	}
	v.among(path+".target", w.Target, append(slices.Clone(targets), ""))
	for i, t := range w.Targets {
		v.among(fmt.Sprintf("%s.targets[%d]", path, i), t, targets)
	}
	for t := range w.NotChosen {
		v.among(path+".not_chosen."+t, t, targets)
	}
	if len(v.problems) == before {
		v.check(!w.empty(), path, "is empty; say at least a route or a target, or nothing is tested")
	}
}

// empty tells whether any plan would do.
func (w *Want) empty() bool {
	return w.Route+w.First+w.Target+w.Reason+w.Refusal+w.Commit == "" && len(w.Steps)+len(w.Targets)+len(w.NotChosen) == 0 &&
		w.BudgetMS == nil && w.Threshold == nil
}

// among checks that the value is one of those there are; "" among them is not
// written out.
func (v *validator) among(path, value string, all []string) {
	named := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == "" })
	v.check(slices.Contains(all, value), path, "%q must be one of %s", value, strings.Join(named, ", "))
}
