package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"nearside/agent/openai/fault"
	"nearside/policy"
	"nearside/policy/decide"
	"nearside/policy/past"
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
	plan := decide.Plan(p.Doc, &ask, &signals)
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
	if err := assume(in.Assume, s.Policy.Doc, &signals); err != nil {
		return nil, err
	}
	var ask policy.Ask
	question := asked(in.Request)
	if err := s.classify(&in, question, &signals, &ask); err != nil {
		return nil, err
	}
	a.expect(s.Policy.Doc, question, &ask, &signals)
	signals.Turn = a.turns.next(ask.Service)
	return explanation(s.Policy, ask, signals), nil
}

// ExplainRecord explains a decision record again, as it was but for the signals
// to assume, by the policy in force. Errors are those of agent/openai/fault and name
// the field that is not right.
func (a *Agent) ExplainRecord(text []byte, values map[string]any) (*Explanation, error) {
	r, err := past.Read(text)
	if err != nil {
		return nil, misread(err)
	}
	p := a.Policy()
	if err := assume(values, p.Doc, &r.Signals); err != nil {
		return nil, err
	}
	e := explanation(p, r.Ask, r.Signals)
	e.Recorded = &Recorded{r.ID, r.Time, r.Policy, samePlan(&r.Plan, &e.Plan)}
	return e, nil
}

// misread says what is wrong with a record that a caller sent.
func misread(err error) error {
	var p policy.Problem
	if errors.As(err, &p) && p.Path != "" {
		return fault.Invalid(p.Path, "%s of the decision record %s.", p.Path, p.Message)
	}
	return fault.Invalid("", "The body %s.", strings.TrimPrefix(err.Error(), ": "))
}

func samePlan(x, y *policy.Plan) bool {
	a, err := json.Marshal(x)
	b, alsoErr := json.Marshal(y)
	return err == nil && alsoErr == nil && bytes.Equal(a, b)
}

// assume puts signals in the place of those there are, and has the rules see
// them. A signal may be told by its short name.
func assume(values map[string]any, doc *policy.Document, s *policy.Signals) error {
	told := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		full, err := whatif.SignalName(name)
		if err == nil && told[full] != "" {
			return fault.Invalid(name, "%s and %s are one signal.", told[full], name)
		}
		if err == nil {
			err = s.Set(full, values[name])
		}
		if err != nil {
			return fault.Invalid(name, "%s.", err)
		}
		told[full] = name
	}
	if len(values) > 0 {
		s.Held = policy.Settled(doc, s)
	}
	return nil
}
