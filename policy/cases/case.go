package cases

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"nearside/policy"
)

// File is what a file of cases holds. Its YAML and JSON names are the same.
type File struct {
	Targets []Target `json:"targets"` // for all cases that have none of their own; none: [Fleet]
	Cases   []Case   `json:"cases"`
}

// Case is one test of a policy.
type Case struct {
	Name    string             `json:"name"`
	Ask     Ask                `json:"ask"`
	Signals map[string]Reading `json:"signals"` // by the names of signals; one that is not there is not known
	Time    time.Time          `json:"time"`    // noon of a Monday when it is left out
	Held    []string           `json:"held"`    // rules with an until that were in force before
	Targets []Target           `json:"targets"`
	Down    []string           `json:"down"` // targets that cannot be asked
	Want    Want               `json:"want"`
}

// Ask is [policy.Ask], with what most asks have where a case says nothing.
type Ask policy.Ask

// usual is an ask of which nothing is said.
func usual() Ask {
	return Ask{
		Service: "chat", Model: policy.Auto, Mode: policy.Auto, Task: "chat", Privacy: policy.Normal, DeadlineMS: 60_000,
		Size: policy.Size{Bytes: 200, TokensEst: 30, TokensOut: 512},
	}
}

// Form gives where an ask is read into.
func (a *Ask) Form(bool) any {
	*a = usual()
	return (*policy.Ask)(a)
}

// Target is [policy.Target]; it serves chat and can be asked where a case says
// nothing else.
type Target policy.Target

// Form gives where a target is read into.
func (t *Target) Form(bool) any {
	*t = Target{Services: []string{"chat"}, Usable: true}
	return (*policy.Target)(t)
}

// Reading is a signal as it was written.
type Reading string

// UnmarshalText takes any text; what it may be depends on the signal.
func (r *Reading) UnmarshalText(text []byte) error {
	*r = Reading(text)
	return nil
}

// Any is the reading in the form that [policy.Signals.Set] takes.
func (r Reading) Any() any {
	if r == "true" || r == "false" {
		return r == "true"
	}
	if n, err := strconv.ParseFloat(string(r), 64); err == nil {
		return n
	}
	return string(r)
}

// Fleet are the targets of a case that names none: a small model on the device
// and two cloud APIs, with figures as they are on a good day.
func Fleet() []policy.Target {
	figure := func(n float64) *float64 { return &n }
	return []policy.Target{
		{
			Name: "local/small", Services: []string{"chat"}, Near: true, Usable: true, Context: 4096, Blind: true,
			P50MS: figure(400), P95MS: figure(1200), ErrorRate: figure(0.01),
		},
		{
			Name: "cloud/first", Services: []string{"chat", "embed"}, Usable: true, Context: 128_000,
			P50MS: figure(900), P95MS: figure(2500), ErrorRate: figure(0.01), Price: &policy.Price{Input: 0.4, Output: 1.6},
		},
		{
			Name: "cloud/second", Services: []string{"chat", "embed"}, Usable: true, Context: 128_000,
			P50MS: figure(1100), P95MS: figure(3000), ErrorRate: figure(0.01), Price: &policy.Price{Input: 0.6, Output: 2.4},
		},
	}
}

// noon is the time of a case that names none, a Monday.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// ask is the ask of the case as a decision takes it.
func (c *Case) ask() policy.Ask {
	if c.Ask.Service == "" { // nothing was read
		return policy.Ask(usual())
	}
	return policy.Ask(c.Ask)
}

// signals are all that a decision needs besides the ask. Errors are for
// [File.Validate].
func (c *Case) signals(shared []Target) (policy.Signals, []policy.Problem) {
	s := policy.Signals{Time: c.Time, Network: "online", Held: c.Held, Targets: c.targets(shared)}
	if s.Time.IsZero() {
		s.Time = noon
	}
	var bad []policy.Problem
	for name, reading := range c.Signals {
		if err := s.Set(name, reading.Any()); err != nil {
			bad = append(bad, policy.Problem{Path: ".signals." + name, Message: err.Error()})
		}
	}
	slices.SortFunc(bad, func(a, b policy.Problem) int { return cmp.Compare(a.Path, b.Path) })
	return s, bad
}

func (c *Case) targets(shared []Target) []policy.Target {
	all := Fleet()
	if own := cmp.Or(len(c.Targets), len(shared)); own > 0 {
		all = make([]policy.Target, own)
		for i := range all {
			if len(c.Targets) > 0 {
				all[i] = policy.Target(c.Targets[i])
			} else {
				all[i] = policy.Target(shared[i])
			}
			all[i].Near = all[i].Near || strings.HasPrefix(all[i].Name, "local/")
		}
	}
	for i := range all {
		if slices.Contains(c.Down, all[i].Name) {
			all[i].Usable = false
		}
	}
	return all
}
