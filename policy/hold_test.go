package policy_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"nearside/policy"
)

// live sets one signal and has the rules held as a daemon does.
func (s *scene) live(t testing.TB, name string, v any) policy.Plan {
	t.Helper()
	if err := s.Set(name, v); err != nil {
		t.Fatal(err)
	}
	s.Held = policy.Hold(s.doc, &s.Signals)
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
	if got := policy.Hold(s.doc, &s.Signals); !slices.Equal(got, []string{"low_battery"}) {
		t.Errorf("not charging, as before: got %v", got)
	}
	s.Device.Charging = nil
	if got := policy.Hold(s.doc, &s.Signals); got != nil {
		t.Errorf("nothing is known: got %v", got)
	}
	s.Held = []string{"hot", "gone"}
	s.live(t, "temperature_c", 80.0)
	if s.doc.Rules = s.doc.Rules[:1]; policy.Hold(s.doc, &s.Signals) != nil {
		t.Error("a rule of another document is held")
	}
}

func TestSet(t *testing.T) {
	good := map[string]any{
		"cpu_pct": 0.0, "mem_available_mb": 1e6, "pressure_pct": 100.0, "temperature_c": -40.0, "battery_pct": 100.0,
		"charging": false, "disk_free_mb": 0.0, "metered": true, "network": "offline",
	}
	if len(good) != len(policy.SignalNames()) {
		t.Errorf("signals are %v", policy.SignalNames())
	}
	for name, v := range good {
		if err := new(policy.Signals).Set(name, v); err != nil {
			t.Error(err)
		}
	}
	for _, tt := range []struct {
		name string
		v    any
		says string
	}{
		{"temperature_c", 400.0, "temperature_c must be a number from -60 to 150"},
		{"cpu_pct", 120.0, "cpu_pct must be a number from 0 to 100"},
		{"battery_pct", -1.0, "from 0 to 100"},
		{"battery_pct", math.NaN(), "from 0 to 100"},
		{"disk_free_mb", math.Inf(1), "from 0 to"},
		{"mem_available_mb", "512", "must be a number"},
		{"battery_pct", true, "must be a number"},
		{"pressure_pct", nil, "must be a number"},
		{"charging", 1.0, "charging must be true or false"},
		{"metered", "yes", "metered must be true or false"},
		{"network", "up", "network must be one of unknown, online,"},
		{"network", true, "network must be one of"},
		{"battery", 8.0, `"battery" is not a signal; known are cpu_pct,`},
	} {
		s := policy.Signals{Network: "online"}
		before := s
		if err := s.Set(tt.name, tt.v); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s=%v: got %v, want %s", tt.name, tt.v, err, tt.says)
		}
		if !reflect.DeepEqual(s, before) {
			t.Errorf("%s=%v was taken", tt.name, tt.v)
		}
	}
}

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
			s.Held = policy.Hold(d, &s)
			want := cpu >= on || was && cpu >= off
			if got := len(s.Held) > 0; got != want {
				t.Fatalf("at %v, held before %v: got %v, want %v", cpu, was, got, want)
			}
			if again := policy.Hold(d, &s); !slices.Equal(again, s.Held) {
				t.Fatalf("at %v: got %v, then %v", cpu, s.Held, again)
			}
		}
	})
}
