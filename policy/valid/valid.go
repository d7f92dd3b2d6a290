// Package valid finds the faults of a policy document before it is used. Every
// problem names where it is, as a path of keys, and what would be right; who
// read the text knows the line. It is pure, as policy is.
package valid

import (
	"fmt"
	"slices"
	"strings"

	"nearside/policy"
)

// Bounds of a document, so that a pushed one cannot exhaust a device.
const (
	maxRules = 1000
	maxDepth = 16
)

// Check lists every fault of the document; nil means it can be used.
func Check(d *policy.Document) []policy.Problem {
	v := &validator{}
	v.check(d.Version >= 0, "version", "must be 0 or more")
	_, ok := d.Services[policy.Chat]
	v.check(ok, "services", "needs at least chat")
	for name, s := range d.Services {
		v.service("services."+name, s)
		v.serving("services."+name, s)
		v.commit("services."+name+".commit", s.Commit, name != policy.Chat)
	}
	v.weights(d.Weights)
	v.shares("quality.local", d.Quality.Local)
	v.shares("quality.cloud", d.Quality.Cloud)
	v.shares("check.confidence", d.Check.Confidence)
	v.share("check.skip", d.Check.Skip)
	if d.Check.Budget != nil {
		v.shares("check.budget", d.Check.Budget)
	}
	if k := d.Score; k != nil {
		v.weight("score.latency", k.Latency)
		v.weight("score.errors", k.Errors)
		v.weight("score.load", k.Load)
	}
	v.limits(d.Limits)
	v.rules(d.Rules)
	slices.SortStableFunc(v.problems, func(a, b policy.Problem) int { return strings.Compare(a.Path, b.Path) })
	return v.problems
}

type validator struct{ problems []policy.Problem }

func (v *validator) check(ok bool, path, format string, args ...any) {
	if !ok {
		v.problems = append(v.problems, policy.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
	}
}

func (v *validator) service(path string, s policy.Service) {
	v.check(len(s.Ladder) > 0, path+".ladder", "is empty; such as [cache, local, cloud, stale, refuse]")
	for i, rung := range s.Ladder {
		at := fmt.Sprintf("%s.ladder[%d]", path, i)
		v.check(slices.Contains(policy.Rungs(), rung), at, "%q is not a step; it must be one of %s", rung, strings.Join(policy.Rungs(), ", "))
		v.check(!slices.Contains(s.Ladder[:i], rung), at, "%q is there twice", rung)
	}
	if n := len(s.Ladder); n > 0 {
		v.check(s.Ladder[n-1] == policy.StepRefuse, path+".ladder", "must end with refuse")
	}
	v.check(slices.Contains([]string{"repeatable", "always", "never"}, s.Fresh), path+".fresh", "%q must be repeatable, always or never", s.Fresh)
}

const (
	year = 366 * 24 * 3600 // seconds
	hour = 3_600_000       // milliseconds
)

// serving checks what a service may leave out.
func (v *validator) serving(path string, s policy.Service) {
	for _, x := range []struct {
		name string
		s    int64
	}{{"fresh_max_s", s.FreshMaxS}, {"stale_max_s", s.StaleMaxS}} {
		v.check(x.s >= 0 && x.s <= year, path+"."+x.name, "%d must be from 1 to %d (a year), or be left out", x.s, year)
	}
	v.check(s.DeadlineMS == 0 || s.DeadlineMS >= 1000 && s.DeadlineMS <= hour, path+".deadline_ms",
		"%d must be from 1000 (one second) to 3600000 (one hour), or be left out", s.DeadlineMS)
	v.check(s.Balance == "" || slices.Contains(policy.Balances(), s.Balance), path+".balance",
		"%q must be one of %s", s.Balance, strings.Join(policy.Balances(), ", "))
}

// commit checks when streams may leave; a service without streams may leave it out.
func (v *validator) commit(path string, c policy.Commit, optional bool) {
	for _, c := range []struct{ at, rule string }{{".local", c.Local}, {".cloud", c.Cloud}} {
		_, ok := policy.CommitTokens(c.rule)
		v.check(ok || optional && c.rule == "", path+c.at, "%q must be first_token, after_N_tokens (N from 1 to 1000) or after_check", c.rule)
	}
}

func (v *validator) weights(w policy.Weights) {
	for _, x := range []struct {
		name string
		w    float64
	}{{"quality", w.Quality}, {"near", w.Near}, {"latency", w.Latency}, {"errors", w.Errors}, {"load", w.Load}, {"cost", w.Cost}, {"metered", w.Metered}, {"cpu", w.CPU}, {"memory", w.Memory}, {"temperature", w.Heat}, {"battery", w.Battery}, {"tie", w.Tie}} {
		v.weight("weights."+x.name, x.w)
	}
}

func (v *validator) weight(path string, w float64) {
	v.check(w >= 0 && w <= 1000, path, "%v must be a number from 0 to 1000", w)
}

func (v *validator) shares(path string, table map[string]float64) {
	_, ok := table["default"]
	v.check(ok, path+".default", "is missing; it must be a number from 0 to 1")
	for name, x := range table {
		v.share(path+"."+name, x)
	}
}

func (v *validator) share(path string, x float64) {
	v.check(x >= 0 && x <= 1, path, "%v must be a number from 0 to 1", x)
}

func (v *validator) limits(l policy.Limits) {
	for _, x := range []struct {
		name string
		ms   int64
	}{{"deadline_ms", l.DeadlineMS}, {"attempt_ms", l.AttemptMS}, {"silence_ms", l.SilenceMS}} {
		v.check(x.ms >= 1000 && x.ms <= 3_600_000, "limits."+x.name, "%d must be from 1000 (one second) to 3600000 (one hour)", x.ms)
	}
}
