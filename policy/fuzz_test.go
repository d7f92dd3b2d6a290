package policy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

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
