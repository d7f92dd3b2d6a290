package decide_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"nearside/policy"
	"nearside/policy/decide"
	"nearside/policy/valid"
)

// builtin is the policy that is built into nearside.
func builtin(t testing.TB) *policy.Document {
	t.Helper()
	text, err := os.ReadFile("../../agent/config/policies/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err = yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var d policy.Document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if bad := valid.Check(&d); bad != nil {
		t.Fatal(bad)
	}
	return &d
}

// scene is all that a decision depends on.
type scene struct {
	policy.Ask
	policy.Signals
	doc *policy.Document
}

// street is a usual scene: a small local model, a priced cloud target and one
// without a price, a plain short ask, the network up.
func street(t testing.TB) *scene {
	chat := []string{"chat"}
	return &scene{
		Ask: policy.Ask{
			Service: "chat", Model: "auto", Mode: policy.Auto, Task: "chat", Privacy: policy.Normal, DeadlineMS: 60_000,
			Size: policy.Size{Bytes: 100, TokensEst: 30, TokensOut: 512},
		},
		Signals: policy.Signals{Network: "online", Targets: []policy.Target{
			{Name: "local/small", Services: chat, Near: true, Usable: true, Context: 4096, Blind: true},
			{Name: "cloud/first", Services: chat, Usable: true, Price: &policy.Price{Input: 0.4, Output: 1.6}},
			{Name: "cloud/second", Services: chat, Usable: true},
		}},
		doc: builtin(t),
	}
}

func (s *scene) decide() policy.Plan { return decide.Plan(s.doc, &s.Ask, &s.Signals) }

// rule adds a rule that always holds, unless a condition is given.
func (s *scene) rule(name string, then policy.Effect, when ...policy.Condition) {
	s.doc.Rules = append(s.doc.Rules, policy.Rule{Name: name, When: policy.Condition{All: when}, Then: then})
}

// paused has the first cloud targets ask for fewer calls for so long.
func (s *scene) paused(ms ...int64) {
	for i, n := range ms {
		s.Targets[1+i].Usable, s.Targets[1+i].PauseMS = false, n
	}
}

// line is a plan on one line: what shaped it, then its steps with reasons.
func line(p policy.Plan) string {
	var b strings.Builder
	if p.Reason != "" {
		fmt.Fprintf(&b, "%s: ", p.Reason)
	}
	for i, s := range p.Steps {
		switch s.Kind {
		case policy.StepLocal, policy.StepCloud:
			fmt.Fprintf(&b, "%s=%s ", strings.Join(s.Targets(), "+"), s.Reason)
		case policy.StepRefuse:
			fmt.Fprintf(&b, "refuse=%s", s.Reason)
		default:
			fmt.Fprintf(&b, "%s ", p.Steps[i].Kind)
		}
	}
	return b.String()
}

// serve has the ask want a service that the targets at the places have.
func serve(service string, places ...int) func(*scene) {
	return func(s *scene) {
		s.Service = service
		for _, i := range places {
			s.Targets[i].Services = []string{service}
		}
	}
}

func ptr[T any](v T) *T { return &v }

// hopeless has the device hardly answer well, and the policy not try then.
func hopeless(s *scene) {
	s.doc.Check.Skip = 0.15
	s.Expected = []policy.Estimate{{Target: "local/small", Good: 0.08, From: "measured"}}
}

// play is a scene that was changed and the plan it must give.
type play struct {
	name string
	edit func(*scene)
	want string
}

func perform(t *testing.T, plays []play) {
	for _, tt := range plays {
		t.Run(tt.name, func(t *testing.T) {
			s := street(t)
			tt.edit(s)
			if bad := valid.Check(s.doc); bad != nil {
				t.Fatal(bad)
			}
			if got := line(s.decide()); got != tt.want {
				t.Errorf("\ngot  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	perform(t, []play{
		{"auto: near first", func(*scene) {}, "local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"math goes far first", func(s *scene) { s.Task = "math" }, "cloud/first+cloud/second=cloud_first local/small=cloud_unavailable stale refuse=no_route"},
		{"code goes far first", func(s *scene) { s.Task = "code" }, "cloud/first+cloud/second=cloud_first local/small=cloud_unavailable stale refuse=no_route"},
		{"an estimate beats the table", func(s *scene) { s.Expected = []policy.Estimate{{Target: "local/small", Good: 0.2}} },
			"cloud/first+cloud/second=cloud_first local/small=cloud_unavailable stale refuse=no_route"},
		{"of math too", func(s *scene) { s.Task = "math"; s.Expected = []policy.Estimate{{Target: "local/small", Good: 0.9}} },
			"local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"little to gain in the cloud", func(s *scene) {
			s.Task = "math"
			s.Expected = []policy.Estimate{{Target: "local/small", Good: 0.3, Gain: ptr(0.1)}}
		}, "local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"much to gain in the cloud", func(s *scene) { s.Expected = []policy.Estimate{{Target: "local/small", Good: 0.3, Gain: ptr(0.6)}} },
			"cloud/first+cloud/second=cloud_first local/small=cloud_unavailable stale refuse=no_route"},
		{"hopeless: skipped", hopeless, "cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"hopeless, offline: the device after all", func(s *scene) { hopeless(s); s.Network = "offline" }, "offline: local/small=local_first stale refuse=offline"},
		{"hopeless, private: the device after all", func(s *scene) { hopeless(s); s.Privacy = policy.Private }, "private: local/small=local_first refuse=private"},
		{"hopeless, preferred", func(s *scene) { hopeless(s); s.rule("near", policy.Effect{Prefer: []string{"local"}}) },
			"rule_near: local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"a rule on what the gate found", func(s *scene) {
			s.Intent, s.Scope = "window_open", ptr(0.97)
			s.rule("sure", policy.Effect{Force: []string{"local"}}, policy.Condition{Field: "intent", In: []string{"window_open"}}, policy.Condition{Field: "p_in_scope", GE: ptr(0.9)})
		}, "rule_sure: local/small=local_first stale refuse=no_route"},
		{"what the gate did not find", func(s *scene) {
			s.rule("odd", policy.Effect{Deny: []string{"local"}}, policy.Condition{Field: "p_in_scope", LT: ptr(0.9)})
		}, "local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"a rule for a caller", func(s *scene) {
			s.Caller = "kiosk"
			s.rule("guests", policy.Effect{Deny: []string{"cloud"}}, policy.Condition{Field: "caller", In: []string{"kiosk"}}, policy.Condition{Not: &policy.Condition{Field: "max_cost_usd", GE: ptr(1.0)}})
		}, "rule_guests: local/small=local_first stale refuse=no_route"},
		{"repeatable: cache first", func(s *scene) { s.Repeatable = true }, "cache local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"mode local", func(s *scene) { s.Mode = policy.Local }, "forced_mode: local/small=local_first stale refuse=no_route"},
		{"mode cloud", func(s *scene) { s.Mode = policy.Cloud }, "forced_mode: cloud/first+cloud/second=local_unavailable stale refuse=no_route"},
		{"one target by name", func(s *scene) { s.Mode, s.Target = policy.Cloud, "cloud/first" }, "forced_mode: cloud/first=local_unavailable stale refuse=no_route"},
		{"a service nobody has", func(s *scene) { s.Service = "embed" }, "stale refuse=no_route"},
		{"a service that is not named", serve("items", 1, 2), "cloud/first+cloud/second=cloud_only stale refuse=no_route"},
		{"one the device has too", serve("items", 0, 1), "local/small=local_first cloud/first=local_unsure stale refuse=no_route"},
		{"one the device has and cannot", func(s *scene) { serve("items", 0, 1)(s); s.Targets[0].Usable = false }, "cloud/first=local_unavailable stale refuse=no_route"},
		{"with a default", func(s *scene) { serve("items", 1)(s); s.Default = true }, "cloud/first=cloud_only stale default refuse=no_route"},
		{"with a default, offline", func(s *scene) { serve("items", 1)(s); s.Default, s.Network = true, "offline" }, "offline: stale default refuse=offline"},
		{"with a default, private", func(s *scene) { serve("items", 1)(s); s.Default, s.Privacy = true, policy.Private }, "private: default refuse=private"},
		{"with a default, only kept", func(s *scene) { serve("items", 1)(s); s.Default, s.Cache.OnlyIfCached = true, true }, "stale refuse=only_if_cached"},
		{"repeatable", func(s *scene) { serve("items", 1)(s); s.Repeatable = true }, "cache cloud/first=cloud_only stale refuse=no_route"},
		{"a ladder of its own", func(s *scene) {
			serve("items", 1)(s)
			s.Default, s.doc.Services["items"] = true, policy.Service{Ladder: []string{"cache", "cloud", "refuse"}, Fresh: "always"}
		}, "cache cloud/first=cloud_only refuse=no_route"},

		{"private", func(s *scene) { s.Privacy, s.Repeatable = policy.Private, true }, "private: local/small=local_first refuse=private"},
		{"private, mode cloud", func(s *scene) { s.Privacy, s.Mode = policy.Private, policy.Cloud }, "private: refuse=private"},
		{"private, cloud target near", func(s *scene) { s.Privacy = policy.Private; s.Targets[1].Near = true }, "private: local/small=local_first refuse=private"},

		{"offline", func(s *scene) { s.Network = "offline" }, "offline: local/small=local_first stale refuse=offline"},
		{"offline, one near", func(s *scene) { s.Network = "offline"; s.Targets[1].Near = true }, "offline: local/small=local_first cloud/first=local_unsure stale refuse=offline"},
		{"offline, all near", func(s *scene) { s.Network = "offline"; s.Targets[1].Near, s.Targets[2].Near = true, true },
			"local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"offline, mode cloud", func(s *scene) { s.Network, s.Mode = "offline", policy.Cloud }, "forced_mode: stale refuse=offline"},
		{"behind a portal", func(s *scene) { s.Network = "portal" }, "offline: local/small=local_first stale refuse=offline"},
		{"behind a portal, one near", func(s *scene) { s.Network = "portal"; s.Targets[1].Near = true }, "offline: local/small=local_first cloud/first=local_unsure stale refuse=offline"},
		{"degraded", func(s *scene) { s.Network = "degraded" }, "local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"metered", func(s *scene) { s.Network = "metered" }, "local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"math in 100 kB", func(s *scene) { s.Task, s.Size.Bytes = "math", 100_000 }, "cloud/first+cloud/second=cloud_first local/small=cloud_unavailable stale refuse=no_route"},
		{"math in 100 kB, metered", func(s *scene) { s.Task, s.Size.Bytes, s.Network = "math", 100_000, "metered" }, "local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"math in 100 kB, metered, one near", func(s *scene) {
			s.Task, s.Size.Bytes, s.Device.Metered, s.Targets[2].Near = "math", 100_000, ptr(true), true
		}, "cloud/second+cloud/first=cloud_first local/small=cloud_unavailable stale refuse=no_route"},
		{"network not known", func(s *scene) { s.Network = "unknown" }, "local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},

		{"a cap that the priced one keeps", func(s *scene) { s.MaxCost = ptr(0.01) }, "local/small=local_first cloud/first=local_unsure stale refuse=budget"},
		{"a cap over all", func(s *scene) { s.MaxCost = ptr(0.0); s.Mode = policy.Cloud }, "forced_mode: stale refuse=budget"},
		{"too long for the local context", func(s *scene) { s.Size.TokensEst = 4097 }, "cloud/first+cloud/second=local_unavailable stale refuse=no_route"},
		{"just short enough", func(s *scene) { s.Size.TokensEst = 4096 - 512; s.Mode = policy.Local }, "forced_mode: local/small=local_first stale refuse=no_route"},
		{"vision", func(s *scene) { s.Needs.Vision = true }, "cloud/first+cloud/second=local_unavailable stale refuse=no_route"},
		{"local cannot be asked", func(s *scene) { s.Targets[0].Usable = false }, "cloud/first+cloud/second=local_unavailable stale refuse=no_route"},
		{"a cloud target set aside", func(s *scene) { s.Targets[2].Usable, s.Targets[2].Why = false, "set aside" }, "local/small=local_first cloud/first=local_unsure stale refuse=no_route"},
		{"all cloud targets want fewer calls", func(s *scene) { s.paused(4000, 2500) }, "local/small=local_first stale refuse=rate_limited"},
		{"one wants fewer calls", func(s *scene) { s.paused(4000) }, "local/small=local_first cloud/second=local_unsure stale refuse=no_route"},
		{"errors push down", func(s *scene) { s.Targets[1].ErrorRate = ptr(0.5) }, "local/small=local_first cloud/second+cloud/first=local_unsure stale refuse=no_route"},
		{"about equal: the order of the config", func(s *scene) { s.Targets[1], s.Targets[2] = s.Targets[2], s.Targets[1] }, "local/small=local_first cloud/second+cloud/first=local_unsure stale refuse=no_route"},

		{"only-if-cached", func(s *scene) { s.Repeatable, s.Cache.OnlyIfCached = true, true }, "cache stale refuse=only_if_cached"},
		{"no-store", func(s *scene) { s.Repeatable, s.Cache.NoStore = true, true }, "local/small=local_first cloud/first+cloud/second=local_unsure refuse=no_route"},
		{"no-cache keeps stale", func(s *scene) { s.Repeatable, s.Cache.NoCache = true, true }, "local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"max-stale 0", func(s *scene) { s.Repeatable, s.Cache.MaxStaleS = true, ptr(int64(0)) }, "cache local/small=local_first cloud/first+cloud/second=local_unsure refuse=no_route"},
		{"max-stale 5", func(s *scene) { s.Cache.MaxStaleS = ptr(int64(5)) }, "local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
	})
}

// TestPause says when the first target may be asked again, unless another
// reason keeps it away.
func TestPause(t *testing.T) {
	s := street(t)
	s.paused(4000, 2500)
	end := func() policy.Step { p := s.decide(); return p.Steps[len(p.Steps)-1] }
	if got := end(); got.PauseMS != 2500 {
		t.Errorf("got %+v, want a pause of 2500 ms", got)
	}
	s.Targets[2].Services = nil
	if got := end(); got.PauseMS != 4000 {
		t.Errorf("got %+v, want a pause of 4000 ms", got)
	}
	s.Privacy = policy.Private
	if got := end(); got.PauseMS != 0 || got.Reason != policy.ReasonPrivate {
		t.Errorf("got %+v, want no pause", got)
	}
}

// TestMeteredTerm grows with the bytes and has an end; what is near costs
// nothing.
func TestMeteredTerm(t *testing.T) {
	for bytes, want := range map[int]float64{0: -0.009216, 46_928: -0.15, 10_000_000: -0.3} {
		s := street(t)
		s.Network, s.Size.Bytes, s.Targets[2].Near = "metered", bytes, true
		for _, step := range s.decide().Steps {
			for _, m := range step.Members {
				if near := m.Target == "cloud/second"; near && m.Terms.Metered != 0 || !near && math.Abs(m.Terms.Metered-want) > 1e-9 {
					t.Errorf("%d bytes to %s: got %v, want %v where it is far", bytes, m.Target, m.Terms.Metered, want)
				}
			}
			if step.Kind == policy.StepLocal && step.Terms.Metered != 0 {
				t.Errorf("local: got %v, want nothing", step.Terms.Metered)
			}
		}
	}
}

func TestRules(t *testing.T) {
	type effect = policy.Effect
	perform(t, []play{
		{"deny", func(s *scene) { s.rule("no_cloud", effect{Deny: []string{"cloud"}}) }, "rule_no_cloud: local/small=local_first stale refuse=no_route"},
		{"deny one", func(s *scene) { s.rule("not_second", effect{Deny: []string{"cloud/second"}}) }, "rule_not_second: local/small=local_first cloud/first=local_unsure stale refuse=no_route"},
		{"force", func(s *scene) { s.rule("far", effect{Force: []string{"cloud/first"}}) }, "rule_far: cloud/first=local_unavailable stale refuse=no_route"},
		{"prefer", func(s *scene) { s.rule("far", effect{Prefer: []string{"cloud/second"}}) }, "rule_far: cloud/second+cloud/first=cloud_first local/small=cloud_unavailable stale refuse=no_route"},
		{"prefer beats a tie", func(s *scene) { s.doc.Weights.Tie = 1000; s.rule("far", effect{Prefer: []string{"cloud/second"}}) },
			"rule_far: cloud/second+cloud/first=cloud_first local/small=cloud_unavailable stale refuse=no_route"},
		{"no ties: the cheaper first", func(s *scene) { s.doc.Weights.Tie = 0; s.Size.TokensEst = 4097 }, "cloud/second+cloud/first=local_unavailable stale refuse=no_route"},
		{"prefer beats any weight", func(s *scene) { s.doc.Weights.Near = 1000; s.rule("far", effect{Prefer: []string{"cloud"}}) },
			"rule_far: cloud/first+cloud/second=cloud_first local/small=cloud_unavailable stale refuse=no_route"},
		{"a rule that names nothing here", func(s *scene) { s.rule("x", effect{Deny: []string{"cloud/third"}}) }, "local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"a rule that does not hold", func(s *scene) {
			s.rule("x", effect{Deny: []string{"cloud"}}, policy.Condition{Field: "task", In: []string{"math"}})
		},
			"local/small=local_first cloud/first+cloud/second=local_unsure stale refuse=no_route"},
		{"the first rule is named", func(s *scene) {
			s.rule("a", effect{Deny: []string{"cloud/first"}})
			s.rule("b", effect{Prefer: []string{"local"}})
		},
			"rule_a: local/small=local_first cloud/second=local_unsure stale refuse=no_route"},
		{"rule before private before mode before offline", func(s *scene) {
			s.Privacy, s.Mode, s.Network = policy.Private, policy.Cloud, "offline"
			s.rule("a", effect{Deny: []string{"cloud/first"}})
		}, "rule_a: refuse=private"},
		{"private before mode", func(s *scene) { s.Privacy, s.Mode, s.Network = policy.Private, policy.Local, "offline" }, "private: local/small=local_first refuse=private"},
		{"mode before offline", func(s *scene) { s.Mode, s.Target, s.Network = policy.Cloud, "cloud/first", "offline" }, "forced_mode: stale refuse=offline"},
		{"a rule cannot send out what is private", func(s *scene) { s.Privacy = policy.Private; s.rule("far", effect{Force: []string{"cloud"}}) }, "rule_far: refuse=private"},
		{"a ladder without cloud", func(s *scene) {
			s.doc.Services["chat"] = policy.Service{Ladder: []string{"local", "refuse"}, Fresh: "never", Commit: s.doc.Services["chat"].Commit}
		}, "local/small=local_first refuse=no_route"},
	})
}

func TestDecideSaysWhyNot(t *testing.T) {
	tests := []struct {
		edit func(*scene)
		want string // for cloud/first
	}{
		{func(s *scene) { s.Targets[1].Services = nil }, "does not serve chat"},
		{func(s *scene) { s.rule("a", policy.Effect{Deny: []string{"cloud"}}) }, "denied by rule a"},
		{func(s *scene) { s.rule("a", policy.Effect{Force: []string{"local"}}) }, "rule a forces another"},
		{func(s *scene) { s.Privacy = policy.Private }, "the ask is private and stays on the device"},
		{func(s *scene) { s.Target = "cloud/second" }, "the caller asked for cloud/second"},
		{func(s *scene) { s.Mode = policy.Local }, "the caller asked for local only"},
		{func(s *scene) { s.Network = "offline" }, "the network is offline"},
		{func(s *scene) { s.Network = "portal" }, "a portal answers in place of the network"},
		{func(s *scene) { s.Needs.Vision = true; s.Targets[1].Blind = true }, "takes text only"},
		{func(s *scene) { s.Targets[1].Context = 20 }, "about 30 tokens and 5 for the answer do not fit its context of 20"},
		{func(s *scene) { s.MaxCost = ptr(0.0001) }, "may cost 0.000831 USD, over the cap of 0.000100"},
		{func(s *scene) { s.MaxCost = ptr(1.0); s.Targets[1].Price = nil }, "has no price, and the ask has a cost cap"},
		{func(s *scene) { s.Cache.OnlyIfCached = true }, "only a kept answer was wanted"},
		{func(s *scene) { s.doc.Services["chat"] = policy.Service{Ladder: []string{"refuse"}} }, "the ladder of chat has no cloud step"},
		{func(s *scene) { s.Targets[1].Usable, s.Targets[1].Why = false, "the breaker is open" }, "the breaker is open"},
		{func(s *scene) { s.Targets[1].Usable = false }, "cannot be asked now"},
	}
	for _, tt := range tests {
		s := street(t)
		tt.edit(s)
		got := "in the plan"
		for _, n := range s.decide().NotChosen {
			if n.Target == "cloud/first" {
				got = n.Why
			}
		}
		if got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestBudgetsAndCommits(t *testing.T) {
	tests := []struct{ deadline, first, second int64 }{
		{60_000, 10_000, 50_000}, // near has as long as an attempt may take
		{16_000, 8_000, 8_000},   // at most half is kept back for the pool
		{1, 1, 0},
		{0, 0, 0},
		{-5, 0, 0},
	}
	for _, tt := range tests {
		s := street(t)
		s.DeadlineMS = tt.deadline
		p := s.decide()
		if p.Steps[0].BudgetMS != tt.first || p.Steps[1].BudgetMS != tt.second {
			t.Errorf("deadline %d: got %d and %d, want %d and %d", tt.deadline, p.Steps[0].BudgetMS, p.Steps[1].BudgetMS, tt.first, tt.second)
		}
	}
	s := street(t)
	for rule, want := range map[string]int{"first_token": 1, "after_8_tokens": 8, "after_check": -1} {
		s.doc.Services["chat"] = policy.Service{Ladder: []string{"local", "cloud", "refuse"}, Fresh: "never", Commit: policy.Commit{Local: rule, Cloud: "first_token"}}
		p := s.decide()
		if l, c := p.Steps[0], p.Steps[1]; l.Commit != rule || l.CommitTokens != want || c.CommitTokens != 1 || l.Threshold != 0.25 || c.Threshold != 0 {
			t.Errorf("%s: got %+v, %+v", rule, l, c)
		}
		if !has(&p, policy.StepCloud) || has(&p, policy.StepStale) {
			t.Error("Asks is wrong")
		}
	}
}

func TestConditions(t *testing.T) {
	s := street(t)
	s.Device = policy.Device{BatteryPct: ptr(8.0), Charging: ptr(false)}
	s.Stream, s.Needs.Tools = true, true
	yes, no := `{"field":"stream","is":true}`, `{"field":"stream","is":false}`
	tests := map[string]bool{
		`{}`: true,
		yes:  true, no: false,
		`{"field":"task","in":["math","CHAT"]}`:     true,
		`{"field":"task","in":["math"]}`:            false,
		`{"field":"network","in":["online"]}`:       true,
		`{"field":"service","in":["chat"]}`:         true,
		`{"field":"model","in":["auto"]}`:           true,
		`{"field":"mode","in":["local"]}`:           false,
		`{"field":"privacy","in":["normal"]}`:       true,
		`{"field":"needs.tools","is":true}`:         true,
		`{"field":"needs.schema","is":true}`:        false,
		`{"field":"needs.vision","is":false}`:       true,
		`{"field":"battery_pct","lt":20}`:           true,
		`{"field":"battery_pct","ge":8,"le":8}`:     true,
		`{"field":"battery_pct","gt":8}`:            false,
		`{"field":"charging","is":false}`:           true,
		`{"field":"metered","is":false}`:            false, // not known
		`{"field":"temperature_c","lt":1000}`:       false, // not known
		`{"not":{"field":"temperature_c","lt":99}}`: true,
		`{"field":"deadline_ms","ge":60000}`:        true,
		`{"field":"size.bytes","gt":100}`:           false,
		`{"field":"size.tokens_est","le":30}`:       true,
		`{"all":[` + yes + `,` + no + `]}`:          false,
		`{"all":[` + yes + `,` + yes + `]}`:         true,
		`{"any":[` + no + `,` + yes + `]}`:          true,
		`{"any":[` + no + `,` + no + `]}`:           false,
	}
	for text, want := range tests {
		var c policy.Condition
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		s.doc.Rules = []policy.Rule{{Name: "r", When: c, Then: policy.Effect{Deny: []string{"cloud"}}}}
		if bad := valid.Check(s.doc); bad != nil {
			t.Errorf("%s: %v", text, bad)
		}
		if got := s.decide().Reason == "rule_r"; got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

// has tells whether the plan has a step of the kind.
func has(p *policy.Plan, kind string) bool {
	return slices.ContainsFunc(p.Steps, func(s policy.Step) bool { return s.Kind == kind })
}

// An estimate's threshold is the step's, and the step says whose it is.
func TestThreshold(t *testing.T) {
	s := street(t)
	s.Expected = []policy.Estimate{{Target: "local/small", Good: 0.7, Threshold: ptr(0.41), From: "measured"}}
	f := func(want string) {
		t.Helper()
		if step := s.decide().Steps[0]; step.Threshold != 0.41 || !strings.Contains(step.Why, want) {
			t.Errorf("got %.2f, %s", step.Threshold, step.Why)
		}
	}
	f("below confidence 0.41 (measured) is not")
	s.doc.Check.Budget = map[string]float64{"default": 0.1, "chat": 0.05}
	f("below confidence 0.41 (measured, for at most 0.05 wrong) is not")
}

func TestSkippedHasAReason(t *testing.T) {
	s := street(t)
	hopeless(s)
	want := []policy.NotChosen{{Target: "local/small", Why: "P(good) 0.08 is below 0.15"}}
	if p := s.decide(); !slices.Equal(p.NotChosen, want) {
		t.Errorf("got %v", p.NotChosen)
	}
}
