package simulate

import (
	"cmp"

	"nearside/policy"
)

// How targets are judged, as the daemon does: faults in a row that open the
// breaker, for how many seconds, and how much a new figure counts.
const (
	breakAfter = 5
	breakS     = 30
	learns     = 0.1
)

// fleet is how the targets stand.
type fleet struct {
	scenario *Scenario
	chance   *chance
	all      []standing
}

// standing is a target and what calls to it have taught.
type standing struct {
	model  *Target
	ms     *float64
	errors *float64
	row    int // faults in a row
	shut   int // second of the day until which its breaker is open; 0 is closed
}

func newFleet(s *Scenario, c *chance) *fleet {
	f := &fleet{scenario: s, chance: c, all: make([]standing, len(s.Targets))}
	for i := range s.Targets {
		f.all[i].model = &s.Targets[i]
	}
	return f
}

// outage is the one that a target is in, nil when it is in none.
func (f *fleet) outage(target string, now int) *Outage {
	for i := range f.scenario.Outages {
		o := &f.scenario.Outages[i]
		if o.Target == target && seconds(o.From) <= now && now < seconds(o.To) {
			return o
		}
	}
	return nil
}

// look lets breakers close: the trial that is due goes beside an ask, which
// does not wait for it.
func (f *fleet) look(now int) {
	for i := range f.all {
		t := &f.all[i]
		if t.shut == 0 || now < t.shut {
			continue
		}
		t.shut, t.row = 0, 0
		if f.outage(t.model.Name, now) != nil {
			t.shut = now + breakS
		}
	}
}

// targets are the targets as a decision sees them.
func (f *fleet) targets() []policy.Target {
	all := make([]policy.Target, len(f.all))
	for i := range f.all {
		t, m := &f.all[i], f.all[i].model
		services := m.Services
		if len(services) == 0 {
			services = []string{policy.Chat}
		}
		all[i] = policy.Target{
			Name: m.Name, Services: services, Usable: t.shut == 0, Why: "the breaker is open",
			P50MS: t.ms, ErrorRate: t.errors, Context: m.Context, Blind: m.Blind, Price: m.Price,
		}
		all[i].Near = all[i].Local()
		if t.ms != nil {
			slow := *t.ms * 3
			all[i].P95MS = &slow
		}
	}
	return all
}

// steady are the targets with the figures of a good day, so that what changes
// with them is due to something else.
func (f *fleet) steady() []policy.Target {
	all := f.targets()
	for i := range all {
		m := f.all[i].model
		slow := m.MS * 3
		all[i].P50MS, all[i].P95MS, all[i].ErrorRate = &m.MS, &slow, &m.Errors
	}
	return all
}

// call asks a target. It fails after patience when the target hangs, at once
// when it refuses.
func (f *fleet) call(target string, now int, patience float64) (ms float64, ok bool) {
	t := f.standing(target)
	o := f.outage(target, now)
	switch {
	case o != nil && o.Hangs:
		t.shut = now + breakS // a hang is waited for once
		t.fault()
		return patience, false
	case o != nil || f.chance.happens(t.model.Errors):
		if t.fault(); t.row >= breakAfter {
			t.shut = now + breakS
		}
		return 1, false
	}
	ms = min(patience, t.model.MS*f.chance.about(t.model.Spread))
	t.row = 0
	t.ms, t.errors = learn(t.ms, ms), learn(t.errors, 0)
	return ms, true
}

func (f *fleet) standing(target string) *standing {
	for i := range f.all {
		if f.all[i].model.Name == target {
			return &f.all[i]
		}
	}
	return nil
}

func (t *standing) fault() {
	t.row++
	t.errors = learn(t.errors, 1)
}

// learn moves a figure toward what was seen.
func learn(figure *float64, seen float64) *float64 {
	x := seen
	if figure != nil {
		x = *figure + learns*(seen-*figure)
	}
	return &x
}

// sure tells whether an answer of the target passes the check.
func (f *fleet) sure(target, task string) bool {
	table := f.standing(target).model.Sure
	if len(table) == 0 {
		return true
	}
	p, ok := table[task]
	if !ok {
		p = table["default"]
	}
	return f.chance.happens(p)
}

// took is what an answer costs in USD.
func took(p *policy.Price, s policy.Size) float64 {
	return cmp.Or(p, &policy.Price{}).Cost(s)
}
