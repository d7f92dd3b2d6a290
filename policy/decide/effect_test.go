package decide_test

import (
	"slices"
	"strings"
	"testing"

	"nearside/policy"
)

// effect has a rule that always holds do something.
func does(then policy.Effect) func(*scene) {
	return func(s *scene) { s.rule("r", then) }
}

func limit(l policy.Limit) func(*scene) { return does(policy.Effect{Limit: &l}) }

func require(q policy.Require) func(*scene) { return does(policy.Effect{Require: &q}) }

// both is one change after the other.
func both(edits ...func(*scene)) func(*scene) {
	return func(s *scene) {
		for _, edit := range edits {
			edit(s)
		}
	}
}

func repeatable(s *scene) { s.Repeatable = true }

func TestEffects(t *testing.T) {
	const near = "local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"
	perform(t, []play{
		{"made private", both(repeatable, does(policy.Effect{Privacy: policy.Private})), "rule_r: local/small=local_first refuse=private"},
		{"private before", both(func(s *scene) { s.Privacy = policy.Private }, does(policy.Effect{Privacy: policy.Private})), "private: local/small=local_first refuse=private"},
		{"a cap of the rule's", limit(policy.Limit{MaxCost: ptr(0.01)}), "rule_r: local/small=local_first cloud/first=local_unsure stale refuse=budget"},
		{"nothing may be spent", limit(policy.Limit{MaxCost: ptr(0.0)}), "rule_r: local/small=local_first stale refuse=budget"},
		{"the caller's cap is lower", both(func(s *scene) { s.MaxCost = ptr(0.0) }, limit(policy.Limit{MaxCost: ptr(0.01)})), "local/small=local_first stale refuse=budget"},
		{"two attempts", limit(policy.Limit{Attempts: 2}), "rule_r: local/small=local_first cloud/first=local_unsure stale refuse=no_route"},
		{"one attempt", limit(policy.Limit{Attempts: 1}), "rule_r: local/small=local_first stale refuse=no_route"},
		{"more attempts than targets", limit(policy.Limit{Attempts: 9}), near},
		{"the lower of two", both(limit(policy.Limit{Attempts: 9}), func(s *scene) { s.rule("q", policy.Effect{Limit: &policy.Limit{Attempts: 1}}) }), "rule_q: local/small=local_first stale refuse=no_route"},
		{"shorter answers are cheaper", both(func(s *scene) { s.MaxCost = ptr(0.0002) }, limit(policy.Limit{TokensOut: 100})), "local/small=local_first cloud/first=local_unsure stale refuse=budget"},
		{"verified: nothing kept", both(repeatable, require(policy.Require{Verified: true})), "local/small=local_first cloud/first+cloud/second=local_unsure refuse=no_route"},
		{"sure or far", both(repeatable, require(policy.Require{Confidence: 0.9})), "cache " + near},
		{"critical", both(repeatable, func(s *scene) {
			c := s.doc.Services["chat"]
			c.Critical = true
			s.doc.Services["chat"] = c
		}), "local/small=local_first cloud/first+cloud/second=local_unsure refuse=no_route"},
		{"too long for all", func(s *scene) { s.Mode = policy.Local; s.Size.TokensEst = 5000 }, "forced_mode: stale refuse=too_long"},
		{"too long for the device", func(s *scene) { s.Size.TokensEst = 5000 }, "cloud/first+cloud/second=local_unavailable stale refuse=no_route"},
		{"too long and private", func(s *scene) { s.Privacy = policy.Private; s.Size.TokensEst = 5000 }, "private: refuse=too_long"},
		{"too long, offline: later perhaps", func(s *scene) { s.Network = "offline"; s.Size.TokensEst = 5000 }, "offline: stale refuse=offline"},
		{"too long for one, another is down", func(s *scene) {
			s.Size.TokensEst = 5000
			s.Targets[1].Usable, s.Targets[2].Usable = false, false
		}, "stale refuse=no_route"},
		{"fits by four bytes a token", func(s *scene) { s.Size.TokensEst = 3000 }, near},
		{"not by two", func(s *scene) { s.Size.TokensEst = 3000; s.Targets[0].BytesPerToken = ptr(2.0) }, "cloud/first+cloud/second=local_unavailable stale refuse=no_route"},
		{"not by four, by eight", func(s *scene) { s.Size.TokensEst = 5000; s.Targets[0].BytesPerToken = ptr(8.0) }, near},
	})
}

// TestBounds: what rules bound is in the plan, for those who walk it.
func TestBounds(t *testing.T) {
	s := street(t)
	limit(policy.Limit{BudgetMS: 5000, TokensOut: 100})(s)
	limit(policy.Limit{BudgetMS: 90_000, TokensOut: 200, MaxCost: ptr(0.5)})(s)
	require(policy.Require{Confidence: 0.8, Schema: true})(s)
	does(policy.Effect{Commit: &policy.Commit{Local: "after_3_tokens"}})(s)
	does(policy.Effect{Commit: &policy.Commit{Local: "after_check", Cloud: "after_check"}})(s)
	p := s.decide()
	if p.Bounds.BudgetMS != 5000 || p.Bounds.TokensOut != 100 || *p.Bounds.MaxCost != 0.5 || p.Require != (policy.Require{Confidence: 0.8, Schema: true}) || p.Private {
		t.Errorf("got %+v", p)
	}
	var sum int64
	for _, step := range p.Steps {
		sum += step.BudgetMS
	}
	if near := p.Steps[0]; sum != 5000 || near.Threshold != 0.8 || near.CommitTokens != 3 || p.Steps[1].CommitTokens != -1 {
		t.Errorf("%d ms, %+v", sum, p.Steps)
	}
	s.Needs.Schema = true
	if p := s.decide(); p.Steps[0].CommitTokens != -1 || p.Steps[1].CommitTokens != -1 {
		t.Errorf("its form is required, and it leaves before the check: %+v", p.Steps)
	}
	s.Needs.Schema = false
	require(policy.Require{Verified: true})(s)
	if p := s.decide(); p.Steps[0].CommitTokens != -1 || p.Steps[1].CommitTokens != -1 {
		t.Errorf("verified, and leaves before the check: %+v", p.Steps)
	}
}

func TestAgesAreBounded(t *testing.T) {
	s := street(t)
	s.doc.Services["chat"] = policy.Service{Ladder: policy.Rungs(), Fresh: "always", FreshMaxS: 60, StaleMaxS: 3600, DeadlineMS: 5000}
	p := s.decide()
	if p.Steps[0].MaxAgeS != 60 || p.Steps[len(p.Steps)-2].MaxAgeS != 3600 {
		t.Errorf("got %+v", p.Steps)
	}
	if ms := s.doc.Deadline("chat"); ms != 5000 || s.doc.Deadline("items") != 60_000 {
		t.Errorf("deadline %d ms", ms)
	}
}

// TestStrain: the device's state costs local targets, what is not known of it half.
func TestStrain(t *testing.T) {
	known := func(s *scene) {
		s.Device = policy.Device{CPUPct: ptr(0.0), MemAvailableMB: ptr(4096.0), TemperatureC: ptr(20.0), BatteryPct: ptr(90.0), Charging: ptr(false)}
	}
	set := func(edit func(*policy.Device)) func(*scene) {
		return func(s *scene) { known(s); edit(&s.Device) }
	}
	none := []string{"p50_ms", "error_rate"}
	for _, tt := range []struct {
		name    string
		edit    func(*scene)
		want    policy.Terms
		assumed []string
	}{
		{"at ease", known, policy.Terms{}, none},
		{"busy", set(func(d *policy.Device) { d.CPUPct = ptr(75.0) }), policy.Terms{CPU: -0.5}, none},
		{"full", set(func(d *policy.Device) { d.CPUPct = ptr(100.0) }), policy.Terms{CPU: -1}, none},
		{"short of memory", set(func(d *policy.Device) { d.MemAvailableMB = ptr(32.0) }), policy.Terms{Memory: -1}, none},
		{"hot", set(func(d *policy.Device) { d.TemperatureC = ptr(95.0) }), policy.Terms{Heat: -1}, none},
		{"low", set(func(d *policy.Device) { d.BatteryPct = ptr(5.0) }), policy.Terms{Battery: -1}, none},
		{"low, charging", set(func(d *policy.Device) { d.BatteryPct, d.Charging = ptr(5.0), ptr(true) }), policy.Terms{}, none},
		{"low, charging perhaps", set(func(d *policy.Device) { d.BatteryPct, d.Charging = ptr(5.0), nil }), policy.Terms{Battery: -0.5}, append(none, "charging")},
		{"nothing known", func(*scene) {}, policy.Terms{CPU: -0.5, Memory: -0.5, Heat: -0.5, Battery: -0.25},
			[]string{"p50_ms", "error_rate", "cpu_pct", "mem_available_mb", "temperature_c", "charging", "battery_pct"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := street(t)
			s.doc.Weights = policy.Weights{Quality: 1, Near: 5, Latency: 1, CPU: 1, Memory: 1, Heat: 1, Battery: 1}
			tt.edit(s)
			step := s.decide().Steps[0]
			got := policy.Terms{CPU: step.Terms.CPU, Memory: step.Terms.Memory, Heat: step.Terms.Heat, Battery: step.Terms.Battery}
			if got != tt.want || !slices.Equal(step.Assumed, tt.assumed) || !strings.HasSuffix(step.Why, strings.Join(tt.assumed, ", ")) {
				t.Errorf("got %+v, assumed %v, %s", got, step.Assumed, step.Why)
			}
		})
	}
}
