package policy_test

import (
	"testing"

	"nearside/policy"
)

// TestValuesOfFields: every field has a kind, and a value of that kind once it
// is known.
func TestValuesOfFields(t *testing.T) {
	known := policy.Signals{Network: "online"}
	for _, name := range policy.SignalNames() {
		var v any = 7.0
		switch policy.FieldKind(name) {
		case policy.KindText:
			v = "online"
		case policy.KindFlag:
			v = true
		}
		if err := known.Set(name, v); err != nil {
			t.Errorf("set %s: %v", name, err)
		}
		if low, high, ok := policy.Range(name); ok != (policy.FieldKind(name) == policy.KindNumber) || low > high {
			t.Errorf("range of %s: %v to %v, %t", name, low, high, ok)
		}
	}
	for _, field := range policy.Fields() {
		switch v := policy.Value(field, &policy.Ask{}, &known).(type) {
		case string:
			if policy.FieldKind(field) != policy.KindText {
				t.Errorf("%s holds %q", field, v)
			}
		case float64, bool:
			if kind := policy.FieldKind(field); kind != policy.KindNumber && kind != policy.KindFlag {
				t.Errorf("%s is %s and holds %v", field, kind, v)
			}
		}
	}
	if v := policy.Value("battery_pct", &policy.Ask{}, &policy.Signals{}); v != nil {
		t.Errorf("got %v of a battery that is not known", v)
	}
	if k := policy.FieldKind("weather"); k != "" {
		t.Errorf("got %q of what is no field", k)
	}
}
