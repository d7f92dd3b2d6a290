package agent

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"nearside/agent/openai"
	"nearside/policy"
	"nearside/policy/whatif"
)

// Explanation is a plan, what it was made from and what stands behind it;
// nothing was called.
type Explanation struct {
	Policy  string         `json:"policy"`
	Ask     policy.Ask     `json:"ask"`
	Signals policy.Signals `json:"signals"`
	policy.Plan
	whatif.Explanation
	Recorded *Recorded `json:"recorded,omitempty"` // the decision that is explained again
}

// Recorded is a decision of the past, beside the plan that is made of it now.
type Recorded struct {
	ID     string    `json:"id"`
	Time   time.Time `json:"time"`
	Policy string    `json:"policy"`    // that decided then
	Same   bool      `json:"same_plan"` // the plan of now is that of then
}

// explanation decides and explains what was decided.
func explanation(p *Policy, ask policy.Ask, signals policy.Signals) *Explanation {
	plan := policy.Decide(p.Doc, &ask, &signals)
	behind := whatif.Explain(whatif.Case{Doc: p.Doc, Ask: ask, Signals: signals}, &plan)
	return &Explanation{Policy: p.String(), Ask: ask, Signals: signals, Plan: plan, Explanation: behind}
}

// Under is the same ask in the same situation, decided and explained by another
// policy.
func (e *Explanation) Under(p *Policy) *Explanation {
	e.Signals.Held = policy.Settled(p.Doc, &e.Signals)
	other := explanation(p, e.Ask, e.Signals)
	if other.Recorded = e.Recorded; other.Recorded != nil {
		other.Recorded.Same = other.Recorded.Same && samePlan(&e.Plan, &other.Plan)
	}
	return other
}

// Explain plans the request as Handle would, and stops there.
func (a *Agent) Explain(in Input) (*Explanation, error) {
	s, signals := a.settings.Load(), a.parts.Signals()
	signals.Turn = a.turn.Load() + 1
	if err := assume(in.Assume, s.Policy.Doc, &signals); err != nil {
		return nil, err
	}
	ask, err := s.classify(in, &signals)
	if err != nil {
		return nil, err
	}
	return explanation(s.Policy, ask, signals), nil
}

// ExplainRecord explains a decision record again, as it was but for the signals
// to assume, by the policy in force. Errors are those of agent/openai and name
// the field that is not right.
func (a *Agent) ExplainRecord(text []byte, values map[string]any) (*Explanation, error) {
	r, err := readRecord(text)
	if err != nil {
		return nil, err
	}
	p := a.Policy()
	if err := assume(values, p.Doc, &r.Signals); err != nil {
		return nil, err
	}
	e := explanation(p, r.Ask, r.Signals)
	e.Recorded = &Recorded{r.ID, r.Time, r.Policy, samePlan(&r.Plan, &e.Plan)}
	return e, nil
}

func samePlan(x, y *policy.Plan) bool {
	a, err := json.Marshal(x)
	b, alsoErr := json.Marshal(y)
	return err == nil && alsoErr == nil && bytes.Equal(a, b)
}

// maxTargets bounds the targets of a record that is explained again.
const maxTargets = 64

// readRecord reads a decision record from outside.
func readRecord(text []byte) (*Record, error) {
	r := &Record{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, openai.Invalid("", "The body is no decision record: %.200s.", err)
	}
	for _, x := range []struct {
		ok    bool
		field string
		want  string
	}{
		{r.Service != "", "service", "must be there, such as chat"},
		{slices.Contains([]string{policy.Auto, policy.Local, policy.Cloud}, r.Mode), "mode", "must be auto, local or cloud"},
		{r.Privacy == policy.Normal || r.Privacy == policy.Private, "privacy", "must be normal or private"},
		{r.DeadlineMS >= 0, "deadline_ms", "must not be negative"},
		{r.Size.Bytes >= 0 && r.Size.TokensEst >= 0 && r.Size.TokensOut >= 0, "size", "must not be negative"},
		{r.MaxCost == nil || *r.MaxCost >= 0, "max_cost_usd", "must not be negative"},
		{len(r.Signals.Targets) > 0 && len(r.Signals.Targets) <= maxTargets, "signals.targets", "must be 1 to 64"},
		{!slices.ContainsFunc(r.Signals.Targets, unlikely), "signals.targets", "must be local/NAME or cloud/NAME, with figures that are not negative"},
	} {
		if !x.ok {
			return nil, openai.Invalid(x.field, "%s of the decision record %s.", x.field, x.want)
		}
	}
	return r, nil
}

// unlikely tells whether no daemon has such a target.
func unlikely(t policy.Target) bool {
	negative := func(n *float64) bool { return n != nil && *n < 0 }
	return !strings.HasPrefix(t.Name, "local/") && !strings.HasPrefix(t.Name, "cloud/") ||
		negative(t.P50MS) || negative(t.P95MS) || negative(t.ErrorRate) || t.InFlight < 0 || t.Context < 0
}

// assume puts signals in the place of those there are, and has the rules see
// them. A signal may be told by its short name.
func assume(values map[string]any, doc *policy.Document, s *policy.Signals) error {
	told := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		full, err := whatif.SignalName(name)
		if err == nil && told[full] != "" {
			return openai.Invalid(name, "%s and %s are one signal.", told[full], name)
		}
		if err == nil {
			err = s.Set(full, values[name])
		}
		if err != nil {
			return openai.Invalid(name, "%s.", err)
		}
		told[full] = name
	}
	if len(values) > 0 {
		s.Held = policy.Settled(doc, s)
	}
	return nil
}
