package simulate_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"nearside/agent/config/policies"
	"nearside/agent/config/scenarios"
	"nearside/agent/config/written"
	"nearside/policy"
	"nearside/policy/simulate"
)

// scenario is a day that is built in, and may be changed.
func scenario(t testing.TB, name string) *simulate.Scenario {
	t.Helper()
	s, _, err := written.Scenario(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func builtIn() *policy.Document {
	doc, _, _ := written.DefaultPolicy()
	return doc
}

func TestSameDay(t *testing.T) {
	text := func(seed uint64) string {
		d := simulate.Run(simulate.Options{Policy: builtIn(), Scenario: scenario(t, "phone"), Seed: seed})
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return string(b) + d.SVG()
	}
	once := text(3)
	if again := text(3); again != once {
		t.Error("the same seed gave another day")
	}
	if text(4) == once {
		t.Error("another seed gave the same day")
	}
}

// TestSteadyRoutes: on the day of every profile, by any seed, no crossing changes
// the route of a kind of ask more than twice.
func TestSteadyRoutes(t *testing.T) {
	if names, days := policies.Names(), scenarios.Names(); len(days) != len(names) {
		t.Fatalf("days are %v, profiles %v", days, names)
	}
	for _, name := range policies.Names() {
		doc, _, _, err := written.Profile(name)
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(3) {
			d := simulate.Run(simulate.Options{Policy: doc, Scenario: scenario(t, name), Seed: seed})
			if d.Changes > 2 || len(d.Crossings) < 5 {
				t.Errorf("%s, seed %d: %d changes after one of %d crossings: %+v", name, seed, d.Changes, len(d.Crossings), d.Crossings)
			}
			checkSums(t, name, d)
		}
	}
}

// checkSums: phases and quarters add up to the day.
func checkSums(t *testing.T, name string, d *simulate.Day) {
	t.Helper()
	phases, quarters, routes, reasons := 0, 0, 0, 0
	for _, p := range d.Phases {
		phases += p.Asks
	}
	for _, q := range d.Quarters {
		for _, n := range q.Routes {
			quarters += n
		}
	}
	for _, n := range d.Total.Routes {
		routes += n
	}
	for _, n := range d.Total.Reasons {
		reasons += n
	}
	if n := d.Total.Asks; n < 100 || phases != n || quarters != n || routes != n || reasons != n || len(d.Quarters) != 96 {
		t.Errorf("%s: %d asks, %d in phases, %d in %d quarters, %d routes, %d reasons", name, n, phases, quarters, len(d.Quarters), routes, reasons)
	}
}

// TestFlapIsSeen: a rule without a band, under noise, is found out.
func TestFlapIsSeen(t *testing.T) {
	doc := builtIn()
	limit := 30.0
	doc.Rules = []policy.Rule{{Name: "bare", When: policy.Condition{Field: "battery_pct", LT: &limit}, Then: policy.Effect{Deny: []string{"local"}}}}
	d := simulate.Run(simulate.Options{Policy: doc, Scenario: scenario(t, "phone"), Seed: 1})
	if d.Changes <= 2 {
		t.Errorf("at most %d changes with a rule that has no band", d.Changes)
	}
}

func TestWhatTheDayDoes(t *testing.T) {
	s := scenario(t, "car")
	d := simulate.Run(simulate.Options{Policy: builtIn(), Scenario: s, Seed: 1})
	if night := d.Phases[0]; night.Asks != 0 {
		t.Errorf("asks at night: %+v", night)
	}
	s.Network = simulate.States{"00:00": "offline"}
	d = simulate.Run(simulate.Options{Policy: builtIn(), Scenario: s, Seed: 1})
	if d.Total.Routes["cloud"] > 0 || d.Total.Reasons["offline"] == 0 || d.Total.CostUSD != 0 {
		t.Errorf("a day offline: %+v", d.Total)
	}
	for i := range s.Asks {
		s.Asks[i].Privacy = policy.Private
	}
	s.Network = nil
	d = simulate.Run(simulate.Options{Policy: builtIn(), Scenario: s, Seed: 1})
	if d.Total.Routes["cloud"]+d.Total.Routes["cache"]+d.Total.Routes["stale"] > 0 {
		t.Errorf("private asks left or were kept: %+v", d.Total)
	}
}

// TestHangIsWaitedForOnce: an outage that hangs costs one ask its time.
func TestHangIsWaitedForOnce(t *testing.T) {
	s := scenario(t, "default")
	s.Outages = []simulate.Outage{{Target: "cloud/first", From: "08:00", To: "17:00", Hangs: true}}
	s.Signals = nil
	calm := scenario(t, "default")
	calm.Outages, calm.Signals = nil, nil
	slow := simulate.Run(simulate.Options{Policy: builtIn(), Scenario: s, Seed: 1}).Total
	quick := simulate.Run(simulate.Options{Policy: builtIn(), Scenario: calm, Seed: 1}).Total
	extra := slow.MS*float64(slow.Asks) - quick.MS*float64(quick.Asks)
	if slow.Routes["none"] > 0 || slow.Reasons["failover"] < 1 || extra > 300_000 {
		t.Errorf("%.0f s lost to a hang: %+v", extra/1000, slow)
	}
}

func TestSVG(t *testing.T) {
	s := scenario(t, "phone")
	s.Phases[1].Name = `<b>&"`
	text := simulate.Run(simulate.Options{Policy: builtIn(), Scenario: s, Seed: 1}).SVG()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{`role="img"`, `<title id="title">A simulated day: phone</title>`, `<desc id="desc">`, "battery, %", ">portal<"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the drawing", want)
		}
	}
	for _, never := range []string{"<script", "href", "<b>", "NaN"} {
		if strings.Contains(text, never) {
			t.Errorf("%s in the drawing", never)
		}
	}
}

func BenchmarkDay(b *testing.B) {
	s, doc := scenario(b, "robot"), builtIn()
	for b.Loop() {
		simulate.Run(simulate.Options{Policy: doc, Scenario: s, Seed: 1})
	}
}
