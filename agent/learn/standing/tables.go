package standing

import (
	"slices"
	"strings"
	"sync"

	"nearside/agent/decision"
	"nearside/agent/learn/label"
	"nearside/policy"
	"nearside/policy/calib"
)

// States of what is known of a local target.
const (
	Measured   = "measured"   // a table of its model holds
	Doubted    = "doubted"    // a table that may not hold any more: its conservative bound does
	Unmeasured = "unmeasured" // there is no table of its model yet
	Changed    = "changed"    // there was one, of another model
)

// Standing is what is known of a local target. It does not change. Make it with
// [Of].
type Standing struct {
	Model  calib.Model
	State  string
	Labels int // found here that are in its table

	why     string       // it is doubted
	prior   *calib.Table // what was measured before, nil when nothing was
	fault   string       // why that cannot be used, "" when it can
	origin  string       // where what was measured before is from, "" when there is nothing
	table   *calib.Table // nil: there is none
	version string       // of the table: 8 hex digits of its digest

	good map[string]chance // by class, of those that were seen often
	text *reading          // nil: there is no table
}

// chance is one of a good answer, and how many answers it rests on.
type chance struct {
	good float64
	n    int
}

// expect is the chance of a good answer before it is made; ok is false when
// nothing tells.
func (s *Standing) expect(class string) (c chance, ok bool) {
	if c, ok = s.good[class]; ok || s.prior == nil {
		return c, ok
	}
	good, n := s.prior.Prior(class)
	return chance{good, n}, true
}

// Tables are the standings of all local targets. The zero value has none. Its
// methods may be called from any goroutine.
type Tables struct {
	Of map[string]*Standing // does not change

	thresholds sync.Map // by budgeted; what calib.Table.Threshold said
}

type budgeted struct {
	target, class string
	alpha         float64
}

// unreachable is a confidence that no answer has: what an error budget asks for
// when nothing shows that any answer keeps to it.
const unreachable = 1.01

// Relies tells whether a policy makes any use of what is known of an answer
// before there is one.
func Relies(doc *policy.Document) bool { return len(doc.Check.Budget) > 0 || doc.Check.Skip > 0 }

// Expect makes it an agent's calibration. Of a model that is not identified yet
// nothing is known.
func (t *Tables) Expect(doc *policy.Document, ask *policy.Ask, text string, targets []policy.Target) []policy.Estimate {
	if !Relies(doc) {
		return nil
	}
	var all []policy.Estimate
	in := inquiry{doc: doc, ask: ask, text: text}
	for i := range targets {
		s := t.Of[targets[i].Name]
		if s == nil && ask.Service == policy.Chat && strings.HasPrefix(targets[i].Name, "local/") {
			s = &Standing{State: Unmeasured}
		}
		if s == nil || !slices.Contains(targets[i].Services, ask.Service) {
			continue
		}
		if e, ok := t.estimate(targets[i].Name, s, &in); ok {
			all = append(all, e)
		}
	}
	return all
}

// estimate is what a target's standing says of an ask; ok is false where it
// says nothing beyond the document. A doubt bounds what is taken as good, not
// whether the device is asked: else it would never be found unfounded. For the
// same reason what was measured stands for the document's qualities only where
// the policy skips hopeless targets: a device that is right half the time is
// worth asking first, since what it is unsure of goes on.
func (t *Tables) estimate(target string, s *Standing, in *inquiry) (policy.Estimate, bool) {
	doc, ask := in.doc, in.ask
	alpha, bounded := policy.Listed(doc.Check.Budget, ask.Task)
	class := s.class(ask)
	var c chance
	known := false
	if doc.Check.Skip > 0 {
		c, known = s.expect(class)
	}
	if !known {
		c.good, _ = policy.Listed(doc.Quality.Local, ask.Task)
	}
	e := policy.Estimate{Target: target, Good: c.good, Samples: c.n, From: s.State}
	swayed := doc.Check.Skip > 0 && s.text.sway(&e, in)
	if bounded {
		least := t.threshold(s, budgeted{target, class, alpha})
		e.Threshold = &least
	}
	return e, known || bounded || swayed
}

// class is that of the ask, or of its task where the table has no such.
func (s *Standing) class(ask *policy.Ask) string {
	class := label.Class(ask)
	if s.table == nil || s.table.Labels(class) == 0 {
		return ask.Task
	}
	return class
}

// threshold is what confidence keeps to a budget, looked up after the first
// time.
func (t *Tables) threshold(s *Standing, b budgeted) float64 {
	if known, ok := t.thresholds.Load(b); ok {
		return known.(float64)
	}
	least := s.threshold(b.class, b.alpha)
	t.thresholds.Store(b, least)
	return least
}

// steps is how finely a threshold is looked for where a table is doubted.
const steps = 100

func (s *Standing) threshold(class string, alpha float64) float64 {
	if s.table == nil {
		return unreachable
	}
	if s.State != Doubted {
		if score, ok := s.table.Threshold(class, alpha); ok {
			return score
		}
		return unreachable
	}
	for i := range steps + 1 {
		if score := float64(i) / steps; s.table.Bound(score) >= 1-alpha {
			return score
		}
	}
	return unreachable
}

// Judge makes it an agent's calibration.
func (t *Tables) Judge(target string, ask *policy.Ask, sure *float64) decision.Judged {
	j := decision.Judged{Target: target}
	s := t.Of[target]
	if s == nil {
		return j
	}
	j.Model = s.Model.SHA256
	if s.table == nil || sure == nil {
		return j
	}
	good, _ := s.table.Good(s.class(ask), *sure)
	if s.State == Doubted {
		good = s.table.Bound(*sure)
	}
	j.Good = &good
	return j
}

// Replaced are the standings with one in the place of what it was, nil for none.
func (t *Tables) Replaced(target string, s *Standing) *Tables {
	next := &Tables{Of: map[string]*Standing{}}
	for name, old := range t.Of {
		next.Of[name] = old
	}
	next.Of[target] = s
	if s == nil {
		delete(next.Of, target)
	}
	return next
}
