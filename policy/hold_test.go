package policy_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"nearside/policy"
)

// A rule that is held changes at most once on the way from its when to its
// until, whatever the signal does between them; and holding again changes nothing.
func TestHoldDoesNotFlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		off := rapid.Float64Range(0, 50).Draw(t, "until below")
		on := rapid.Float64Range(off, 100).Draw(t, "when from")
		d := &policy.Document{Rules: []policy.Rule{{
			Name: "r", When: policy.Condition{Field: "cpu_pct", GE: &on}, Until: &policy.Condition{Field: "cpu_pct", LT: &off},
		}}}
		s := policy.Signals{}
		for _, cpu := range rapid.SliceOf(rapid.Float64Range(0, 100)).Draw(t, "cpu") {
			was := len(s.Held) > 0
			s.Device.CPUPct = &cpu
			s.Held, _ = policy.Hold(d, &s)
			want := cpu >= on || was && cpu >= off
			if got := len(s.Held) > 0; got != want {
				t.Fatalf("at %v, held before %v: got %v, want %v", cpu, was, got, want)
			}
			if again, _ := policy.Hold(d, &s); !slices.Equal(again, s.Held) {
				t.Fatalf("at %v: got %v, then %v", cpu, s.Held, again)
			}
		}
	})
}
