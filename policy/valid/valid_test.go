package valid_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"nearside/policy"
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

func ptr[T any](v T) *T { return &v }

// fault is a change that spoils a document, and the problem it must give.
type fault struct {
	name       string
	edit       func(*policy.Document)
	path, says string
}

func checkProblems(t *testing.T, faults []fault) {
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			d := builtin(t)
			d.Rules = nil
			tt.edit(d)
			bad := valid.Check(d)
			hit := func(p policy.Problem) bool { return p.Path == tt.path && strings.Contains(p.Message, tt.says) }
			if !slices.ContainsFunc(bad, hit) {
				t.Fatalf("got %v, want %s: ...%s...", bad, tt.path, tt.says)
			}
			if len(bad) > 1 && tt.path != "rules" && !strings.HasPrefix(bad[0].Path, tt.path) {
				t.Errorf("more than one problem: %v", bad)
			}
			if text := bad[0].Error(); !strings.HasPrefix(text, bad[0].Path+": ") {
				t.Errorf("reads %q", text)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	type doc = policy.Document
	chat := func(edit func(*policy.Service)) func(*doc) {
		return func(d *doc) {
			s := d.Services["chat"]
			edit(&s)
			d.Services["chat"] = s
		}
	}
	checkProblems(t, []fault{
		{"version", func(d *doc) { d.Version = -1 }, "version", "0 or more"},
		{"no services", func(d *doc) { d.Services = nil }, "services", "at least chat"},
		{"empty ladder", chat(func(s *policy.Service) { s.Ladder = nil }), "services.chat.ladder", "is empty"},
		{"unknown rung", chat(func(s *policy.Service) { s.Ladder = []string{"moon", "refuse"} }), "services.chat.ladder[0]", `"moon"`},
		{"rung twice", chat(func(s *policy.Service) { s.Ladder = []string{"local", "local", "refuse"} }), "services.chat.ladder[1]", "twice"},
		{"no end", chat(func(s *policy.Service) { s.Ladder = []string{"refuse", "local"} }), "services.chat.ladder", "end with refuse"},
		{"fresh", chat(func(s *policy.Service) { s.Fresh = "" }), "services.chat.fresh", "repeatable, always or never"},
		{"commit local", chat(func(s *policy.Service) { s.Commit.Local = "soon" }), "services.chat.commit.local", "first_token"},
		{"commit of none", chat(func(s *policy.Service) { s.Commit.Cloud = "after_0_tokens" }), "services.chat.commit.cloud", "from 1 to 1000"},
		{"commit of many", chat(func(s *policy.Service) { s.Commit.Cloud = "after_1001_tokens" }), "services.chat.commit.cloud", "from 1 to 1000"},
		{"commit without after", chat(func(s *policy.Service) { s.Commit.Cloud = "8_tokens" }), "services.chat.commit.cloud", "from 1 to 1000"},
		{"weight below", func(d *doc) { d.Weights.Near = -1 }, "weights.near", "from 0 to 1000"},
		{"weight that is no number", func(d *doc) { d.Weights.Cost = math.NaN() }, "weights.cost", "from 0 to 1000"},
		{"weight without end", func(d *doc) { d.Weights.Load = math.Inf(1) }, "weights.load", "from 0 to 1000"},
		{"quality above", func(d *doc) { d.Quality.Local["math"] = 1.5 }, "quality.local.math", "from 0 to 1"},
		{"no default quality", func(d *doc) { delete(d.Quality.Cloud, "default") }, "quality.cloud.default", "is missing"},
		{"confidence", func(d *doc) { d.Check.Confidence["m"] = math.NaN() }, "check.confidence.m", "from 0 to 1"},
		{"skip", func(d *doc) { d.Check.Skip = 1.5 }, "check.skip", "from 0 to 1"},
		{"skip that is no number", func(d *doc) { d.Check.Skip = math.NaN() }, "check.skip", "from 0 to 1"},
		{"error budget", func(d *doc) { d.Check.Budget = map[string]float64{"default": .1, "math": -1} }, "check.budget.math", "from 0 to 1"},
		{"no default budget", func(d *doc) { d.Check.Budget = map[string]float64{"math": .1} }, "check.budget.default", "is missing"},
		{"no confidence", func(d *doc) { d.Check.Confidence = nil }, "check.confidence.default", "is missing"},
		{"balance", chat(func(s *policy.Service) { s.Balance = "dice" }), "services.chat.balance", "order, score, round_robin"},
		{"age below", chat(func(s *policy.Service) { s.FreshMaxS = -1 }), "services.chat.fresh_max_s", "a year"},
		{"age above", chat(func(s *policy.Service) { s.StaleMaxS = 1 << 40 }), "services.chat.stale_max_s", "a year"},
		{"deadline of a service", chat(func(s *policy.Service) { s.DeadlineMS = 10 }), "services.chat.deadline_ms", "1000"},
		{"weight of the device", func(d *doc) { d.Weights.Heat = -1 }, "weights.temperature", "from 0 to 1000"},
		{"score", func(d *doc) { d.Score = &policy.Score{Errors: math.NaN()} }, "score.errors", "from 0 to 1000"},
		{"deadline", func(d *doc) { d.Limits.DeadlineMS = 999 }, "limits.deadline_ms", "1000"},
		{"silence", func(d *doc) { d.Limits.SilenceMS = 3_600_001 }, "limits.silence_ms", "3600000"},
	})
}

func TestValidateRules(t *testing.T) {
	type doc = policy.Document
	when := func(c policy.Condition) func(*doc) {
		return func(d *doc) {
			d.Rules = []policy.Rule{{Name: "r", When: c, Then: policy.Effect{Deny: []string{"cloud"}}}}
		}
	}
	then := func(name string, e policy.Effect) func(*doc) {
		return func(d *doc) { d.Rules = append(d.Rules, policy.Rule{Name: name, Then: e}) }
	}
	deny := policy.Effect{Deny: []string{"cloud"}}
	deep := policy.Condition{Field: "stream", Is: ptr(true)}
	for range 17 {
		deep = policy.Condition{Not: ptr(deep)}
	}
	checkProblems(t, []fault{
		{"too many rules", func(d *doc) { d.Rules = slices.Repeat([]policy.Rule{{Name: "r", Then: deny}}, 1001) }, "rules", "at most 1000"},
		{"rule without name", then("", deny), "rules[0].name", "lower case"},
		{"rule with a bad name", then("9Lives", deny), "rules[0].name", "lower case"},
		{"rule twice", func(d *doc) { then("a", deny)(d); then("a", deny)(d) }, "rules[1].name", "twice"},
		{"rule without effect", then("a", policy.Effect{}), "rules[0].then", "it needs deny, force"},
		{"effect on nothing known", then("a", policy.Effect{Prefer: []string{"cloud", "moon"}}), "rules[0].then.prefer[1]", `"moon"`},
		{"target without a name", then("a", policy.Effect{Deny: []string{"local/"}}), "rules[0].then.deny[0]", "local/NAME"},
		{"less private", then("a", policy.Effect{Privacy: "normal"}), "rules[0].then.privacy", "less private"},
		{"empty limit", then("a", policy.Effect{Limit: &policy.Limit{}}), "rules[0].then.limit", "is empty"},
		{"budget below", then("a", policy.Effect{Limit: &policy.Limit{BudgetMS: -1}}), "rules[0].then.limit.budget_ms", "one hour"},
		{"cost that is no number", then("a", policy.Effect{Limit: &policy.Limit{MaxCost: ptr(math.NaN())}}), "rules[0].then.limit.max_cost_usd", "from 0"},
		{"tokens above", then("a", policy.Effect{Limit: &policy.Limit{TokensOut: 1 << 30}}), "rules[0].then.limit.tokens_out", "1000000"},
		{"attempts above", then("a", policy.Effect{Limit: &policy.Limit{Attempts: 1000}}), "rules[0].then.limit.attempts", "100"},
		{"empty require", then("a", policy.Effect{Require: &policy.Require{}}), "rules[0].then.require", "is empty"},
		{"confidence above", then("a", policy.Effect{Require: &policy.Require{Confidence: 2}}), "rules[0].then.require.confidence", "from 0 to 1"},
		{"empty commit", then("a", policy.Effect{Commit: &policy.Commit{}}), "rules[0].then.commit", "is empty"},
		{"commit", then("a", policy.Effect{Commit: &policy.Commit{Cloud: "soon"}}), "rules[0].then.commit.cloud", "after_check"},
		{"dwell without until", func(d *doc) { d.Rules = []policy.Rule{{Name: "a", DwellMS: 5, Then: deny}} }, "rules[0].dwell_ms", "needs an until"},
		{"empty window", when(policy.Condition{Time: &policy.Window{}}), "rules[0].when.time", "is empty"},
		{"half a window", when(policy.Condition{Time: &policy.Window{From: "08:00"}}), "rules[0].when.time", "both"},
		{"window of nothing", when(policy.Condition{Time: &policy.Window{From: "08:00", To: "08:00"}}), "rules[0].when.time", "begins when it ends"},
		{"no time of the day", when(policy.Condition{Time: &policy.Window{From: "8:00", To: "17:00"}}), "rules[0].when.time.from", `such as "06:30"`},
		{"begins at midnight", when(policy.Condition{Time: &policy.Window{From: "24:00", To: "17:00"}}), "rules[0].when.time.from", `such as "06:30"`},
		{"no such minute", when(policy.Condition{Time: &policy.Window{From: "08:00", To: "17:60"}}), "rules[0].when.time.to", `such as "06:30"`},
		{"no day", when(policy.Condition{Time: &policy.Window{Days: []string{"Mo"}}}), "rules[0].when.time.days[0]", "sun, mon"},
		{"no zone", when(policy.Condition{Time: &policy.Window{Days: []string{"mon"}, Zone: "CET"}}), "rules[0].when.time.zone", "local or utc"},
		{"window and field", when(policy.Condition{Field: "stream", Is: ptr(true), Time: &policy.Window{Days: []string{"mon"}}}), "rules[0].when", "only one of"},
		{"time as a field", when(policy.Condition{Field: "time", GE: ptr(8.0)}), "rules[0].when.field", "time: {from"},
		{"two forms", when(policy.Condition{Field: "stream", Is: ptr(true), Not: &policy.Condition{}}), "rules[0].when", "only one of"},
		{"empty all", when(policy.Condition{All: []policy.Condition{}}), "rules[0].when.all", "is empty"},
		{"empty any", when(policy.Condition{Any: []policy.Condition{}}), "rules[0].when.any", "is empty"},
		{"unknown field", when(policy.Condition{All: []policy.Condition{{}, {Field: "moon", Is: ptr(true)}}}), "rules[0].when.all[1].field", "battery_pct"},
		{"no state of the network", when(policy.Condition{Field: "network", In: []string{"Online", "wifi"}}), "rules[0].when.in[1]", "unknown, online, metered, portal, degraded, offline"},
		{"no field", when(policy.Condition{Any: []policy.Condition{{LT: ptr(1.0)}}}), "rules[0].when.any[0].field", "is missing"},
		{"text as number", when(policy.Condition{Field: "task", LT: ptr(1.0)}), "rules[0].when", "in: [...]"},
		{"flag as text", when(policy.Condition{Field: "stream", In: []string{"yes"}}), "rules[0].when", "is:"},
		{"number as flag", when(policy.Condition{Field: "battery_pct", Is: ptr(true)}), "rules[0].when", "lt, le, gt or ge"},
		{"no comparison", when(policy.Condition{Field: "battery_pct"}), "rules[0].when", "lt, le, gt or ge"},
		{"no number", when(policy.Condition{Field: "battery_pct", GE: ptr(math.NaN())}), "rules[0].when", "NaN"},
		{"too deep", when(deep), "rules[0].when" + strings.Repeat(".not", 17), "deeper than 16"},
	})
}

func TestFieldsAreKnown(t *testing.T) {
	for _, field := range policy.Fields() {
		d := builtin(t)
		d.Rules = []policy.Rule{{Name: "r", When: policy.Condition{Field: field}, Then: policy.Effect{Deny: []string{"cloud"}}}}
		if bad := valid.Check(d); len(bad) != 1 || !strings.HasPrefix(bad[0].Message, field+" is ") {
			t.Errorf("%s: got %v", field, bad)
		}
	}
}

func TestValidateUntil(t *testing.T) {
	rule := func(edit func(*policy.Rule)) func(*policy.Document) {
		return func(d *policy.Document) {
			r := policy.Rule{
				Name: "r", When: policy.Condition{Field: "temperature_c", GE: ptr(80.0)},
				Until: &policy.Condition{Field: "temperature_c", LT: ptr(70.0)}, Then: policy.Effect{Deny: []string{"local"}},
			}
			edit(&r)
			d.Rules = []policy.Rule{r}
		}
	}
	checkProblems(t, []fault{
		{"dwell", rule(func(r *policy.Rule) { r.DwellMS = 1 << 40 }), "rules[0].dwell_ms", "one day"},
		{"no when", rule(func(r *policy.Rule) { r.When = policy.Condition{} }), "rules[0].when", "needs both"},
		{"empty until", rule(func(r *policy.Rule) { r.Until = &policy.Condition{} }), "rules[0].until", "needs both"},
		{"when tests the ask", rule(func(r *policy.Rule) { r.When = policy.Condition{Field: "task", In: []string{"code"}} }), "rules[0].when", "tests task"},
		{"until tests the ask", rule(func(r *policy.Rule) {
			r.Until = &policy.Condition{Not: &policy.Condition{Field: "stream", Is: ptr(true)}}
		}), "rules[0].until", "tests stream"},
		{"unknown field", rule(func(r *policy.Rule) { r.Until.Field = "moon" }), "rules[0].until.field", `"moon"`},
		{"wrong comparison", rule(func(r *policy.Rule) { r.Until.Is = ptr(true) }), "rules[0].until", "is a number"},
	})
}
