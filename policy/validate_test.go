package policy_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"nearside/policy"
)

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
			bad := d.Validate()
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
		{"no confidence", func(d *doc) { d.Check.Confidence = nil }, "check.confidence.default", "is missing"},
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
		{"rule without effect", then("a", policy.Effect{}), "rules[0].then", "deny, force or prefer"},
		{"effect on nothing known", then("a", policy.Effect{Prefer: []string{"cloud", "moon"}}), "rules[0].then.prefer[1]", `"moon"`},
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
		if bad := d.Validate(); len(bad) != 1 || !strings.HasPrefix(bad[0].Message, field+" is ") {
			t.Errorf("%s: got %v", field, bad)
		}
	}
}

func FuzzValidate(f *testing.F) {
	d := builtin(f)
	for _, rules := range [][]policy.Rule{d.Rules, nil, {{
		Name: "a", When: policy.Condition{Not: &policy.Condition{Field: "task", In: []string{"math"}}}, Then: policy.Effect{Prefer: []string{"cloud"}},
	}}} {
		d.Rules = rules
		text, err := json.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"services":{"chat":{"ladder":["refuse"]}},"rules":[{"when":{"all":[{"all":[]}]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d policy.Document
		if json.Unmarshal(text, &d) != nil || len(d.Validate()) > 0 {
			return
		}
		s := street(t)
		s.doc = &d
		for name := range d.Services {
			s.Service = name
			p := s.live(t, "battery_pct", 4.0)
			if last := p.Steps[len(p.Steps)-1]; last.Kind != policy.StepRefuse || strings.Contains(fmt.Sprint(p), "NaN") {
				t.Fatalf("got %+v", p)
			}
		}
	})
}
