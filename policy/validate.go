package policy

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Problem is one fault of a document: where it is, as a path of keys such as
// rules[2].when.field, and what would be right.
type Problem struct {
	Path    string
	Message string
}

func (p Problem) Error() string { return p.Path + ": " + p.Message }

// Bounds of a document, so that a pushed one cannot exhaust a device.
const (
	maxRules = 1000
	maxDepth = 16
)

// Kinds of step a ladder may name.
var rungs = []string{StepCache, StepLocal, StepCloud, StepStale, StepDefault, StepRefuse}

// Validate lists every fault of the document; nil means it can be used.
func (d *Document) Validate() []Problem {
	v := &validator{}
	v.check(d.Version >= 0, "version", "must be 0 or more")
	_, ok := d.Services[chat]
	v.check(ok, "services", "needs at least chat")
	for name, s := range d.Services {
		v.service("services."+name, s)
		v.commit("services."+name, s.Commit, name != chat)
	}
	v.weights(d.Weights)
	v.shares("quality.local", d.Quality.Local)
	v.shares("quality.cloud", d.Quality.Cloud)
	v.shares("check.confidence", d.Check.Confidence)
	v.limits(d.Limits)
	v.rules(d.Rules)
	slices.SortStableFunc(v.problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return v.problems
}

type validator struct{ problems []Problem }

func (v *validator) check(ok bool, path, format string, args ...any) {
	if !ok {
		v.problems = append(v.problems, Problem{path, fmt.Sprintf(format, args...)})
	}
}

func (v *validator) service(path string, s Service) {
	v.check(len(s.Ladder) > 0, path+".ladder", "is empty; such as [cache, local, cloud, stale, refuse]")
	for i, rung := range s.Ladder {
		at := fmt.Sprintf("%s.ladder[%d]", path, i)
		v.check(slices.Contains(rungs, rung), at, "%q is not a step; it must be one of %s", rung, strings.Join(rungs, ", "))
		v.check(!slices.Contains(s.Ladder[:i], rung), at, "%q is there twice", rung)
	}
	if n := len(s.Ladder); n > 0 {
		v.check(s.Ladder[n-1] == StepRefuse, path+".ladder", "must end with refuse")
	}
	v.check(slices.Contains([]string{"repeatable", "always", "never"}, s.Fresh), path+".fresh", "%q must be repeatable, always or never", s.Fresh)
}

// commit checks when streams may leave; a service without streams may leave it out.
func (v *validator) commit(path string, c Commit, optional bool) {
	for _, c := range []struct{ at, rule string }{{".commit.local", c.Local}, {".commit.cloud", c.Cloud}} {
		_, ok := commitTokens(c.rule)
		v.check(ok || optional && c.rule == "", path+c.at, "%q must be first_token, after_N_tokens (N from 1 to 1000) or after_check", c.rule)
	}
}

func (v *validator) weights(w Weights) {
	for _, x := range []struct {
		name string
		w    float64
	}{{"quality", w.Quality}, {"near", w.Near}, {"latency", w.Latency}, {"errors", w.Errors}, {"load", w.Load}, {"cost", w.Cost}, {"metered", w.Metered}, {"tie", w.Tie}} {
		v.check(x.w >= 0 && x.w <= 1000, "weights."+x.name, "%v must be a number from 0 to 1000", x.w)
	}
}

func (v *validator) shares(path string, table map[string]float64) {
	_, ok := table["default"]
	v.check(ok, path+".default", "is missing; it must be a number from 0 to 1")
	for name, x := range table {
		v.check(x >= 0 && x <= 1, path+"."+name, "%v must be a number from 0 to 1", x)
	}
}

func (v *validator) limits(l Limits) {
	for _, x := range []struct {
		name string
		ms   int64
	}{{"deadline_ms", l.DeadlineMS}, {"attempt_ms", l.AttemptMS}, {"silence_ms", l.SilenceMS}} {
		v.check(x.ms >= 1000 && x.ms <= 3_600_000, "limits."+x.name, "%d must be from 1000 (one second) to 3600000 (one hour)", x.ms)
	}
}

func (v *validator) rules(rules []Rule) {
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
func (v *validator) until(path string, r *Rule) {
	v.condition(path+".until", r.Until, 0)
	for _, c := range []struct {
		name string
		cond *Condition
	}{{"when", &r.When}, {"until", r.Until}} {
		tests := 0
		c.cond.fields(func(field string) {
			tests++
			ok := field == networkSignal || slices.Contains(device, field) || lookup(field, &Ask{}, &Signals{}).kind == unknownField
			v.check(ok, path+"."+c.name, "tests %s; a rule with an until may test only %s", field, strings.Join(SignalNames(), ", "))
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

func (v *validator) effect(path string, e Effect) {
	v.check(len(e.Deny)+len(e.Force)+len(e.Prefer) > 0, path, "is empty; it needs deny, force or prefer")
	for _, list := range []struct {
		name  string
		names []string
	}{{"deny", e.Deny}, {"force", e.Force}, {"prefer", e.Prefer}} {
		for i, name := range list.names {
			ok := name == Local || name == Cloud || strings.HasPrefix(name, "local/") || strings.HasPrefix(name, "cloud/")
			v.check(ok, fmt.Sprintf("%s.%s[%d]", path, list.name, i), "%q must be local, cloud, local/NAME or cloud/NAME", name)
		}
	}
}

func (v *validator) condition(path string, c *Condition, depth int) {
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

func (v *validator) comparison(path string, c *Condition) {
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
	switch lookup(c.Field, &Ask{}, &Signals{}).kind {
	case unknownField:
		v.check(false, path+".field", "%q is not a field; known are %s", c.Field, strings.Join(Fields(), ", "))
	case text:
		v.check(isText && !isFlag && numbers == 0, path, "%s is text; compare it with in: [...]", c.Field)
		v.states(path, c)
	case flag:
		v.check(isFlag && !isText && numbers == 0, path, "%s is true or false; compare it with is:", c.Field)
	case number:
		v.check(numbers > 0 && !isText && !isFlag, path, "%s is a number; compare it with lt, le, gt or ge", c.Field)
	}
}

// states checks that a comparison with the network names states it can have.
func (v *validator) states(path string, c *Condition) {
	if c.Field != networkSignal {
		return
	}
	for i, name := range c.In {
		known := slices.ContainsFunc(networks, func(n string) bool { return strings.EqualFold(n, name) })
		v.check(known, fmt.Sprintf("%s.in[%d]", path, i), "%q is not a state of the network; it must be one of %s", name, strings.Join(networks, ", "))
	}
}

// Fields lists the names a condition may test.
func Fields() []string {
	return append([]string{
		"service", "model", "mode", "task", "privacy", "network", "stream", "deadline_ms",
		"size.bytes", "size.tokens_est", "needs.tools", "needs.schema", "needs.vision",
	}, device...)
}

// commitTokens reads a commit rule: how many tokens are held back, -1 for all.
func commitTokens(rule string) (int, bool) {
	switch rule {
	case CommitFirst:
		return 1, true
	case CommitCheck:
		return -1, true
	}
	digits, ok := strings.CutSuffix(strings.TrimPrefix(rule, "after_"), "_tokens")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 1 && n <= 1000 && strings.HasPrefix(rule, "after_")
}
