package decide_test

import (
	"testing"

	"nearside/policy"
	"nearside/policy/decide"
)

// TestLightTargets: what spares the device spares it its engine, not a target
// that costs next to nothing.
func TestLightTargets(t *testing.T) {
	hot, warm := 96.0, 86.0
	gate := policy.Effect{Deny: []string{"local/gate-car"}}
	for _, c := range []struct {
		name  string
		heat  *float64
		then  *policy.Effect // of one more rule, which always holds
		first string
		gone  bool // the gate may not be asked
	}{
		{"cool", nil, nil, "local/gate-car", false},
		{"warm, the cloud first", &warm, nil, "local/gate-car", false},
		{"hot, no local ones", &hot, nil, "local/gate-car", false},
		{"denied by its name", nil, &gate, "cloud/first", true},
		{"all local ones by their side", nil, &policy.Effect{Deny: []string{"local"}}, "local/gate-car", false},
		{"only the cloud", nil, &policy.Effect{Force: []string{"cloud"}}, "cloud/first", true},
		{"only local ones", nil, &policy.Effect{Force: []string{"local"}}, "local/gate-car", false},
	} {
		s := street(t)
		s.Service, s.Task, s.Device.TemperatureC = "intent", "intent", c.heat
		for i := 1; i < len(s.Targets); i++ { // the cloud's
			s.Targets[i].Services = []string{"intent"}
		}
		s.Targets = append(s.Targets, policy.Target{Name: "local/gate-car", Services: []string{"intent"}, Near: true, Usable: true, Light: true})
		s.Expected = []policy.Estimate{{Target: "local/gate-car", Good: 0.99, From: "gate"}}
		if c.then != nil {
			s.doc.Rules = append(s.doc.Rules, policy.Rule{Name: "more", When: policy.Condition{Field: "service", In: []string{"intent"}}, Then: *c.then})
		}
		s.Held, _ = policy.Hold(s.doc, &s.Signals)
		plan := decide.Plan(s.doc, &s.Ask, &s.Signals)
		if got := plan.Steps[0].Target; got != c.first {
			t.Errorf("%s: first comes %s, want %s", c.name, got, c.first)
		}
		gone := false
		for _, n := range plan.NotChosen {
			gone = gone || n.Target == "local/gate-car"
		}
		if gone != c.gone {
			t.Errorf("%s: the gate is left out: %v (%+v)", c.name, gone, plan.NotChosen)
		}
	}
}
