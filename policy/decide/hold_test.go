package decide_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nearside/policy"
)

// live sets one signal and has the rules held as a daemon does.
func (s *scene) live(t testing.TB, name string, v any) policy.Plan {
	t.Helper()
	if err := s.Set(name, v); err != nil {
		t.Fatal(err)
	}
	s.Held, s.HeldSince = policy.Hold(s.doc, &s.Signals)
	return s.decide()
}

// TestBuiltInRules plays a device that gets into need and out of it.
func TestBuiltInRules(t *testing.T) {
	const near = "local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"
	const far = "cloud/first+cloud/second=cloud_first local/small=cloud_unavailable stale refuse=no_route"
	const only = "cloud/first+cloud/second=local_unavailable stale refuse=no_route"
	s := street(t)
	f := func(name string, v any, want string) {
		t.Helper()
		if got := line(s.live(t, name, v)); got != want {
			t.Errorf("%s is %v:\ngot  %s\nwant %s", name, v, got, want)
		}
	}
	f("temperature_c", 84.9, near)
	f("temperature_c", 85.0, "rule_hot: "+far)
	f("temperature_c", 75.0, "rule_hot: "+far)
	f("temperature_c", 95.0, "rule_hot_critical: "+only)
	f("temperature_c", 88.0, "rule_hot_critical: "+only)
	f("temperature_c", 87.0, "rule_hot: "+far)
	f("temperature_c", 74.0, near)
	f("temperature_c", 84.0, near)

	f("battery_pct", 19.0, "rule_low_battery: "+far)
	f("battery_pct", 29.0, "rule_low_battery: "+far)
	f("charging", true, near)
	f("battery_pct", 4.0, near)
	f("charging", false, "rule_battery_critical: "+only)
	f("battery_pct", 8.0, "rule_low_battery: "+far)
	f("battery_pct", 30.0, near)

	f("mem_available_mb", 255.0, "rule_memory_short: "+far)
	f("mem_available_mb", 63.0, "rule_memory_critical: "+only)
	f("mem_available_mb", 127.0, "rule_memory_critical: "+only)
	f("mem_available_mb", 128.0, "rule_memory_short: "+far)
	f("mem_available_mb", 384.0, near)
}

func TestNeedWithoutCloud(t *testing.T) {
	perform(t, []play{
		{"hot and offline: the device answers", func(s *scene) { s.live(t, "network", "offline"); s.live(t, "temperature_c", 90.0) },
			"offline: local/small=local_first stale refuse=offline"},
		{"critical and offline: nobody does", func(s *scene) { s.live(t, "network", "offline"); s.live(t, "temperature_c", 96.0) },
			"rule_hot_critical: stale refuse=offline"},
		{"low and private: the device answers", func(s *scene) { s.Privacy = policy.Private; s.live(t, "battery_pct", 10.0) },
			"private: local/small=local_first refuse=private"},
		{"critical and private: nobody does", func(s *scene) { s.Privacy = policy.Private; s.live(t, "battery_pct", 1.0) },
			"rule_battery_critical: refuse=private"},
	})
}

// What is no longer known does not keep a rule in force.
func TestHoldForgets(t *testing.T) {
	s := street(t)
	s.live(t, "battery_pct", 10.0)
	s.live(t, "charging", false)
	s.Device.BatteryPct = nil
	if got, _ := policy.Hold(s.doc, &s.Signals); !slices.Equal(got, []string{"low_battery"}) {
		t.Errorf("not charging, as before: got %v", got)
	}
	s.Device.Charging = nil
	if got, _ := policy.Hold(s.doc, &s.Signals); got != nil {
		t.Errorf("nothing is known: got %v", got)
	}
	s.Held = []string{"hot", "gone"}
	s.live(t, "temperature_c", 80.0)
	s.doc.Rules = s.doc.Rules[:1]
	if held, _ := policy.Hold(s.doc, &s.Signals); held != nil {
		t.Error("a rule of another document is held")
	}
}

// TestDwell: a rule with a dwell changes no sooner than that after its last change.
func TestDwell(t *testing.T) {
	s := street(t)
	s.doc.Rules = []policy.Rule{{
		Name: "busy", When: policy.Condition{Field: "cpu_pct", GE: ptr(80.0)}, Until: &policy.Condition{Field: "cpu_pct", LT: ptr(80.0)},
		DwellMS: 30_000, Then: policy.Effect{Prefer: []string{"cloud"}},
	}}
	begin := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	f := func(at int, cpu float64, want bool) {
		t.Helper()
		s.Time = begin.Add(time.Duration(at) * time.Second)
		if s.live(t, "cpu_pct", cpu); len(s.Held) > 0 != want {
			t.Errorf("at %d s, %v %%: held %v since %v", at, cpu, s.Held, s.HeldSince)
		}
	}
	f(0, 90, true)
	f(29, 10, true)
	f(30, 10, false)
	f(31, 90, false)
	f(59, 90, false)
	f(60, 90, true)
	f(-3600, 10, false) // the clock was set back: it tells nothing
	s.Time = s.Time.Add(40 * time.Second)
	s.Device.CPUPct = nil
	if held, since := policy.Hold(s.doc, &s.Signals); held != nil || len(since) != 1 {
		t.Errorf("nothing known: %v, %v", held, since)
	}
}

// A signal that crosses a band, with noise smaller than the band, changes the
// route at most once on its way; there and back twice. So does one without a
// band whose rule has a dwell longer than the crossing takes.
func TestAtMostTwoChangesPerCrossing(t *testing.T) {
	plain := street(t)
	rapid.Check(t, func(t *rapid.T) {
		band := rapid.Float64Range(0, 20).Draw(t, "band")
		rule := policy.Rule{
			Name: "hot", When: policy.Condition{Field: "temperature_c", GE: ptr(70.0)}, Until: &policy.Condition{Field: "temperature_c", LT: ptr(70.0 - band)},
			Then: policy.Effect{Prefer: []string{"cloud"}},
		}
		noise := rapid.Float64Range(-band/2, band/2)
		if rapid.Bool().Draw(t, "dwells") {
			rule.DwellMS, noise = 600_000, rapid.Float64Range(-30, 30)
		}
		doc := *plain.doc
		doc.Rules = []policy.Rule{rule}
		s := &scene{plain.Ask, plain.Signals, &doc}
		now, changes, route := time.Unix(0, 0), 0, s.decide().Steps[0].Kind
		walk := func(from, step float64) {
			for i := range 100 {
				now = now.Add(2 * time.Second)
				c := from + step*float64(i) + noise.Draw(t, "noise")
				s.Time, s.Device.TemperatureC = now, &c
				s.Held, s.HeldSince = policy.Hold(s.doc, &s.Signals)
				if next := s.decide().Steps[0].Kind; next != route {
					route = next
					changes++
				}
			}
		}
		walk(20, 1)
		if changes > 1 {
			t.Fatalf("%d changes on the way up", changes)
		}
		now = now.Add(time.Hour)
		walk(120, -1)
		if changes > 2 {
			t.Fatalf("%d changes there and back", changes)
		}
	})
}
