package policy_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"nearside/policy"
)

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

// TestTokens: an estimate of four bytes a token, in the tokens of a target.
func TestTokens(t *testing.T) {
	for _, tt := range []struct {
		learned *float64
		want    int
	}{{nil, 1000}, {new(float64), 1000}, {new(math.NaN()), 1000}, {new(2.0), 2000}, {new(8.0), 500}, {new(3.0), 1334}} {
		target := policy.Target{BytesPerToken: tt.learned}
		if got := target.Tokens(1000); got != tt.want {
			t.Errorf("%v bytes a token: got %d, want %d", tt.learned, got, tt.want)
		}
	}
}
