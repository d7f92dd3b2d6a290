package whatif

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"nearside/policy"
	"nearside/policy/decide"
)

// Explanation is what stands behind a plan.
type Explanation struct {
	Why         string             `json:"why"`                        // what comes first, and why, in a sentence
	Others      []policy.NotChosen `json:"others"`                     // why each other target does not come first
	Rules       []Rule             `json:"rules"`                      // all of the document's, in its order
	WouldChange []Change           `json:"would_change"`               // single changes first, then pairs
	Cut         bool               `json:"would_change_cut,omitempty"` // not all changes could be looked at
}

// Explain tells what stands behind the plan that [decide.Plan] made of the case.
func Explain(c Case, plan *policy.Plan) Explanation {
	e := Explanation{Why: why(plan), Others: others(&c, plan), Rules: rules(&c, plan)}
	e.WouldChange, e.Cut = Changes(c, plan)
	return e
}

func why(p *policy.Plan) string {
	for _, s := range p.Steps {
		switch {
		case s.Kind == policy.StepCache:
		case s.Target != "":
			return s.Target + " goes first: " + s.Why
		default:
			return "no target is asked: " + p.Steps[len(p.Steps)-1].Why
		}
	}
	return ""
}

// Seats lists the targets that may be asked, the first to be asked first.
func Seats(p *policy.Plan) []policy.Member {
	var all []policy.Member
	for _, s := range p.Steps {
		switch {
		case len(s.Members) > 0:
			all = append(all, s.Members...)
		case s.Target != "":
			all = append(all, policy.Member{Target: s.Target, Utility: s.Utility, Terms: s.Terms, Assumed: s.Assumed})
		}
	}
	return all
}

// others says for each target but the first why it is not that.
func others(c *Case, p *policy.Plan) []policy.NotChosen {
	all := []policy.NotChosen{}
	if seats := Seats(p); len(seats) > 0 {
		for _, m := range seats[1:] {
			all = append(all, policy.NotChosen{Target: m.Target, Why: c.behind(seats[0], m)})
		}
	}
	return append(all, p.NotChosen...)
}

// behind says why a target comes after the first.
func (c *Case) behind(first, m policy.Member) string {
	gap := first.Utility - m.Utility
	if gap <= 0 {
		return fmt.Sprintf("utility %.3f is no less than that of %s, but within weights.tie (%s): the %s decides",
			m.Utility, first.Target, number(c.Doc.Weights.Tie), c.balance())
	}
	mine, most, by := Terms(m.Terms), 0.0, ""
	for _, t := range Terms(first.Terms) {
		i := slices.IndexFunc(mine, func(x Term) bool { return x.Name == t.Name })
		if d := t.Value - mine[i].Value; d > most {
			most, by = d, t.Name
		}
	}
	return fmt.Sprintf("utility %.3f is %.3f below that of %s, most of all by %s (%.3f)", m.Utility, gap, first.Target, by, most)
}

// balance is what decides among cloud targets that are about as good.
func (c *Case) balance() string {
	if b := c.Doc.Services[c.Ask.Service].Balance; b != "" && b != "order" {
		return "pool's balance, " + b + ","
	}
	return "order of the config"
}

// Term is one part of a utility.
type Term struct {
	Name  string
	Value float64
}

// Terms lists all parts of a utility, which is their sum, those that are 0 too.
func Terms(t policy.Terms) []Term {
	v := reflect.ValueOf(t)
	all := make([]Term, 0, v.NumField())
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if n, ok := v.Field(i).Interface().(float64); ok {
			all = append(all, Term{name, n})
		}
	}
	return all
}

// Rule is one rule of the document, and what it does to the plan.
type Rule struct {
	Name    string        `json:"name"`
	InForce bool          `json:"in_force"`
	Decides bool          `json:"decides"` // it gives the plan its reason
	When    Trace         `json:"when"`
	Until   *Trace        `json:"until,omitempty"` // it stays in force until this holds
	Then    policy.Effect `json:"then"`
	Hits    []string      `json:"hits,omitempty"`    // in force: the targets it names
	Without string        `json:"without,omitempty"` // in force: what would be without it, when that is something else
}

// maxRules is how many rules in force are left out, each in its turn, to see
// what would be without them.
const maxRules = 64

func rules(c *Case, p *policy.Plan) []Rule {
	all, left := make([]Rule, len(c.Doc.Rules)), maxRules
	for i := range c.Doc.Rules {
		r := &c.Doc.Rules[i]
		all[i] = Rule{Name: r.Name, InForce: r.InForce(&c.Ask, &c.Signals), Then: r.Then, When: traceOf(&r.When, &c.Ask, &c.Signals)}
		if r.Until != nil {
			until := traceOf(r.Until, &policy.Ask{}, &c.Signals)
			all[i].Until = &until
		}
		if !all[i].InForce {
			continue
		}
		all[i].Decides, all[i].Hits = p.Reason == policy.ReasonRule+r.Name, c.hits(r.Then)
		if left--; left >= 0 {
			all[i].Without = c.without(i, p)
		}
	}
	return all
}

// hits are the targets that an effect names.
func (c *Case) hits(e policy.Effect) []string {
	var all []string
	for i := range c.Signals.Targets {
		t := &c.Signals.Targets[i]
		if policy.Names(e.Deny, t) || policy.Names(e.Force, t) || policy.Names(e.Prefer, t) {
			all = append(all, t.Name)
		}
	}
	return all
}

// without says what would be without the document's i-th rule; "" when the same
// target would go first.
func (c *Case) without(i int, p *policy.Plan) string {
	doc := *c.Doc
	doc.Rules = slices.Delete(slices.Clone(doc.Rules), i, i+1)
	other := decide.Plan(&doc, &c.Ask, &c.Signals)
	if to := firstOf(&other); to.target != firstOf(p).target {
		return cmp.Or(to.target, "no target") + " would go first"
	}
	return ""
}
