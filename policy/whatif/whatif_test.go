package whatif_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nearside/agent/config/written"
	"nearside/policy"
	"nearside/policy/decide"
	"nearside/policy/whatif"
)

func ptr[T any](v T) *T { return &v }

// usual is a question to a device with a small model and two clouds.
func usual() whatif.Case {
	doc, _, _ := written.DefaultPolicy()
	return whatif.Case{
		Doc: doc,
		Ask: policy.Ask{
			Service: "chat", Model: "auto", Mode: policy.Auto, Task: "chat", Privacy: policy.Normal, DeadlineMS: 60000,
			Size: policy.Size{Bytes: 120, TokensEst: 20, TokensOut: 512},
		},
		Signals: policy.Signals{
			Time: time.Unix(1e9, 0), Network: "online",
			Targets: []policy.Target{
				{Name: "local/small", Services: []string{"chat"}, Near: true, Usable: true, P50MS: ptr(400.0), Context: 4096},
				{Name: "cloud/first", Services: []string{"chat"}, Usable: true, P50MS: ptr(900.0), Price: &policy.Price{Input: 1, Output: 2}},
				{Name: "cloud/second", Services: []string{"chat"}, Usable: true},
			},
		},
	}
}

// assume sets signals and has rules see them.
func assume(c *whatif.Case, values map[string]any) {
	for name, v := range values {
		if err := c.Signals.Set(name, v); err != nil {
			panic(err)
		}
	}
	c.Signals.Held = policy.Settled(c.Doc, &c.Signals)
}

// tells checks which changes are told, and with a ! before it which is not.
func tells(t *testing.T, c *whatif.Case, name string, want []string) {
	t.Helper()
	plan := decide.Plan(c.Doc, &c.Ask, &c.Signals)
	all, cut := whatif.Changes(*c, &plan)
	var got []string
	for _, ch := range all {
		got = append(got, ch.Text)
	}
	for _, w := range want {
		if w, no := strings.CutPrefix(w, "!"); slices.Contains(got, w) == no {
			t.Errorf("%s: got\n%s\nwant (not, after a !) %q", name, strings.Join(got, "\n"), w)
		}
	}
	if cut {
		t.Errorf("%s: it was cut short", name)
	}
}

// TestWouldChange: each change, told in a sentence, for each way there is of
// being sent elsewhere.
func TestWouldChange(t *testing.T) {
	f := func(name string, set func(*whatif.Case), want ...string) {
		t.Helper()
		c := usual()
		set(&c)
		tells(t, &c, name, want)
	}
	f("near first", func(*whatif.Case) {},
		"cloud/first would go first if battery_pct were below 20",
		"cloud/first would go first if temperature_c were 85 or more",
		"cloud/first would go first if the mode were cloud",
		"cloud/first would go first if it were taken for code or long or math or open or schema or tools",
		"cloud/first would go first if size.tokens_est were 3600 or more",
		"!cloud/first would go first if the network were metered")
	f("low battery and no network", func(c *whatif.Case) { assume(c, map[string]any{"battery_pct": 8.0, "network": "offline"}) },
		"cloud/first would go first if the network were online or metered or degraded",
		"no target would be asked (rule_battery_critical) if battery_pct were below 5",
		"!cloud/first would go first if battery_pct were 30 or more")
	f("low battery", func(c *whatif.Case) { assume(c, map[string]any{"battery_pct": 8.0}) },
		"local/small would go first if battery_pct were 30 or more",
		"local/small would go first if charging were true",
		"!local/small would go first if battery_pct were 20 or more",
		"local/small would go first if the network were offline or portal")
	f("private and no network", func(c *whatif.Case) {
		c.Ask.Privacy = policy.Private
		assume(c, map[string]any{"temperature_c": 96.0, "network": "offline"})
	},
		"cloud/first would go first if the ask were not private and the network were online",
		"local/small would go first if temperature_c were below 88")
	f("not usable", func(c *whatif.Case) { c.Signals.Targets[0].Usable, c.Signals.Targets[0].Why = false, "quarantined" },
		"local/small would go first if local/small could be asked again")
	f("slow cloud", func(c *whatif.Case) {
		c.Ask.Task, c.Ask.DeadlineMS, c.Signals.Targets[1].P50MS = "math", 5000, ptr(9000.0)
	},
		"cloud/first would go first if p50_ms of cloud/first were 3100 or less")
	f("named", func(c *whatif.Case) { c.Ask.Target, c.Ask.Mode = "cloud/second", policy.Cloud },
		"cloud/first would go first if no target were asked for by name",
		"local/small would go first if no target were asked for by name and the mode were auto")
	f("capped", func(c *whatif.Case) { c.Ask.Task, c.Ask.MaxCost = "math", ptr(0.0001) },
		"cloud/first would go first if there were no cost cap",
		"cloud/first would go first if max_cost_usd were 0.0011 or more")
}

// TestWindowsDwellAndEstimates: the clock, a rule that is kept by its dwell, and
// what is expected of a target change routes, too.
func TestWindowsDwellAndEstimates(t *testing.T) {
	f := func(name string, rule policy.Rule, set func(*whatif.Case), want ...string) {
		t.Helper()
		c := usual()
		doc := *c.Doc
		doc.Rules = append([]policy.Rule{rule}, doc.Rules...)
		c.Doc = &doc
		c.Signals.Time = time.Date(2026, 3, 4, 21, 30, 0, 0, time.UTC) // a Wednesday
		set(&c)
		tells(t, &c, name, want)
	}
	away := policy.Effect{Deny: []string{"local"}}
	at := func(w policy.Window) policy.Rule {
		return policy.Rule{Name: "at", When: policy.Condition{Time: &w}, Then: away}
	}
	nothing := func(*whatif.Case) {}
	f("opens today", at(policy.Window{From: "22:00", To: "06:00"}), nothing, "cloud/first would go first if it were 22:00")
	f("opens on Saturday", at(policy.Window{From: "22:00", To: "06:00", Days: []string{"sat"}}), nothing, "cloud/first would go first if it were 22:00 on Sat")
	f("closes at night", at(policy.Window{From: "20:00", To: "06:00", Zone: "utc"}), nothing, "local/small would go first if it were 06:00")
	f("a whole day ends", at(policy.Window{Days: []string{"wed"}}), nothing, "local/small would go first if it were 00:00")

	below := func(mb float64) *policy.Condition { return &policy.Condition{Field: "disk_free_mb", LT: &mb} }
	f("kept by its dwell", policy.Rule{Name: "full", When: *below(10), Until: &policy.Condition{Not: below(20)}, DwellMS: 60_000, Then: away}, func(c *whatif.Case) {
		assume(c, map[string]any{"disk_free_mb": 50.0, "cpu_pct": 20.0})
		c.Signals.Held, c.Signals.HeldSince = []string{"full"}, map[string]time.Time{"full": c.Signals.Time.Add(-time.Second)}
	}, "local/small would go first if the dwell of full were over", "!local/small would go first if cpu_pct were 0 or less")
	f("expected to fail", policy.Rule{Name: "none", When: *below(1), Then: away}, func(c *whatif.Case) {
		c.Ask.Expected = []policy.Estimate{{Target: "local/small", Good: 0.1, From: "gate"}}
	}, "local/small would go first if the chance of a good answer from local/small were 0.48 or more")
}

// TestChangesAreTrue: whatever is said would change the route does, when it is
// done by other means than those it was found with.
func TestChangesAreTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := cases(t)
		plan := decide.Plan(c.Doc, &c.Ask, &c.Signals)
		before, _ := json.Marshal(&c.Signals)
		all, _ := whatif.Changes(c, &plan)
		for _, ch := range all {
			ask, signals := edited(t, &c, ch.Set)
			got := decide.Plan(c.Doc, &ask, &signals)
			if step := first(&got); step.Kind != ch.Route || step.Target != ch.Target {
				t.Fatalf("%s: got %s %s", ch.Text, step.Kind, step.Target)
			}
			if step := first(&plan); step.Kind == ch.Route && step.Target == ch.Target {
				t.Fatalf("%s: that is how it is", ch.Text)
			}
		}
		if after, _ := json.Marshal(&c.Signals); string(after) != string(before) {
			t.Fatalf("the case was changed: %s, was %s", after, before)
		}
	})
}

func first(p *policy.Plan) policy.Step {
	i := slices.IndexFunc(p.Steps, func(s policy.Step) bool { return s.Kind != policy.StepCache })
	return p.Steps[i]
}

// edited is the case with other values, changed in its JSON.
func edited(t *rapid.T, c *whatif.Case, set []whatif.Setting) (ask policy.Ask, signals policy.Signals) {
	a, s := object(t, c.Ask), object(t, c.Signals)
	for _, x := range set {
		at, key := a, x.Field
		switch name, target := strings.CutPrefix(x.Field, "targets."); {
		case target:
			dot := strings.LastIndexByte(name, '.')
			for _, one := range s["targets"].([]any) {
				if m := one.(map[string]any); m["name"] == name[:dot] {
					at, key = m, name[dot+1:]
				}
			}
		case strings.HasPrefix(x.Field, "expected."):
			for _, one := range a["expected"].([]any) {
				if m := one.(map[string]any); "expected."+m["target"].(string)+".good" == x.Field {
					at, key = m, "good"
				}
			}
		case x.Field == "network", x.Field == "time":
			at = s
		case slices.Contains(policy.SignalNames(), x.Field):
			at = s["device"].(map[string]any)
		case strings.Contains(x.Field, "."):
			group, leaf, _ := strings.Cut(x.Field, ".")
			at, key = a[group].(map[string]any), leaf
		}
		at[key] = x.To
	}
	load(t, a, &ask)
	load(t, s, &signals)
	if slices.ContainsFunc(set, func(x whatif.Setting) bool {
		return x.Field == "time" || slices.Contains(policy.SignalNames(), x.Field)
	}) {
		signals.Held = policy.Settled(c.Doc, &signals)
	}
	return ask, signals
}

func object(t *rapid.T, v any) map[string]any {
	b, err := json.Marshal(v)
	m := map[string]any{}
	if err != nil || json.Unmarshal(b, &m) != nil {
		t.Fatalf("%v: %v", v, err)
	}
	return m
}

func load(t *rapid.T, m map[string]any, v any) {
	b, _ := json.Marshal(m)
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
}

// cases draws asks and situations under the built-in policy and more rules.
func cases(t *rapid.T) whatif.Case {
	c := usual()
	base, _, _, err := written.Profile(rapid.SampledFrom([]string{"default", "car", "phone", "camera", "kiosk", "robot"}).Draw(t, "profile"))
	if err != nil {
		t.Fatal(err)
	}
	doc := *base
	doc.Rules = slices.Concat(doc.Rules, []policy.Rule{
		{Name: "large", When: policy.Condition{Field: "size.bytes", GT: ptr(5000.0)}, Then: policy.Effect{Deny: []string{"cloud/first"}}},
		{Name: "busy", When: policy.Condition{All: []policy.Condition{
			{Field: "cpu_pct", LE: ptr(90.0), GT: ptr(60.0)}, {Any: []policy.Condition{{Field: "task", In: []string{"code"}}, {Field: "stream", Is: ptr(true)}}},
		}}, Then: policy.Effect{Force: []string{"cloud/second", "local"}}},
		{Name: "night", When: policy.Condition{Time: &policy.Window{From: "22:00", To: "06:00", Days: []string{"sat", "sun"}, Zone: "utc"}}, Then: policy.Effect{Privacy: policy.Private}},
		{Name: "thrifty", When: policy.Condition{Field: "p_in_scope", GE: ptr(0.7)}, Then: policy.Effect{Limit: &policy.Limit{MaxCost: ptr(0.001), Attempts: 1}}},
		{Name: "sure", When: policy.Condition{Not: &policy.Condition{Field: "intent", In: []string{"chat"}}}, Then: policy.Effect{Require: &policy.Require{Confidence: 0.9}}},
	})
	doc.Check.Skip = rapid.Float64Range(0, 0.5).Draw(t, "skip")
	doc.Weights.Heat, doc.Weights.Battery = rapid.Float64Range(0, 1).Draw(t, "heat's weight"), rapid.Float64Range(0, 1).Draw(t, "battery's weight")
	c.Doc = &doc
	c.Signals.Time = time.Unix(rapid.Int64Range(1e9, 1e9+14*86400).Draw(t, "time"), 0).UTC()
	c.Ask.Scope = rapid.Ptr(rapid.Float64Range(0, 1), true).Draw(t, "scope")
	c.Ask.Intent = rapid.SampledFrom([]string{"", "chat", "park"}).Draw(t, "intent")
	if rapid.Bool().Draw(t, "estimated") {
		c.Ask.Expected = []policy.Estimate{{Target: "local/small", Good: rapid.Float64Range(0, 1).Draw(t, "good"), From: "gate"}}
	}
	c.Ask.Task = rapid.SampledFrom([]string{"chat", "math", "code", "embed"}).Draw(t, "task")
	c.Ask.Mode = rapid.SampledFrom([]string{"auto", "auto", "local", "cloud"}).Draw(t, "mode")
	c.Ask.Privacy = rapid.SampledFrom([]string{"normal", "normal", "private"}).Draw(t, "privacy")
	c.Ask.Target = rapid.SampledFrom([]string{"", "", "cloud/second"}).Draw(t, "target")
	c.Ask.DeadlineMS = rapid.Int64Range(1, 100_000).Draw(t, "deadline")
	c.Ask.MaxCost = rapid.Ptr(rapid.Float64Range(0, 0.01), true).Draw(t, "cap")
	c.Ask.Stream = rapid.Bool().Draw(t, "stream")
	c.Ask.Cache.OnlyIfCached = rapid.IntRange(0, 9).Draw(t, "only") == 0
	c.Ask.Size = policy.Size{Bytes: rapid.IntRange(0, 40_000).Draw(t, "bytes"), TokensEst: rapid.IntRange(0, 10_000).Draw(t, "tokens"), TokensOut: rapid.IntRange(0, 2000).Draw(t, "out")}
	c.Signals.Network = rapid.SampledFrom([]string{"unknown", "online", "metered", "portal", "degraded", "offline"}).Draw(t, "network")
	percent, share := rapid.Float64Range(0, 100), rapid.Float64Range(0, 1)
	c.Signals.Device = policy.Device{
		CPUPct: rapid.Ptr(percent, true).Draw(t, "cpu"), TemperatureC: rapid.Ptr(percent, true).Draw(t, "heat"),
		BatteryPct: rapid.Ptr(percent, true).Draw(t, "battery"), MemAvailableMB: rapid.Ptr(rapid.Float64Range(0, 4000), true).Draw(t, "memory"),
		Charging: rapid.Ptr(rapid.Bool(), true).Draw(t, "charging"),
	}
	for i := range c.Signals.Targets {
		x := &c.Signals.Targets[i]
		x.Usable = rapid.IntRange(0, 3).Draw(t, "usable") > 0
		x.P50MS, x.ErrorRate = rapid.Ptr(rapid.Float64Range(0, 50_000), true).Draw(t, "p50"), rapid.Ptr(share, true).Draw(t, "errors")
		x.InFlight = rapid.IntRange(0, 20).Draw(t, "in flight")
	}
	c.Signals.Held = policy.Settled(c.Doc, &c.Signals)
	return c
}

// TestNoMoreThanAllowed: what is the same twice is the same, and a fleet with
// many rules is not asked about for ever.
func TestNoMoreThanAllowed(t *testing.T) {
	c := usual()
	for range 60 {
		far := c.Signals.Targets[1]
		far.Name = "cloud/x" + strings.Repeat("y", len(c.Signals.Targets))
		c.Signals.Targets = append(c.Signals.Targets, far)
	}
	doc := *c.Doc
	for i := range 50 {
		doc.Rules = append(doc.Rules, policy.Rule{
			Name: "r" + strings.Repeat("r", i), When: policy.Condition{Field: "size.bytes", GT: ptr(float64(1000 * i))}, Then: policy.Effect{Deny: []string{"cloud/first"}},
		})
	}
	c.Doc = &doc
	plan := decide.Plan(c.Doc, &c.Ask, &c.Signals)
	one, cut := whatif.Changes(c, &plan)
	if two, _ := whatif.Changes(c, &plan); len(one) == 0 || len(one) != len(two) || one[0].Text != two[0].Text {
		t.Errorf("got %d changes, then %d", len(one), len(two))
	}
	if !cut {
		t.Error("nobody is told that not all was looked at")
	}
}

func BenchmarkExplain(b *testing.B) {
	c := usual()
	assume(&c, map[string]any{"battery_pct": 8.0, "network": "offline"})
	plan := decide.Plan(c.Doc, &c.Ask, &c.Signals)
	for b.Loop() {
		whatif.Explain(c, &plan)
	}
}
