package whatif

import (
	"cmp"
	"slices"
	"strings"

	"nearside/policy"
)

// Change is a smallest change that would have another route come first.
type Change struct {
	Set    []Setting `json:"set"`
	Route  string    `json:"route"`  // the first step that is not the cache: local, cloud, stale, default or refuse
	Target string    `json:"target"` // that would go first; "" when none would be asked
	Reason string    `json:"reason"` // of the plan, or else of that step
	Text   string    `json:"text"`   // a sentence for a person
}

// How often decide.Plan is asked at most for one explanation, how much of it is kept
// for pairs, and how many changes are told.
const (
	maxDecides = 300
	forPairs   = 100
	maxChanges = 48
)

// route is what comes first in a plan.
type route struct{ kind, target, reason string }

func firstOf(p *policy.Plan) route {
	for _, s := range p.Steps {
		if s.Kind != policy.StepCache {
			return route{s.Kind, s.Target, cmp.Or(p.Reason, s.Reason)}
		}
	}
	return route{kind: policy.StepRefuse}
}

// search looks for changes around a case.
type search struct {
	base  Case
	plan  policy.Plan
	first route
	left  int // times that decide.Plan may still be asked
	found []Change
	tried []trial
}

// trial is a single change that was tried, and what came of it.
type trial struct {
	set  Setting
	text string
	plan policy.Plan
}

// Changes lists the smallest changes to single values of the case that would
// have another target come first, and pairs of them for targets that no single
// one brings there. plan is what [decide.Plan] makes of the case as it is. cut tells
// that not all could be looked at within 300 calls of it.
func Changes(c Case, plan *policy.Plan) (all []Change, cut bool) {
	s := &search{base: c, plan: *plan, first: firstOf(plan), left: maxDecides, found: []Change{}}
	for _, k := range c.knobs(s.first.target) {
		if s.left <= forPairs {
			cut = true
			break
		}
		s.options(&k)
		s.scan(&k)
	}
	s.pairs()
	return s.found[:min(len(s.found), maxChanges)], cut || s.left == 0 || len(s.found) > maxChanges
}

// try decides the case with other values; ok is false when they cannot be, or
// decide.Plan was asked often enough.
func (s *search) try(set ...Setting) (p policy.Plan, ok bool) {
	if s.left == 0 {
		return p, false
	}
	s.left--
	c, err := s.base.Apply(set...)
	if err != nil {
		return p, false
	}
	return c.decide(), true
}

// single tries one value of a knob.
func (s *search) single(k *knob, to any, word string) (route, bool) {
	set := Setting{k.field, k.from, to}
	p, ok := s.try(set)
	if ok && word != "" {
		s.tried = append(s.tried, trial{set, k.name + word, p})
	}
	return firstOf(&p), ok
}

// tell notes a change that works.
func (s *search) tell(to route, text string, set ...Setting) {
	begin := to.target + " would go first if "
	if to.target == "" {
		begin = "no target would be asked (" + to.reason + ") if "
	}
	s.found = append(s.found, Change{set, to.kind, to.target, to.reason, begin + text})
}

// options tries a knob's single values, and tells those together that do the
// same.
func (s *search) options(k *knob) {
	words, order := map[string][]option{}, []route{}
	for _, o := range k.options {
		to, ok := s.single(k, o.to, o.word)
		if !ok || to.target == s.first.target {
			continue
		}
		if words[to.target] == nil {
			order = append(order, to)
		}
		words[to.target] = append(words[to.target], o)
	}
	for _, to := range order {
		var all []string
		for _, o := range words[to.target] {
			all = append(all, o.word)
		}
		s.tell(to, k.name+strings.Join(all, " or "), Setting{k.field, k.from, words[to.target][0].to})
	}
}

// pairs looks for two values that together bring a target first which no single
// one does.
func (s *search) pairs() {
	for _, t := range s.base.Signals.Targets {
		reached := slices.ContainsFunc(s.found, func(c Change) bool { return c.Target == t.Name })
		if t.Name != s.first.target && !reached && slices.Contains(t.Services, s.base.Ask.Service) {
			s.pair(t.Name)
		}
	}
}

// pair tries every value that by itself brings the target nearer, with every
// other one.
func (s *search) pair(target string) {
	now, told, others := standing(&s.plan, target), map[[2]string]bool{}, s.partners(target)
	for _, x := range others {
		if !standing(&x.plan, target).nearer(now) {
			continue
		}
		for _, y := range others {
			fields := [2]string{min(x.set.Field, y.set.Field), max(x.set.Field, y.set.Field)}
			if x.set.Field == y.set.Field || told[fields] {
				continue
			}
			p, ok := s.try(x.set, y.set)
			if s.left == 0 {
				return
			}
			if r := firstOf(&p); ok && r.target == target {
				told[fields] = true
				s.tell(r, x.text+" and "+y.text, x.set, y.set)
			}
		}
	}
}

// partners are the values that may matter to the target together with another
// one: not numbers that make no difference and that no rule in force tests.
func (s *search) partners(target string) []trial {
	now, tested := standing(&s.plan, target), map[string]bool{}
	for i := range s.base.Doc.Rules {
		if r := &s.base.Doc.Rules[i]; r.InForce(&s.base.Ask, &s.base.Signals) {
			for field := range testsOf(&policy.Document{Rules: []policy.Rule{*r}}) {
				tested[field] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(s.tried), func(t trial) bool {
		_, number := t.set.To.(float64)
		return number && !tested[t.set.Field] && standing(&t.plan, target) == now
	})
}

// stand is how a target stands in a plan: why it is not in it, or else how many
// come before it.
type stand struct {
	why    string
	before int
}

// nearer tells whether one stands better than another, or for another reason.
func (a stand) nearer(b stand) bool {
	return a.why != b.why && b.why != "" || a.why == "" && b.why == "" && a.before < b.before
}

func standing(p *policy.Plan, target string) stand {
	for _, n := range p.NotChosen {
		if n.Target == target {
			return stand{why: n.Why}
		}
	}
	return stand{before: slices.IndexFunc(Seats(p), func(m policy.Member) bool { return m.Target == target })}
}
