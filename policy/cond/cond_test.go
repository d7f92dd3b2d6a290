package cond_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"nearside/policy"
	"nearside/policy/cond"
)

// parse reads a condition of a test.
func parse(t testing.TB, text string) *policy.Condition {
	t.Helper()
	c := &policy.Condition{}
	if err := json.Unmarshal([]byte(text), c); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

// together is what can be true at once, by a patience of its own.
func together(claims ...cond.Claim) ([]cond.Value, cond.Verdict) {
	patience := cond.Patience(20_000)
	return patience.Together(claims...)
}

func TestTogether(t *testing.T) {
	f := func(want string, conditions ...string) {
		t.Helper()
		var claims []cond.Claim
		for _, text := range conditions {
			if text[0] == '!' {
				claims = append(claims, cond.Fails(parse(t, text[1:])))
				continue
			}
			claims = append(claims, cond.Holds(parse(t, text)))
		}
		values, verdict := together(claims...)
		got := cond.List(values)
		if verdict == cond.Never {
			got = "never"
		}
		if got != want {
			t.Errorf("%v: got %q (%v), want %q", conditions, got, verdict, want)
		}
	}
	const low, mid = `{"field":"battery_pct","lt":20}`, `{"field":"battery_pct","ge":20,"lt":30}`
	f("battery_pct=0", low)
	f("never", low, mid)
	f("never", `{"all":[`+low+`,`+mid+`]}`)
	f("battery_pct=0", `{"any":[`+low+`,`+mid+`]}`)
	f("battery_pct=20", "!"+low, mid)
	f("never", `{"field":"battery_pct","lt":0}`)
	f("never", `{"field":"battery_pct","gt":100}`)
	f("never", `{"field":"deadline_ms","gt":5,"lt":6}`)
	f("battery_pct=5.5", `{"field":"battery_pct","gt":5,"lt":6}`)
	f("battery_pct unknown", "!"+`{"field":"battery_pct","ge":0}`)
	f("network=offline", `{"field":"network","in":["offline"]}`)
	f("never", `{"field":"network","in":["offline"]}`, `{"field":"network","in":["online","portal"]}`)
	f("task=another", "!"+`{"field":"task","in":["code","math"]}`)
	f("task=code", `{"field":"task","in":["CODE"]}`, `{"field":"task","in":["code","math"]}`)
	f("never", `{"field":"privacy","in":["normal"]}`, `{"field":"privacy","in":["private"]}`)
	f("never", "!"+`{"field":"mode","in":["auto","local","cloud"]}`)
	f("never", `{"field":"charging","is":true}`, `{"field":"charging","is":false}`)
	f("charging unknown", "!"+`{"field":"charging","is":true}`, "!"+`{"field":"charging","is":false}`)
	f("never", "!"+`{"field":"stream","is":true}`, "!"+`{"field":"stream","is":false}`)
	const night, weekend = `{"time":{"from":"22:00","to":"06:00"}}`, `{"time":{"days":["sat","sun"]}}`
	f("time=Mon 00:00", night)
	f("time=Mon 06:00", "!"+night)
	f("time=Sat 00:00", night, weekend)
	f("time=Sat 06:00", "!"+night, weekend)
	f("never", `{"time":{"from":"08:00","to":"12:00"}}`, night)
	f("never", `{"time":{"from":"08:00","to":"12:00","days":["sat"]}}`, "!"+weekend)
	f("time=Mon 00:00, time in UTC=Mon 08:00", night, `{"time":{"from":"08:00","to":"12:00","zone":"utc"}}`)
	f("", `{}`)
	f("never", "!{}")
}

func TestImplies(t *testing.T) {
	f := func(a, b string, want bool) {
		t.Helper()
		if got := cond.Implies(parse(t, a), parse(t, b)); got != want {
			t.Errorf("%s implies %s: got %v", a, b, got)
		}
	}
	f(`{"field":"battery_pct","lt":5}`, `{"field":"battery_pct","lt":20}`, true)
	f(`{"field":"battery_pct","lt":20}`, `{"field":"battery_pct","lt":5}`, false)
	f(`{"field":"battery_pct","lt":5}`, `{"not":{"field":"battery_pct","ge":20}}`, true)
	f(`{"not":{"field":"battery_pct","ge":20}}`, `{"field":"battery_pct","lt":20}`, false) // it may not be known
	f(`{"field":"task","in":["math"]}`, `{"field":"task","in":["code","math"]}`, true)
	f(`{"all":[{"field":"stream","is":true},{"field":"task","in":["math"]}]}`, `{"field":"stream","is":true}`, true)
	f(`{"field":"stream","is":true}`, `{}`, true)
}

func TestGivesUp(t *testing.T) {
	c := policy.Condition{}
	for i := range 12 {
		limit := float64(i)
		for _, field := range []string{"cpu_pct", "battery_pct", "pressure_pct", "temperature_c", "disk_free_mb", "mem_available_mb"} {
			one := policy.Condition{Any: []policy.Condition{{Field: field, GT: &limit}, {Field: "stream", Is: new(bool)}}}
			c.All = append(c.All, one, policy.Condition{Not: &one})
		}
	}
	if _, verdict := together(cond.Holds(&c)); verdict == cond.Sometimes {
		t.Error("a contradiction holds")
	}
}

// drawn makes any condition of a few fields.
func drawn(t *rapid.T, depth int) policy.Condition {
	limit := func() *float64 { n := float64(rapid.IntRange(0, 4).Draw(t, "limit")) * 25; return &n }
	switch rapid.IntRange(3-min(depth, 3), 6).Draw(t, "form") {
	case 0:
		return policy.Condition{All: []policy.Condition{drawn(t, depth-1), drawn(t, depth-1)}}
	case 1:
		return policy.Condition{Any: []policy.Condition{drawn(t, depth-1), drawn(t, depth-1)}}
	case 2:
		c := drawn(t, depth-1)
		return policy.Condition{Not: &c}
	case 3:
		return policy.Condition{Field: "task", In: []string{rapid.SampledFrom([]string{"code", "math"}).Draw(t, "task")}}
	case 4:
		is := rapid.Bool().Draw(t, "is")
		return policy.Condition{Field: rapid.SampledFrom([]string{"stream", "charging"}).Draw(t, "flag"), Is: &is}
	case 5:
		return policy.Condition{Field: "battery_pct", GE: limit(), LT: limit()}
	}
	return policy.Condition{Field: "size.tokens_est", GT: limit()}
}

// situation draws an ask and signals that conditions of drawn can tell apart.
func situation(t *rapid.T) (*policy.Ask, *policy.Signals) {
	a := &policy.Ask{Task: rapid.SampledFrom([]string{"code", "math", "chat"}).Draw(t, "task"), Stream: rapid.Bool().Draw(t, "stream")}
	a.Size.TokensEst = rapid.IntRange(0, 120).Draw(t, "tokens")
	s := &policy.Signals{}
	s.Device.Charging = rapid.Ptr(rapid.Bool(), true).Draw(t, "charging")
	s.Device.BatteryPct = rapid.Ptr(rapid.Map(rapid.IntRange(0, 200), func(n int) float64 { return float64(n) / 2 }), true).Draw(t, "battery")
	return a, s
}

// put gives an ask and signals the values of a witness.
func put(t *rapid.T, values []cond.Value) (*policy.Ask, *policy.Signals) {
	a, s := &policy.Ask{}, &policy.Signals{}
	for _, v := range values {
		switch v.Field {
		case "task":
			a.Task = v.Text
		case "stream":
			a.Stream = v.Flag
		case "size.tokens_est":
			a.Size.TokensEst = int(v.Number)
		default:
			if v.Any() != nil {
				if err := s.Set(v.Field, v.Any()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return a, s
}

// TestJudgesAsDecideDoes: what is said to be possible is, by the policy's own
// reading of conditions, and what is said to be impossible is never met.
func TestJudgesAsDecideDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawn(t, 4), drawn(t, 4)
		values, verdict := together(cond.Holds(&a), cond.Fails(&b))
		switch verdict {
		case cond.Sometimes:
			ask, s := put(t, values)
			if !a.Holds(ask, s) || b.Holds(ask, s) {
				t.Fatalf("%s is no example of\n%s\nand not\n%s", cond.List(values), show(a), show(b))
			}
		case cond.Never:
			ask, s := situation(t)
			if a.Holds(ask, s) && !b.Holds(ask, s) {
				t.Fatalf("%+v %+v is an example of\n%s\nand not\n%s", ask, s.Device, show(a), show(b))
			}
		}
	})
}

func show(c policy.Condition) string {
	b, err := json.Marshal(c)
	return fmt.Sprint(string(b), err)
}
