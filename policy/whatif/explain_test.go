package whatif_test

import (
	"slices"
	"strings"
	"testing"

	"nearside/policy"
	"nearside/policy/decide"
	"nearside/policy/whatif"
)

// TestExplain: the rule in force is told test by test, and what would be
// without it.
func TestExplain(t *testing.T) {
	c := usual()
	assume(&c, map[string]any{"battery_pct": 8.0, "charging": false})
	plan := decide.Plan(c.Doc, &c.Ask, &c.Signals)
	e := whatif.Explain(c, &plan)
	i := slices.IndexFunc(e.Rules, func(r whatif.Rule) bool { return r.Name == "low_battery" })
	r := e.Rules[i]
	if !r.InForce || !r.Decides || r.Without != "local/small would go first" || !slices.Equal(r.Hits, []string{"cloud/first", "cloud/second"}) {
		t.Errorf("got %+v", r)
	}
	want := []string{"all of these: holds", "  battery_pct 8 < 20: holds", "  not charging (false) is true: holds"}
	if got := r.When.Lines(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(e.Others) != 2 || !strings.Contains(e.Others[0].Why+e.Others[1].Why, "most of all by rule (100.000)") || !strings.HasPrefix(e.Why, "cloud/first goes first: ") {
		t.Errorf("got %s, %+v", e.Why, e.Others)
	}
	c = usual()
	c.Signals.Targets = nil
	plan = decide.Plan(c.Doc, &c.Ask, &c.Signals)
	if e := whatif.Explain(c, &plan); e.Why != "no target is asked: no target could answer" || len(e.WouldChange) > 0 {
		t.Errorf("without targets: %+v", e)
	}
}

// TestTermsAddUp: the terms that are told are all there are.
func TestTermsAddUp(t *testing.T) {
	c := usual()
	assume(&c, map[string]any{"network": "metered", "temperature_c": 90.0})
	plan := decide.Plan(c.Doc, &c.Ask, &c.Signals)
	for _, m := range whatif.Seats(&plan) {
		sum := 0.0
		for _, term := range whatif.Terms(m.Terms) {
			sum += term.Value
		}
		if d := sum - m.Utility; d > 1e-9 || d < -1e-9 {
			t.Errorf("%s: terms are %v, utility %v", m.Target, sum, m.Utility)
		}
	}
}

// TestEveryFieldIsExplained: nothing that a condition may test is without words.
func TestEveryFieldIsExplained(t *testing.T) {
	c := usual()
	for _, f := range whatif.Fields(&c.Ask, &c.Signals) {
		if f.About == "" || f.Kind == "" || f.Kind == policy.KindNumber && f.Unit == "" {
			t.Errorf("%+v", f)
		}
	}
}

func TestSignalName(t *testing.T) {
	f := func(name, want, hint string) {
		t.Helper()
		got, err := whatif.SignalName(name)
		if got != want || (err == nil) != (hint == "") || err != nil && !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: got %q, %v; want %q, %q", name, got, err, want, hint)
		}
	}
	f("battery_pct", "battery_pct", "")
	f("Battery", "battery_pct", "")
	f("cpu", "cpu_pct", "")
	f("temperature", "temperature_c", "")
	f("memory", "mem_available_mb", "")
	f("disk", "disk_free_mb", "")
	f("network", "network", "")
	f("batery", "", "did you mean battery_pct?")
	f("metred", "", "did you mean metered?")
	f("moon", "", `"moon" is not a signal; known are cpu_pct`)
	f(strings.Repeat("x", 1000), "", "known are")
	f("", "", "known are")
}
