package weigh_test

import (
	"math"
	"slices"
	"testing"

	"nearside/policy"
	"nearside/policy/weigh"
)

// scene is a device and two cloud targets of which one is not known, a short ask.
func scene() (*policy.Document, *policy.Ask, *policy.Signals) {
	return &policy.Document{
			Weights: policy.Weights{Quality: 1, Near: 0.5, Latency: 1, Errors: 1, Cost: 1, Metered: 1, Tie: 0.2},
			Quality: policy.Quality{Local: map[string]float64{"default": 0.5}, Cloud: map[string]float64{"default": 0.8, "math": 0.9}},
		},
		&policy.Ask{Service: "chat", Task: "math", DeadlineMS: 10_000, Size: policy.Size{Bytes: 400, TokensEst: 100, TokensOut: 600}},
		&policy.Signals{Network: "metered", Targets: []policy.Target{
			{Name: "local/small", Near: true, P50MS: new(1000.0), ErrorRate: new(0.0)},
			{Name: "cloud/known", P50MS: new(500.0), ErrorRate: new(0.2), Price: &policy.Price{Input: 1, Output: 5}},
			{Name: "cloud/new"},
		}}
}

func TestWeigh(t *testing.T) {
	doc, ask, sig := scene()
	scale := weigh.For(doc, ask, sig)
	for i, tt := range []struct {
		preferred bool
		want      policy.Terms
		assumed   []string
	}{
		{false, policy.Terms{Quality: 0.5, Near: 0.5, Latency: -0.1}, nil},
		{false, policy.Terms{Quality: 0.72, Latency: -0.05, Errors: -0.2, Cost: -0.31, Metered: -0.04}, nil},
		{true, policy.Terms{Quality: 0.855, Latency: -0.05, Errors: -0.05, Cost: -0.2, Metered: -0.04, Rule: 100}, []string{"p50_ms", "error_rate", "price"}},
	} {
		var m policy.Member
		scale.Weigh(&sig.Targets[i], tt.preferred, &m)
		got, want := parts(m.Terms), parts(tt.want)
		sum := 0.0
		for j := range got {
			sum += got[j]
			if math.Abs(got[j]-want[j]) > 1e-9 {
				t.Errorf("%s: got %+v, want %+v", m.Target, m.Terms, tt.want)
				break
			}
		}
		if m.Target != sig.Targets[i].Name || math.Abs(m.Utility-sum) > 1e-9 || !slices.Equal(m.Assumed, tt.assumed) {
			t.Errorf("got %+v, want the sum %v, assumed %v", m, sum, tt.assumed)
		}
	}
}

func parts(t policy.Terms) []float64 {
	return []float64{t.Quality, t.Near, t.Latency, t.Errors, t.Load, t.Cost, t.Metered, t.CPU, t.Memory, t.Heat, t.Battery, t.Rule}
}

func TestForesee(t *testing.T) {
	doc, ask, sig := scene()
	ask.Expected = []policy.Estimate{{Target: "local/small", Good: 0.3}}
	for name, want := range map[string]weigh.Foresight{
		"local/small": {Quality: 0.3, MS: 1000},
		"cloud/known": {Quality: 0.9, Fails: 0.2, MS: 500, CostUSD: 0.0031, MeteredKB: 4},
		"cloud/new":   {Quality: 0.9, Fails: 0.05, MS: 500, CostUSD: 0.002, MeteredKB: 4},
	} {
		if got, ok := weigh.Foresee(doc, ask, sig, name); !ok || got != want {
			t.Errorf("%s: got %+v, %t, want %+v", name, got, ok, want)
		}
	}
	if got, ok := weigh.Foresee(doc, ask, sig, "cloud/gone"); ok {
		t.Errorf("got %+v of what is not there", got)
	}
}

// TestRank: what a rule prefers is ahead of all, those within the tie keep the
// order they came in, the others follow by utility.
func TestRank(t *testing.T) {
	doc, ask, sig := scene()
	member := func(name string, utility, rule float64) policy.Member {
		return policy.Member{Target: name, Utility: utility, Terms: policy.Terms{Rule: rule}}
	}
	pool := []policy.Member{member("d", 0.1, 0), member("a", 0.9, 0), member("c", 0.5, 0), member("b", 1, 0), member("first", 100.2, 100)}
	f := func(want string) {
		t.Helper()
		scale := weigh.For(doc, ask, sig)
		scale.Rank(pool, policy.BalanceOrder)
		got := ""
		for _, m := range pool {
			got += m.Target + " "
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("first b a c d ")
	pool = []policy.Member{pool[4], pool[2], pool[3], pool[1]}
	f("a b c d ")
	pool = nil
	f("")
}
