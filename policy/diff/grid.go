package diff

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nearside/policy"
	"nearside/policy/cond"
	"nearside/policy/decide"
	"nearside/policy/whatif"
)

// Bounds of what is tried and shown.
const (
	maxTried    = 20_000 // single details aside
	mostTried   = 100_000
	mostWork    = 5_000_000 // rules times what is tried
	maxExamples = 10
)

// grid is all that is tried: every combination of the few fields that shape
// most plans, and with each of them every value that tells apart what either
// policy tests, alone and in pairs.
type grid struct {
	a, b    *policy.Document
	usual   whatif.Case
	shapes  []axis // all combinations
	details []axis // alone and in pairs
	share   int    // how many may be tried of each combination, single details aside
	most    int    // the same, these with it
	moves   map[Move]int
	shown   map[Move]int
}

// axis is a field and the values it is given.
type axis struct {
	field  string
	values []whatif.Setting
}

func newGrid(a, b *policy.Document, targets []policy.Target) *grid {
	g := &grid{a: a, b: b, moves: map[Move]int{}, shown: map[Move]int{}}
	g.usual.Ask = policy.Ask{
		Service: policy.Chat, Model: policy.Auto, Mode: policy.Auto, Task: "chat", Privacy: policy.Normal, DeadlineMS: min(a.Deadline(policy.Chat), b.Deadline(policy.Chat)),
		Size: policy.Size{Bytes: 200, TokensEst: 30, TokensOut: 512}, Repeatable: true,
	}
	services := slices.Concat(slices.Collect(maps.Keys(a.Services)), slices.Collect(maps.Keys(b.Services)))
	targets = slices.Clone(targets)
	for i := range targets {
		targets[i].Services = services
	}
	g.usual.Signals = policy.Signals{Time: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), Network: "online", Targets: targets}
	tests := cond.Tests(append(conditions(a), conditions(b)...)...)
	g.shapes = []axis{
		texts("service", services, policy.Chat), texts("task", tasks(a, b), "chat"),
		texts("privacy", []string{policy.Private}, policy.Normal), texts("network", states(tests["network"]), "online"),
	}
	combinations := 1
	for _, x := range g.shapes {
		combinations *= len(x.values)
	}
	work := mostWork / max(1, len(a.Rules)+len(b.Rules))
	g.share, g.most = min(maxTried, work)/combinations, min(mostTried, work)/combinations
	for _, field := range slices.Sorted(maps.Keys(tests)) {
		x := axis{field: field}
		for _, v := range cond.Values(field, tests[field]) {
			if s, ok := setting(v); ok {
				x.values = append(x.values, s)
			}
		}
		if !slices.ContainsFunc(g.shapes, func(s axis) bool { return s.field == field }) {
			g.details = append(g.details, x)
		}
	}
	return g
}

func conditions(d *policy.Document) []*policy.Condition {
	var all []*policy.Condition
	for i := range d.Rules {
		all = append(all, &d.Rules[i].When)
		if u := d.Rules[i].Until; u != nil {
			all = append(all, u)
		}
	}
	return all
}

// tasks are the classes that either policy knows by name.
func tasks(a, b *policy.Document) []string {
	all := []string{"chat"}
	for _, d := range []*policy.Document{a, b} {
		for _, table := range []map[string]float64{d.Quality.Local, d.Quality.Cloud, d.Check.Budget} {
			for task := range table {
				if task != "default" {
					all = append(all, task)
				}
			}
		}
		for _, test := range cond.Tests(conditions(d)...)["task"] {
			all = append(all, test.In...)
		}
	}
	return all
}

// states are those of the network that shape plans, and those that are tested.
func states(tests []*policy.Condition) []string {
	all := []string{"metered", "offline"}
	for _, t := range tests {
		all = append(all, t.In...)
	}
	return all
}

// texts is an axis of texts, each once, the usual one first.
func texts(field string, values []string, usual string) axis {
	values = slices.Clone(values)
	slices.Sort(values)
	x := axis{field, []whatif.Setting{{Field: field, To: usual}}}
	for _, v := range slices.Compact(values) {
		if v != usual {
			x.values = append(x.values, whatif.Setting{Field: field, To: v})
		}
	}
	return x
}

// setting is a value as whatif takes it; ok is false where the usual case is
// of that value: not known.
func setting(v cond.Value) (s whatif.Setting, ok bool) {
	to := v.Any()
	if t, isTime := to.(time.Time); isTime {
		to = t.Format(time.RFC3339)
	}
	field, _, _ := strings.Cut(v.Field, " ")
	return whatif.Setting{Field: field, To: to}, to != nil
}

// walk tries all of it.
func (g *grid) walk(r *Report) {
	g.combine(r, g.usual, nil)
	for m, n := range g.moves {
		m.Asks = n
		r.Moves = append(r.Moves, m)
	}
}

// combine gives the shape fields from the depth of the list on all values.
func (g *grid) combine(r *Report, c whatif.Case, with []whatif.Setting) {
	if depth := len(with); depth < len(g.shapes) {
		for _, s := range g.shapes[depth].values {
			if next, err := apply(c, s); err == nil {
				g.combine(r, next, append(with[:depth:depth], s))
			}
		}
		return
	}
	start := r.Tried
	g.try(r, c, with)
	g.detail(r, spot{c, with, g.details}, start+g.most)
	for i, x := range g.details {
		for _, s := range x.values {
			if r.Tried >= start+g.share {
				r.Cut = true
				return
			}
			if one, err := apply(c, s); err == nil {
				g.detail(r, spot{one, append(with[:len(with):len(with)], s), g.details[i+1:]}, start+g.share)
			}
		}
	}
}

// spot is a case and the details that it may get one more of.
type spot struct {
	c       whatif.Case
	with    []whatif.Setting
	details []axis
}

// detail tries every detail of a spot, until so many were tried in all.
func (g *grid) detail(r *Report, at spot, end int) {
	for _, x := range at.details {
		for _, s := range x.values {
			if r.Tried >= end {
				r.Cut = true
				return
			}
			if next, err := apply(at.c, s); err == nil {
				g.try(r, next, append(at.with[:len(at.with):len(at.with)], s))
			}
		}
	}
}

// apply sets one field; which rules are held is for each policy to say.
func apply(c whatif.Case, s whatif.Setting) (whatif.Case, error) {
	if s.Field == "service" {
		c.Ask.Service, _ = s.To.(string)
		return c, nil
	}
	c.Doc = &policy.Document{}
	return c.Apply(s)
}

// try decides one case by both policies.
func (g *grid) try(r *Report, c whatif.Case, with []whatif.Setting) {
	r.Tried++
	before, after := settled(g.a, c), settled(g.b, c)
	m := Move{From: first(&before), To: first(&after)}
	if m.From == m.To {
		return
	}
	r.Differ++
	g.moves[m]++
	if g.shown[m] < 3 && len(r.Examples) < maxExamples {
		g.shown[m]++
		r.Examples = append(r.Examples, Example{g.describe(with), m.From, m.To, before.MainReason(), after.MainReason()})
	}
}

func settled(d *policy.Document, c whatif.Case) policy.Plan {
	c.Signals.Held = policy.Settled(d, &c.Signals)
	return decide.Plan(d, &c.Ask, &c.Signals)
}

// first is who is asked first, or the route where nobody is.
func first(p *policy.Plan) string {
	if s := p.Main(); s.Target != "" {
		return s.Target
	}
	return p.Main().Route()
}

// describe names what is not usual.
func (g *grid) describe(with []whatif.Setting) string {
	var parts []string
	for i, s := range with {
		if i >= len(g.shapes) || !slices.Contains([]any{policy.Chat, policy.Normal, "online"}, s.To) {
			parts = append(parts, fmt.Sprintf("%s=%v", s.Field, s.To))
		}
	}
	if parts == nil {
		return "nothing unusual"
	}
	return strings.Join(parts, ", ")
}
