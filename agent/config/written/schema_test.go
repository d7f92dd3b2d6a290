package written_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"nearside/agent/config/policies"
	"nearside/agent/config/written"
	"nearside/agent/schema"
	"nearside/policy"
	"nearside/policy/cases"
)

// fits tells what the published schema says of a policy in YAML.
func fits(t *testing.T, s *schema.Schema, text string) error {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Check(asJSON)
}

func policySchema(t *testing.T) *schema.Schema {
	t.Helper()
	s, err := schema.Compile([]byte(policies.Schema))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemaIsPublished(t *testing.T) {
	page, err := os.ReadFile("../../../docs/policy.schema.json")
	if err != nil || string(page) != policies.Schema {
		t.Errorf("docs/policy.schema.json is not agent/config/policies/schema.json: %v; copy it", err)
	}
}

// TestSchemaAndValidatorAgree: what is good is good for both, and what is bad bad.
func TestSchemaAndValidatorAgree(t *testing.T) {
	s := policySchema(t)
	f := func(name, text string, good bool) {
		t.Helper()
		_, _, err := written.LoadPolicy(writePolicy(t, text))
		if bad := fits(t, s, text); (err == nil) != good || (bad == nil) != good {
			t.Errorf("%s: the validator says %v, the schema says %v", name, err, bad)
		}
	}
	for _, name := range policies.Names() {
		text, _ := policies.Text(name)
		f(name, text, true)
	}
	rule := func(fields string) string {
		return strings.Replace(goodPolicy, "rules: []", "rules: [{name: r, "+fields+"}]", 1)
	}
	when := func(fields string) string { return rule("when: {" + fields + "}, then: {deny: [cloud]}") }
	then := func(fields string) string { return rule("then: {" + fields + "}") }
	tests := func(oneCase string) string { return goodPolicy + "tests: {cases: [{" + oneCase + "}]}\n" }
	for _, text := range []string{
		goodPolicy, when(""), when("field: task, in: [math]"), when("field: network, in: [Offline]"), when("field: battery_pct, lt: 20, ge: 5"),
		when("field: stream, is: true"), when("not: {field: p_in_scope, ge: 0.5}"), when("all: [{}, {any: [{field: caller, in: [a]}]}]"),
		when(`time: {from: "22:00", to: "24:00", days: [mon], zone: utc}`), when("time: {days: [sat, sun]}"),
		rule("when: {field: cpu_pct, ge: 1}, until: {field: cpu_pct, lt: 1}, dwell_ms: 5, then: {deny: [cloud]}"),
		then("force: [local/a], prefer: [cloud/b]"), then("privacy: private"), then("limit: {budget_ms: 5, max_cost_usd: 0, tokens_out: 5, attempts: 1}"),
		then("require: {confidence: 0.5, schema: true, verified: true}"), then("commit: {cloud: after_1000_tokens}"),
		goodPolicy + "score: {latency: 1, errors: 0, load: 0.5}\n", tests("name: a, want: {route: local}"),
		tests(`name: a, ask: {task: math, privacy: private, size: {bytes: 5}}, signals: {network: offline, battery_pct: 5}, time: "2026-01-01T00:00:00Z", want: {steps: [local, refuse]}`),
		tests("name: a, targets: [{name: local/a, p50_ms: 5, price: {input: 1, output: 2}}], down: [local/a], held: [], want: {route: none, not_chosen: {local/a: asked}}"),
	} {
		f(text, text, true)
	}
	change := func(old, now string) string { return strings.Replace(goodPolicy, old, now, 1) }
	for _, text := range []string{
		change("version: 0", "version: -1"), change("version: 0", "version: one"), change("version: 0", "verison: 0"), change("  chat:", "  talk:"),
		change("[local, cloud, refuse]", "[local, cloud]"), change("[local, cloud, refuse]", "[]"), change("[local, cloud, refuse]", "[local, local, refuse]"),
		change("[local, cloud, refuse]", "[far, refuse]"), change("repeatable", "often"), change("after_8_tokens", "after_0_tokens"), change("after_8_tokens", "after_1001_tokens"),
		change("local: after_8_tokens, ", ""), change("fresh: repeatable", "fresh: repeatable\n    balance: dice"), change("fresh: repeatable", "fresh: repeatable\n    critical: maybe"),
		change("fresh: repeatable", "fresh: repeatable\n    stale_max_s: -1"), change("fresh: repeatable", "fresh: repeatable\n    deadline_ms: 5"),
		change("near: 0.4", "near: -1"), change("near: 0.4", "near: 1001"), change("near: 0.4", "battery: x"), change("near: 0.4", "nera: 1"),
		change("{default: 0.6}", "{chat: 0.6}"), change("{default: 0.6}", "{default: 2}"), change("{default: 0.2}", "{default: -1}"),
		change("check:", "check:\n  skip: 2"), change("check:", "check:\n  budget: {chat: 0.1}"), change("60000", "999"), change("30000", "3600001"),
		goodPolicy + "score: {latency: -1}\n", goodPolicy + "tests: {}\n", goodPolicy + "tests: {cases: []}\n", tests("want: {route: local}"), tests("name: a"), tests("name: a, want: {}"),
		tests("name: a, want: {route: moon}"), tests("name: a, ask: {mode: far}, want: {route: local}"), tests("name: a, asks: {}, want: {route: local}"),
		tests("name: a, targets: [{name: moon}], want: {route: local}"), tests("name: a, targets: [{name: local/a, error_rate: 2}], want: {route: local}"),
		when("field: moon, is: true"), when("field: task, lt: 1"), when("field: stream, in: [yes]"), when("field: battery_pct"), when("field: network, in: [wifi]"),
		when("all: []"), when("any: []"), when("field: task, in: [a], not: {}"), when("lt: 1"), when("time: {}"), when(`time: {from: "08:00"}`),
		when(`time: {from: "8:00", to: "17:00"}`), when(`time: {from: "24:00", to: "17:00"}`), when("time: {days: [Mo]}"), when("time: {days: [mon], zone: CET}"),
		when("field: time, ge: 8"), rule("when: {}, dwell_ms: 5, then: {deny: [cloud]}"), rule("until: {field: cpu_pct, lt: 1}, then: {deny: [cloud]}"),
		then(""), then("deny: [moon]"), then("deny: [local/]"), then("privacy: normal"), then("limit: {}"), then("limit: {attempts: -1}"), then("limit: {attempts: 101}"),
		then("limit: {max_cost_usd: -1}"), then("require: {}"), then("require: {confidence: 2}"), then("commit: {}"), then("commit: {cloud: soon}"),
		strings.Replace(then("deny: [cloud]"), "name: r", "name: R", 1), strings.Replace(then("deny: [cloud]"), "name: r, ", "", 1),
	} {
		f(text, text, false)
	}
}

// TestSchemaKnowsEveryField: the schema has the fields of the document's types,
// and no others.
func TestSchemaKnowsEveryField(t *testing.T) {
	var doc struct {
		Properties map[string]any
		Defs       map[string]map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(policies.Schema), &doc); err != nil {
		t.Fatal(err)
	}
	top := func(name string) any { return doc.Properties[name].(map[string]any)["properties"] }
	in := func(def string) any { return doc.Defs[def]["properties"] }
	below := func(def, name string) any { return in(def).(map[string]any)[name].(map[string]any)["properties"] }
	for _, tt := range []struct {
		of     any
		schema any
	}{
		{struct {
			policy.Document
			Tests *cases.File `json:"tests"`
		}{}, doc.Properties}, {policy.Weights{}, top("weights")}, {policy.Quality{}, top("quality")}, {policy.Check{}, top("check")},
		{policy.Score{}, top("score")}, {policy.Limits{}, top("limits")}, {policy.Service{}, in("service")}, {policy.Commit{}, in("commit")},
		{policy.Rule{}, in("rule")}, {policy.Effect{}, in("effect")}, {policy.Limit{}, below("effect", "limit")}, {policy.Require{}, below("effect", "require")},
		{policy.Window{}, in("window")}, {policy.Condition{}, forms(doc.Defs["condition"])},
		{cases.File{}, top("tests")}, {cases.Case{}, in("case")}, {cases.Want{}, below("case", "want")}, {policy.Ask{}, in("ask")}, {policy.Size{}, below("ask", "size")},
		{policy.Needs{}, below("ask", "needs")}, {policy.Caching{}, below("ask", "cache_control")}, {policy.Target{}, in("target")}, {policy.Price{}, below("target", "price")},
	} {
		got, want := slices.Sorted(maps.Keys(tt.schema.(map[string]any))), namesOf(reflect.TypeOf(tt.of))
		if !slices.Equal(got, want) {
			t.Errorf("%T: the schema has %v, the type %v", tt.of, got, want)
		}
	}
}

// TestSchemaKnowsEveryTest: every field that a condition may test is in it.
func TestSchemaKnowsEveryTest(t *testing.T) {
	s := policySchema(t)
	for _, field := range policy.Fields() {
		test := map[string]string{policy.KindText: "in: [online]", policy.KindNumber: "ge: 1", policy.KindFlag: "is: true"}[policy.FieldKind(field)]
		text := strings.Replace(goodPolicy, "rules: []", "rules: [{name: r, when: {field: "+field+", "+test+"}, then: {deny: [cloud]}}]", 1)
		if err := fits(t, s, text); err != nil {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// forms are the properties of all forms of a condition.
func forms(condition map[string]any) any {
	all := map[string]any{}
	for _, form := range condition["oneOf"].([]any) {
		maps.Copy(all, form.(map[string]any)["properties"].(map[string]any))
	}
	return all
}

// namesOf lists the JSON names of a struct, sorted.
func namesOf(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if t.Field(i).Anonymous {
			names = append(names, namesOf(t.Field(i).Type)...)
			continue
		}
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
