package helm

import (
	"sync"
	"testing"
	"time"

	"nearside/agent"
	"nearside/policy"
	"nearside/policy/trial"
)

// nobody is an observer that looks away.
type nobody struct{}

func (nobody) Attempted(string, string)    {}
func (nobody) Finished(*agent.Observation) {}

func counting() (*Helm, agent.Observer) {
	own := &agent.Policy{Doc: &policy.Document{Check: policy.Check{Confidence: map[string]float64{"default": 0.5, "lax": 0.1}}}}
	h := &Helm{o: Options{Own: func() *agent.Policy { return own }}}
	return h, h.Observe(nobody{})
}

// TestOutcomes: what of an ask counts for a policy on trial, and as what.
func TestOutcomes(t *testing.T) {
	sure := func(x float64) *float64 { return &x }
	for _, tt := range []struct {
		name string
		ask  agent.Observation
		want trial.Figures
	}{
		{"the device", agent.Observation{Status: 200, Route: "local", Target: "local/a", Confidence: sure(0.5), Attempts: 1}, trial.Figures{Asks: 1, Local: 1}},
		{"the device, unsure", agent.Observation{Status: 200, Route: "local", Target: "local/a", Confidence: sure(0.49), Attempts: 1}, trial.Figures{Asks: 1, Local: 1, Poor: 1}},
		{"a model of which less is asked", agent.Observation{Status: 200, Route: "local", Target: "local/lax", Confidence: sure(0.2), Attempts: 1}, trial.Figures{Asks: 1, Local: 1}},
		{"the cloud after an unsure device", agent.Observation{Status: 200, Route: "cloud", Target: "cloud/a", Confidence: sure(0.1), Attempts: 2, CostUSD: 0.5}, trial.Figures{Asks: 1, CostUSD: 0.5}},
		{"for want of a better", agent.Observation{Status: 200, Route: "local", Target: "local/a", Degraded: true, Attempts: 2}, trial.Figures{Asks: 1, Local: 1, Poor: 1}},
		{"what was last known", agent.Observation{Status: 200, Route: "stale", Degraded: true, Attempts: 2}, trial.Figures{Asks: 1, Poor: 1}},
		{"kept", agent.Observation{Status: 200, Route: "cache"}, trial.Figures{Asks: 1}},
		{"all failed", agent.Observation{Status: 502, Route: "none", Attempts: 2}, trial.Figures{Asks: 1, Errors: 1}},
		{"out of time", agent.Observation{Status: 504, Route: "none", Attempts: 1}, trial.Figures{Asks: 1, Errors: 1}},
		{"a broken stream", agent.Observation{Status: 200, Route: "cloud", Streamed: true, Broken: true, Attempts: 1}, trial.Figures{Asks: 1, Errors: 1}},
		{"no route", agent.Observation{Status: 503, Route: "none", Reason: "no_route"}, trial.Figures{Asks: 1, Refusals: 1}},
		{"private by a rule", agent.Observation{Status: 422, Route: "none", Reason: "rule_stay"}, trial.Figures{Asks: 1, Refusals: 1}},
		{"offline by a rule", agent.Observation{Status: 503, Route: "none", Reason: "rule_far"}, trial.Figures{Asks: 1, Refusals: 1}},
		{"no network", agent.Observation{Status: 503, Route: "none", Reason: "offline"}, trial.Figures{}},
		{"no network, and something stale", agent.Observation{Status: 200, Route: "stale", Reason: "offline", Degraded: true}, trial.Figures{}},
		{"no network, and no need of it", agent.Observation{Status: 200, Route: "local", Target: "local/a", Reason: "offline", Attempts: 1}, trial.Figures{Asks: 1, Local: 1}},
		{"the provider wants fewer calls", agent.Observation{Status: 429, Route: "none", Attempts: 1}, trial.Figures{Asks: 1, Errors: 1}},
		{"the caller asks too often", agent.Observation{Status: 429, Route: "none"}, trial.Figures{}},
		{"the caller asks for what is not there", agent.Observation{Status: 404, Route: "none", Reason: "no_route"}, trial.Figures{}},
		{"the caller left", agent.Observation{Route: "none", Reason: "caller_gone", Attempts: 1}, trial.Figures{Gone: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, o := counting()
			o.(agent.Starter).Began()
			tt.ask.Total = 40 * time.Millisecond
			o.Finished(&tt.ask)
			got := h.figures.now()
			if begun := got.Asks + got.Gone; got.Begun != begun {
				t.Errorf("%d have begun and %d ended", got.Begun, begun)
			}
			got.Begun, got.Times, got.Costs = 0, trial.Histogram{}, trial.Histogram{}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestFirstByte: a stream is as quick as its first byte, all else as its end.
func TestFirstByte(t *testing.T) {
	h, o := counting()
	o.Finished(&agent.Observation{Status: 200, Route: "cloud", Streamed: true, First: 10 * time.Millisecond, Total: time.Minute})
	if got := h.figures.now().MS(1); got < 8 || got > 12 {
		t.Errorf("a stream took %v ms, want about 10", got)
	}
	h, o = counting()
	o.Finished(&agent.Observation{Status: 200, Route: "cloud", First: 10 * time.Millisecond, Total: time.Second})
	if got := h.figures.now().MS(1); got < 700 || got > 1100 {
		t.Errorf("a plain answer took %v ms, want about 1000", got)
	}
}

// TestCountsAtOnce: asks end on many goroutines.
func TestCountsAtOnce(t *testing.T) {
	h, o := counting()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				o.(agent.Starter).Began()
				o.Finished(&agent.Observation{Status: 200, Route: "local", Target: "local/a", CostUSD: 0.25})
			}
		})
	}
	all.Wait()
	if got := h.figures.now(); got.Begun != 800 || got.Asks != 800 || got.CostUSD != 200 {
		t.Errorf("got %+v, want 800 asks for 200 USD", got)
	}
}

// TestKeptByARule: asks that a tighter policy from outside keeps from the cloud
// are not held against it.
func TestKeptByARule(t *testing.T) {
	h, o := counting()
	h.outside.Store(&document{doc: &policy.Document{Rules: []policy.Rule{{Name: "stay", Then: policy.Effect{Deny: []string{"cloud"}}}}}})
	poor := &agent.Observation{Status: 200, Route: "local", Target: "local/a", Degraded: true, Withheld: "stay"}
	for _, want := range []trial.Figures{{Asks: 1, Kept: 1, Local: 1}, {Asks: 2, Kept: 1, Local: 2, Poor: 1}} {
		h.InForce(h.o.Own(), want.Poor == 1) // switched off by hand it is not the policy that keeps them
		if poor.Withheld = "stay"; want.Poor == 1 {
			poor.Withheld = "cloud_off"
		}
		o.Finished(poor)
		got := h.figures.now()
		got.Begun, got.Times, got.Costs = 0, trial.Histogram{}, trial.Histogram{}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}
