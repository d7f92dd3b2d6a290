package decide_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"nearside/policy"
	"nearside/policy/valid"
)

// FuzzDecide: any document that was found valid gives a plan with an end.
func FuzzDecide(f *testing.F) {
	d := builtin(f)
	for _, rules := range [][]policy.Rule{d.Rules, nil, {{
		Name: "a", When: policy.Condition{Not: &policy.Condition{Field: "task", In: []string{"math"}}}, Then: policy.Effect{Prefer: []string{"cloud"}},
	}}} {
		d.Rules = rules
		text, err := json.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"services":{"chat":{"ladder":["refuse"]}},"rules":[{"when":{"all":[{"all":[]}]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d policy.Document
		if json.Unmarshal(text, &d) != nil || len(valid.Check(&d)) > 0 {
			return
		}
		s := street(t)
		s.doc = &d
		for name := range d.Services {
			s.Service = name
			p := s.live(t, "battery_pct", 4.0)
			if last := p.Steps[len(p.Steps)-1]; last.Kind != policy.StepRefuse || strings.Contains(fmt.Sprint(p), "NaN") {
				t.Fatalf("got %+v", p)
			}
		}
	})
}

// FuzzDecideAgain: whatever a record from outside says of the ask and the
// signals, there is a plan with an end, its budgets are within the deadline, and
// it can be written down.
func FuzzDecideAgain(f *testing.F) {
	s := street(f)
	s.doc.Weights = policy.Weights{Quality: 1, Near: 0.4, Latency: 0.3, Errors: 0.5, Load: 0.1, Metered: 0.3, CPU: 0.1, Memory: 0.1, Heat: 0.1, Battery: 0.1, Tie: 0.1}
	s.doc.Check.Skip = 0.1
	s.Expected = []policy.Estimate{{Target: "local/small", Good: 0.3, Gain: ptr(0.2), Threshold: ptr(0.4), From: "measured"}}
	s.Targets[1].P50MS, s.Targets[1].BytesPerToken, s.Targets[2].ErrorRate = ptr(500.0), ptr(3.1), ptr(0.2)
	s.HeldSince = map[string]time.Time{"hot": time.Unix(1, 0)}
	for _, more := range []func(){func() {}, func() { s.Network = "metered" }, func() { s.Privacy, s.Held = policy.Private, []string{"hot"} }, func() { s.MaxCost = ptr(0.1) }} {
		more()
		ask, err := json.Marshal(s.Ask)
		if err != nil {
			f.Fatal(err)
		}
		signals, err := json.Marshal(s.Signals)
		if err != nil {
			f.Fatal(err)
		}
		for _, balance := range policy.Balances() {
			f.Add(ask, signals, balance)
		}
	}
	f.Fuzz(func(t *testing.T, ask, signals []byte, balance string) {
		again := &scene{doc: s.doc}
		if json.Unmarshal(ask, &again.Ask) != nil || json.Unmarshal(signals, &again.Signals) != nil {
			return
		}
		chat := s.doc.Services["chat"]
		chat.Balance = balance
		again.doc.Services["chat"] = chat
		p := again.decide()
		if last := p.Steps[len(p.Steps)-1]; last.Kind != policy.StepRefuse {
			t.Fatalf("got %+v", p)
		}
		if _, err := json.Marshal(p); err != nil {
			t.Fatal(err)
		}
		var sum int64
		for _, step := range p.Steps {
			sum += step.BudgetMS
		}
		if sum > max(0, again.DeadlineMS) {
			t.Fatalf("budgets of %d ms, deadline %d ms", sum, again.DeadlineMS)
		}
	})
}
