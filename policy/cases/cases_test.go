package cases_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nearside/policy"
	"nearside/policy/cases"
	"nearside/policy/valid"
)

// built is a policy with a rule of each effect.
func built(t *testing.T) *policy.Document {
	t.Helper()
	d := &policy.Document{}
	text := `{"services":{"chat":{"ladder":["cache","local","cloud","stale","refuse"],"fresh":"repeatable","commit":{"local":"after_8_tokens","cloud":"first_token"}}},
	"weights":{"quality":1,"near":0.4,"tie":0.1},"quality":{"local":{"default":0.66,"math":0.2},"cloud":{"default":0.9}},
	"check":{"confidence":{"default":0.25}},"limits":{"deadline_ms":60000,"attempt_ms":10000,"silence_ms":30000},
	"rules":[{"name":"low","when":{"field":"battery_pct","lt":20},"until":{"field":"battery_pct","ge":30},"then":{"deny":["local"]}}]}`
	if err := json.Unmarshal([]byte(text), d); err != nil || valid.Check(d) != nil {
		t.Fatal(err, valid.Check(d))
	}
	return d
}

// one is a file of one case.
func one(change func(*cases.Case)) *cases.File {
	c := cases.Case{Name: "one"}
	change(&c)
	return &cases.File{Cases: []cases.Case{c}}
}

func TestRun(t *testing.T) {
	ms, sure := int64(10_000), 0.25
	f := func(name, want string, change func(*cases.Case)) {
		t.Helper()
		file := one(change)
		if bad := file.Validate(); bad != nil {
			t.Fatalf("%s: %v", name, bad)
		}
		var lines []string
		for _, x := range file.Run(built(t))[0].Faults {
			lines = append(lines, fmt.Sprintf("%s: %s, not %s", x.Field, x.Got, x.Want))
		}
		if got := strings.Join(lines, "; "); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	f("a good day", "", func(c *cases.Case) {
		c.Want = cases.Want{
			Route: "local", First: "local", Target: "local/small", Reason: "local_first", Refusal: "no_route", Commit: "after_8_tokens", BudgetMS: &ms, Threshold: &sure,
			Steps: []string{"local", "cloud", "stale", "refuse"}, Targets: []string{"local/small", "cloud/first", "cloud/second"},
		}
	})
	f("another was wanted", "route: local, not cloud; target: local/small, not cloud/first; reason: local_first, not offline", func(c *cases.Case) {
		c.Want = cases.Want{Route: "cloud", Target: "cloud/first", Reason: "offline"}
	})
	f("the rule", "", func(c *cases.Case) {
		c.Signals = map[string]cases.Reading{"battery_pct": "8"}
		c.Want = cases.Want{Route: "cloud", Reason: "rule_low", NotChosen: map[string]string{"local/small": "rule low"}}
	})
	f("held", "", func(c *cases.Case) {
		c.Signals, c.Held = map[string]cases.Reading{"battery_pct": "25"}, []string{"low"}
		c.Want = cases.Want{Route: "cloud"}
	})
	f("not held", "not_chosen.local/small: it is asked, not low", func(c *cases.Case) {
		c.Signals = map[string]cases.Reading{"battery_pct": "25"}
		c.Want = cases.Want{NotChosen: map[string]string{"local/small": "low"}}
	})
	f("held, but not there", "held: no rule of that name with an until, not lo", func(c *cases.Case) {
		c.Held = []string{"low", "lo"}
		c.Want = cases.Want{Route: "local"}
	})
	f("nobody", "", func(c *cases.Case) {
		c.Signals, c.Down = map[string]cases.Reading{"network": "offline", "charging": "true"}, []string{"local/small"}
		c.Want = cases.Want{Route: "stale", Reason: "offline", Refusal: "offline"}
	})
}

func TestValidate(t *testing.T) {
	f := func(want string, change func(*cases.Case)) {
		t.Helper()
		file := one(func(c *cases.Case) {
			c.Want.Route = "local"
			change(c)
		})
		bad := file.Validate()
		if len(bad) != 1 || !strings.HasPrefix(bad[0].Error(), want) {
			t.Errorf("got %v, want %s", bad, want)
		}
	}
	f("cases[0].name: must be a text", func(c *cases.Case) { c.Name = "" })
	f("cases[0].want: is empty", func(c *cases.Case) { c.Want = cases.Want{} })
	f(`cases[0].want.route: "lokal" must be one of local, cloud, stale, default, none`, func(c *cases.Case) { c.Want.Route = "lokal" })
	f("cases[0].want.target:", func(c *cases.Case) { c.Want.Target = "cloud/none" })
	f("cases[0].want.steps[0]:", func(c *cases.Case) { c.Want.Steps = []string{"none"} })
	f("cases[0].want.not_chosen.x:", func(c *cases.Case) { c.Want.NotChosen = map[string]string{"x": ""} })
	f("cases[0].down[0]:", func(c *cases.Case) { c.Down = []string{"x"} })
	f("cases[0].signals.battery_pct: battery_pct must be a number", func(c *cases.Case) { c.Signals = map[string]cases.Reading{"battery_pct": "low"} })
	f("cases[0].signals.batery:", func(c *cases.Case) { c.Signals = map[string]cases.Reading{"batery": "1"} })
	f("cases[0].ask.privacy:", func(c *cases.Case) { c.Ask.Form(true); c.Ask.Privacy = "secret" })
	f("cases[0].ask.deadline_ms:", func(c *cases.Case) { c.Ask.Form(true); c.Ask.DeadlineMS = -1 })
	f("cases[0].targets[0].name:", func(c *cases.Case) { c.Targets = []cases.Target{{Name: "small"}} })
	f(`cases[0].targets[1].name: "local/a" is there twice`, func(c *cases.Case) { c.Targets = []cases.Target{{Name: "local/a"}, {Name: "local/a"}} })
	expects := func(e policy.Estimate) func(*cases.Case) {
		return func(c *cases.Case) { c.Ask.Form(true); c.Ask.Expected = []policy.Estimate{e} }
	}
	two := 2.0
	f("cases[0].ask.expected[0].target:", expects(policy.Estimate{Target: "local/smal", Good: 0.5}))
	f("cases[0].ask.expected[0].good: must be from 0 to 1", expects(policy.Estimate{Target: "local/small", Good: two}))
	f("cases[0].ask.expected[0].threshold:", expects(policy.Estimate{Target: "local/small", Threshold: &two}))
	f("cases[0].ask.expected[0].gain: must be from -1 to 1", expects(policy.Estimate{Target: "local/small", Gain: &two}))
	twice := &cases.File{Cases: []cases.Case{{Name: "a", Want: cases.Want{Route: "local"}}, {Name: "a", Want: cases.Want{Route: "local"}}}}
	if bad := twice.Validate(); len(bad) != 1 || bad[0].Path != "cases[1].name" {
		t.Errorf("got %v", bad)
	}
	if bad := new(cases.File).Validate(); len(bad) != 1 || bad[0].Path != "cases" {
		t.Errorf("got %v", bad)
	}
}
