package tell_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"nearside/agent"
	"nearside/cmd/nearside/tell"
	"nearside/policy"
	"nearside/policy/decide"
	"nearside/policy/whatif"
)

func ptr[T any](v T) *T { return &v }

// explained is the explanation of an ask to one local and one cloud target, by
// a policy with that rule.
func explained(r policy.Rule) *agent.Explanation {
	doc := &policy.Document{
		Services: map[string]policy.Service{"chat": {Ladder: policy.Rungs(), Fresh: "never", Commit: policy.Commit{Local: "after_check", Cloud: "first_token"}}},
		Weights:  policy.Weights{Quality: 1, Near: 0.25, Latency: 0.5}, Quality: policy.Quality{Local: map[string]float64{"default": 0.5}, Cloud: map[string]float64{"default": 1}},
		Check: policy.Check{Confidence: map[string]float64{"default": 0.25}}, Limits: policy.Limits{DeadlineMS: 60000, AttemptMS: 1000, SilenceMS: 1000},
		Rules: []policy.Rule{r},
	}
	c := whatif.Case{
		Doc: doc,
		Ask: policy.Ask{Service: "chat", Mode: policy.Auto, Task: "chat", Privacy: policy.Normal, DeadlineMS: 1000},
		Signals: policy.Signals{
			Time: time.Date(2026, 3, 4, 21, 30, 0, 0, time.UTC), Network: "online",
			Targets: []policy.Target{
				{Name: "local/small", Services: []string{"chat"}, Usable: true, P50MS: ptr(100.0), ErrorRate: ptr(0.0)},
				{Name: "cloud/first", Services: []string{"chat"}, Usable: true, P50MS: ptr(200.0)},
			},
		},
	}
	c.Signals.Device.BatteryPct = ptr(8.0)
	plan := decide.Plan(doc, &c.Ask, &c.Signals)
	return &agent.Explanation{Policy: "0@abc", Ask: c.Ask, Signals: c.Signals, Plan: plan, Explanation: whatif.Explain(c, &plan)}
}

func told(t *testing.T, e *agent.Explanation, want ...string) {
	t.Helper()
	var b strings.Builder
	if err := tell.Plan(&b, e); err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(b.String(), w) {
			t.Errorf("got\n%s\nwant %q", &b, w)
		}
	}
}

// TestPlan: terms in columns with their sum, and each thing a rule can do.
func TestPlan(t *testing.T) {
	low := policy.Condition{Field: "battery_pct", LT: ptr(20.0)}
	told(t, explained(policy.Rule{Name: "low", When: low, Then: policy.Effect{Deny: []string{"cloud"}}}),
		"utility      quality     near  latency    = sum\nlocal/small    0.500    0.250   -0.050    0.700\n",
		"not cloud/first: denied by rule low\n", "rule low is in force: denies cloud (cloud/first), and gives the reason\n  battery_pct 8 < 20: holds\n  without it cloud/first would go first\n",
		"another route:\n  cloud/first would go first if battery_pct were 20 or more\n", "shaped by: rule_low\n")
	told(t, explained(policy.Rule{Name: "low", When: low, Then: policy.Effect{
		Privacy: policy.Private, Limit: &policy.Limit{BudgetMS: 500, MaxCost: ptr(0.01), TokensOut: 200, Attempts: 1},
		Require: &policy.Require{Confidence: 0.5, Schema: true, Verified: true}, Commit: &policy.Commit{Local: policy.CommitCheck},
	}}), "rule low is in force: makes the ask private; limits it to 500 ms, 0.01 USD, 200 tokens out, 1 attempts; "+
		"requires confidence 0.50, the schema, a verified answer; commits local after_check, and gives the reason\n")
	told(t, explained(policy.Rule{Name: "evening", When: policy.Condition{Time: &policy.Window{From: "20:00", To: "22:00", Days: []string{"wed"}}}, Then: policy.Effect{Force: []string{"local"}}}),
		`  time "Wed 21:30" from 20:00 to 22:00 on wed: holds`, "  cloud/first would go first if it were 22:00\n")
	e := explained(policy.Rule{Name: "never", When: policy.Condition{Field: "task", In: []string{"code"}}, Then: policy.Effect{Deny: []string{"local"}}})
	e.Recorded = &agent.Recorded{ID: "d1", Time: e.Signals.Time, Policy: "7@def"}
	told(t, e, "decision d1 of 2026-03-04 21:30:00, by policy 7@def: the plan would be another now\n",
		"assumed for cloud/first, since not known: error_rate\n", "not local/small: utility 0.700 is ")
}

// TestBrokenPipe: what cannot be written is an error.
func TestBrokenPipe(t *testing.T) {
	e := explained(policy.Rule{Name: "low", Then: policy.Effect{Deny: []string{"cloud"}}})
	if tell.Plan(broken{}, e) == nil || tell.Fields(broken{}, whatif.Fields(&e.Ask, &e.Signals)) == nil {
		t.Error("nobody noticed")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("closed") }
