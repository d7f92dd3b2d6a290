package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nearside/policy"
)

// Bounds of a scenario.
const (
	maxEntries = 64   // of any list or table
	maxPerHour = 5000 // asks of all streams, each as often as it ever is
)

// Validate lists what is wrong with the scenario, by path; nil means a day can
// be lived by it.
func (s *Scenario) Validate() []policy.Problem {
	v := &validator{}
	v.check(s.Name != "" && len(s.Name) <= 64, "name", "must be a text of 1 to 64 bytes")
	v.check(len(s.About) <= 500, "about", "must be at most 500 bytes")
	v.check(s.StepS == 0 || s.StepS >= 10 && s.StepS <= 600, "step_s", "%d must be from 10 to 600", s.StepS)
	v.size("phases", len(s.Phases), 1)
	before := -1
	for i, p := range s.Phases[:min(len(s.Phases), maxEntries)] {
		path := fmt.Sprintf("phases[%d]", i)
		v.check(p.Name != "" && len(p.Name) <= 40, path+".name", "must be a text of 1 to 40 bytes")
		if v.clock(path+".from", p.From) {
			at := seconds(p.From)
			v.check(at > before && (i > 0 || at == 0), path+".from", "%q must be later than that of the one before; the first is 00:00", p.From)
			before = at
		}
	}
	v.streams(s.Asks)
	v.signals(s)
	v.targets(s.Targets)
	v.outages(s)
	slices.SortStableFunc(v.problems, func(a, b policy.Problem) int { return strings.Compare(a.Path, b.Path) })
	return v.problems
}

type validator struct{ problems []policy.Problem }

func (v *validator) check(ok bool, path, format string, args ...any) bool {
	if !ok {
		v.problems = append(v.problems, policy.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	return ok
}

func (v *validator) size(path string, n, least int) bool {
	return v.check(n >= least && n <= maxEntries, path, "has %d entries; it must have %d to %d", n, least, maxEntries)
}

func (v *validator) clock(path, text string) bool {
	minutes, ok := policy.Clock(text)
	return v.check(ok && minutes < 24*60, path, `%q must be a time of the day, such as "07:30"`, text)
}

func (v *validator) share(path string, x float64) {
	v.check(x >= 0 && x <= 1, path, "%v must be from 0 to 1", x)
}

// clocks checks the keys of a table by time.
func clocks[T any](v *validator, path string, by map[string]T) {
	v.size(path, len(by), 1)
	for clock := range by {
		v.clock(path+"."+clock, clock)
	}
}

func (v *validator) streams(all []Stream) {
	v.size("asks", len(all), 1)
	sum := 0.0
	for i, s := range all[:min(len(all), maxEntries)] {
		path := fmt.Sprintf("asks[%d]", i)
		v.check(s.Name != "" && len(s.Name) <= 40, path+".name", "must be a text of 1 to 40 bytes")
		clocks(v, path+".per_hour", s.PerHour)
		most := 0.0
		for clock, n := range s.PerHour {
			v.check(n >= 0 && n <= maxPerHour, path+".per_hour."+clock, "%v must be from 0 to %d", n, maxPerHour)
			most = max(most, n)
		}
		sum += most
		v.check(slices.Contains([]string{"", policy.Normal, policy.Private}, s.Privacy), path+".privacy", "%q must be normal or private", s.Privacy)
		v.check(slices.Contains([]string{"", policy.Auto, policy.Local, policy.Cloud}, s.Mode), path+".mode", "%q must be auto, local or cloud", s.Mode)
		v.check(s.DeadlineMS >= 0 && s.DeadlineMS <= 3_600_000, path+".deadline_ms", "%d must be from 0 to 3600000", s.DeadlineMS)
		v.check(min(s.TokensIn, s.TokensOut) >= 0 && max(s.TokensIn, s.TokensOut) <= 1e6, path, "tokens must be from 0 to 1000000")
		v.share(path+".repeats", s.Repeats)
		if s.Scope != nil {
			v.share(path+".p_in_scope", *s.Scope)
		}
	}
	v.check(sum <= maxPerHour, "asks", "are %v an hour at their most; together they must be at most %d", sum, maxPerHour)
}

func (v *validator) signals(s *Scenario) {
	for name, c := range s.Signals {
		path := "signals." + name
		low, high, ok := policy.Range(name)
		if !v.check(ok, path, "is not a number among the signals; those are %s", strings.Join(numbers(), ", ")) {
			continue
		}
		clocks(v, path+".points", c.Points)
		v.check(c.Noise >= 0 && c.Noise <= high-low, path+".noise", "%v must be from 0 to %v", c.Noise, high-low)
		for clock, x := range c.Points {
			v.check(x >= low && x <= high, path+".points."+clock, "%v must be from %v to %v", x, low, high)
		}
	}
	for name, f := range s.Flags {
		v.check(name == "charging" || name == "metered", "flags."+name, "is not a flag among the signals; those are charging, metered")
		clocks(v, "flags."+name, f)
	}
	for clock, state := range s.Network {
		v.clock("network."+clock, clock)
		v.check(slices.Contains(policy.Networks(), state), "network."+clock, "%q must be one of %s", state, strings.Join(policy.Networks(), ", "))
	}
	v.size("network", len(s.Network), 0)
}

// numbers are the names of signals that are numbers.
func numbers() []string {
	return slices.DeleteFunc(policy.SignalNames(), func(name string) bool {
		_, _, ok := policy.Range(name)
		return !ok
	})
}

func (v *validator) targets(all []Target) {
	v.size("targets", len(all), 1)
	seen := map[string]bool{}
	for i, t := range all[:min(len(all), maxEntries)] {
		path := fmt.Sprintf("targets[%d]", i)
		side, name, _ := strings.Cut(t.Name, "/")
		v.check((side == policy.Local || side == policy.Cloud) && name != "" && len(name) <= 64, path+".name", "%q must be local/NAME or cloud/NAME", t.Name)
		v.check(!seen[t.Name], path+".name", "%q is there twice", t.Name)
		seen[t.Name] = true
		v.check(t.MS >= 1 && t.MS <= 600_000, path+".ms", "%v must be from 1 to 600000", t.MS)
		v.check(t.Spread >= 0 && t.Spread <= 3, path+".spread", "%v must be from 0 to 3", t.Spread)
		v.check(t.Context >= 0, path+".context", "must not be negative")
		v.share(path+".errors", t.Errors)
		for _, task := range slices.Sorted(maps.Keys(t.Sure)) {
			v.share(path+".sure."+task, t.Sure[task])
		}
		if p := t.Price; p != nil {
			v.check(p.Input >= 0 && p.Input <= 1e6 && p.Output >= 0 && p.Output <= 1e6, path+".price", "must be from 0 to 1000000 USD per million tokens")
		}
	}
}

func (v *validator) outages(s *Scenario) {
	v.size("outages", len(s.Outages), 0)
	for i, o := range s.Outages[:min(len(s.Outages), maxEntries)] {
		path := fmt.Sprintf("outages[%d]", i)
		known := slices.ContainsFunc(s.Targets, func(t Target) bool { return t.Name == o.Target })
		v.check(known, path+".target", "%q is not among the targets", o.Target)
		if v.clock(path+".from", o.From) && v.clock(path+".to", o.To) {
			v.check(seconds(o.From) < seconds(o.To), path+".to", "must be later than from, on the same day")
		}
	}
}
