package lint_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nearside/agent/config/policies"
	"nearside/agent/config/written"
	"nearside/agent/task"
	"nearside/policy"
	"nearside/policy/lint"
)

const sound = `{"version":1,
"services":{"chat":{"ladder":["cache","local","cloud","stale","refuse"],"fresh":"repeatable","commit":{"local":"after_8_tokens","cloud":"first_token"}}},
"weights":{"quality":1,"near":0.4},
"quality":{"local":{"default":0.6,"math":0.2},"cloud":{"default":0.9}},
"check":{"confidence":{"default":0.25,"small":0.25}},
"limits":{"deadline_ms":60000,"attempt_ms":10000,"silence_ms":30000}}`

var known = lint.Known{
	Targets: []string{"local/small", "cloud/first", "cloud/second"}, Tasks: []string{"chat", "math", "code"}, Calibrated: []string{"small"},
}

// document is a sound one with rules, after what the edits change in its text.
func document(t *testing.T, rules string, edits ...string) *policy.Document {
	t.Helper()
	d := &policy.Document{}
	if err := json.Unmarshal([]byte(strings.NewReplacer(edits...).Replace(sound)), d); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte("["+rules+"]"), &d.Rules); err != nil {
		t.Fatalf("%s: %v", rules, err)
	}
	return d
}

// findings writes what is found, a line each: severity, path, message.
func findings(d *policy.Document) string {
	var lines []string
	for _, f := range lint.Check(d, known) {
		lines = append(lines, fmt.Sprintf("%s %s: %s", f.Severity, f.Path, f.Message))
	}
	return strings.Join(lines, "\n")
}

func rule(name, when, then string) string {
	return fmt.Sprintf(`{"name":%q,"when":%s,"then":%s}`, name, when, then)
}

func held(name, when, until, then string) string {
	return fmt.Sprintf(`{"name":%q,"when":%s,"until":%s,"then":%s}`, name, when, until, then)
}

const (
	low   = `{"field":"battery_pct","lt":20}`
	empty = `{"field":"battery_pct","lt":5}`
	full  = `{"field":"battery_pct","ge":30}`
	math  = `{"field":"task","in":["math"]}`
	code  = `{"field":"task","in":["code"]}`
)

func TestRules(t *testing.T) {
	f := func(want string, rules ...string) {
		t.Helper()
		got := findings(document(t, strings.Join(rules, ",")))
		if want == "" && got != "" || !strings.Contains(got, want) || strings.Count(got, "\n") > 0 {
			t.Errorf("%s\ngot  %q\nwant %q", rules, got, want)
		}
	}
	f("", rule("a", math, `{"deny":["local"]}`), held("b", low, full, `{"prefer":["cloud"]}`))
	f("error rules[0].when: rule a can never match", rule("a", `{"all":[`+math+`,`+code+`]}`, `{"deny":["local"]}`))
	f("error rules[0].when: rule a can never match", rule("a", `{"field":"battery_pct","gt":100}`, `{"deny":["local"]}`))
	f("warning rules[0].when: rule a always matches", rule("a", `{"any":[`+math+`,{"not":`+math+`}]}`, `{"deny":["local"]}`))
	f("", rule("a", `{}`, `{"prefer":["local"]}`))
	f("warning rules[0].when.any[1]: this part can never hold", rule("a", `{"any":[`+math+`,{"field":"battery_pct","lt":0}]}`, `{"deny":["local"]}`))
	f(`warning rules[0].when.in[0]: no ask is of the class "maths"`, rule("a", `{"field":"task","in":["maths"]}`, `{"deny":["local"]}`))
	f("error rules[0].then.force[0]: rule a names cloud/thrid", rule("a", math, `{"force":["cloud/thrid"]}`))
	f("error rules[0].then: rule a forces cloud/first and denies the same", rule("a", math, `{"force":["cloud/first"],"deny":["cloud"]}`))
	f("error rules[0].then: rule a prefers local and denies the same", rule("a", math, `{"prefer":["local"],"deny":["local"]}`))

	f("error rules[0].then: rule a makes the ask private and forces cloud/first", rule("a", math, `{"privacy":"private","force":["cloud/first"]}`))
	f("warning rules[0].then.prefer: rule a makes the ask private and prefers cloud", rule("a", math, `{"privacy":"private","prefer":["cloud"]}`))
	f("", rule("a", math, `{"privacy":"private","prefer":["local"]}`))
	f("warning rules[0].then.deny: rule a denies everybody, always", rule("a", `{}`, `{"deny":["local","cloud"]}`))
	f("", rule("a", math, `{"deny":["local","cloud"]}`))
	f("warning rules[0].then.require.confidence: rule a requires 0.2, and every threshold is at least 0.25", rule("a", math, `{"require":{"confidence":0.2}}`))
	f("", rule("a", math, `{"require":{"confidence":0.3}}`))
	f("error rules[0].when: rule a can never match", rule("a", `{"all":[{"time":{"from":"08:00","to":"12:00"}},{"time":{"from":"13:00","to":"20:00"}}]}`, `{"deny":["local"]}`))
	f("", rule("a", `{"all":[{"time":{"from":"08:00","to":"14:00"}},{"time":{"from":"13:00","to":"20:00"}}]}`, `{"deny":["local"]}`))

	f("error rules[0].until: rule a can never end", held("a", low, `{"field":"battery_pct","gt":50,"lt":40}`, `{"deny":["local"]}`))
	f("error rules[0].until: the band of rule a is inverted: with battery_pct=", held("a", low, `{"field":"battery_pct","ge":15}`, `{"deny":["local"]}`))
	f("warning rules[0].until: the band of rule a is empty", held("a", low, `{"field":"battery_pct","ge":20}`, `{"deny":["local"]}`))
	f("", strings.Replace(held("a", low, `{"field":"battery_pct","ge":20}`, `{"deny":["local"]}`), "{", `{"dwell_ms":30000,`, 1))
	f("", held("a", `{"field":"charging","is":false}`, `{"field":"charging","is":true}`, `{"deny":["local"]}`))

	f("warning rules[1]: rule b changes nothing: whenever it holds, rule a does too and denies these targets already",
		rule("a", low, `{"deny":["local"]}`), rule("b", empty, `{"deny":["local/small"]}`))
	f("", rule("a", empty, `{"deny":["local"]}`), rule("b", low, `{"deny":["local"]}`))
	f("", rule("a", low, `{"deny":["local"]}`), held("b", empty, full, `{"deny":["local"]}`)) // b is in force for longer
	f("warning rules[1]: rule b changes nothing", held("a", low, full, `{"deny":["local"]}`),
		held("b", empty, `{"field":"battery_pct","ge":8}`, `{"deny":["local"]}`))
	f("and forces others already", rule("a", math, `{"force":["cloud"]}`), rule("b", math, `{"prefer":["local"]}`))
	f("", rule("a", math, `{"deny":["cloud/first"]}`), rule("b", math, `{"deny":["cloud"]}`))

	f("", rule("a", low, `{"deny":["local"]}`), rule("b", empty, `{"deny":["local"],"limit":{"attempts":1}}`))
	f("rules a and b make the ask private and force the cloud: nobody may be asked with battery_pct=0, task=math",
		rule("a", low, `{"force":["cloud"]}`), rule("b", math, `{"privacy":"private"}`))
	f("rules a and b deny the device and the cloud", rule("a", low, `{"deny":["local"]}`), rule("b", math, `{"deny":["cloud"]}`))
	f("warning rules[1].then: rules a and b force different targets: nobody may be asked with task=math, battery_pct=0",
		rule("a", math, `{"force":["cloud"]}`), rule("b", low, `{"force":["local/small"]}`))
	f("", rule("a", math, `{"force":["cloud"]}`), rule("b", code, `{"force":["local"]}`))
	f("deny what the other forces", rule("a", math, `{"force":["cloud/first"]}`), rule("b", low, `{"deny":["cloud"]}`))
	f("deny what the other forces", rule("a", low, `{"deny":["cloud"]}`), rule("b", math, `{"force":["cloud"]}`))
}

func TestSettings(t *testing.T) {
	f := func(want string, edits ...string) {
		t.Helper()
		if got := findings(document(t, "", edits...)); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s\ngot  %q\nwant %q", edits, got, want)
		}
	}
	f("")
	f("error services.chat.ladder: must end with refuse", `,"refuse"]`, `]`)
	f("warning services.chat.ladder: asks nobody", `"local","cloud",`, "")
	f("warning services.chat.ladder: is not in the order", `"cache","local","cloud","stale"`, `"stale","cache","local","cloud"`)
	f("", `"local","cloud"`, `"cloud","local"`)
	f("warning services.chat.ladder: chat has no default reply", `"stale",`, `"stale","default",`)
	f("warning services.chat.fresh: answers are fresh always", `"cache",`, "", "repeatable", "always")
	f("warning weights: all are 0", `"quality":1,"near":0.4`, "")
	f("warning limits.attempt_ms: one attempt may take 70000 ms", `"attempt_ms":10000`, `"attempt_ms":70000`)
	f("warning services.chat.ladder[0]: cache is never taken: the service is critical", `"fresh":`, `"critical":true,"fresh":`)
	f("warning services.chat.ladder[3]: stale is never taken", `"fresh":`, `"critical":true,"fresh":`)
	f("warning services.chat.commit.local: after_8_tokens is overruled", `"fresh":`, `"critical":true,"fresh":`)
	f("warning score: no service has balance: score", `"version":1`, `"version":1,"score":{"latency":1}`)
	f(`warning check.budget.maths: no ask is of the class "maths"`, `"check":{`, `"check":{"budget":{"default":0.1,"maths":0.1},`)
	f(`warning quality.local.maths: no ask is of the class "maths"`, `"math":`, `"maths":`)
	f("warning check.confidence.large: the threshold 0.7 of large was never measured", `"default":0.25`, `"default":0.25,"large":0.7`)
	f("there is no local model large", `"default":0.25`, `"default":0.25,"large":0.7`)
}

// TestProfiles: the policies that are built in have nothing wrong with them.
func TestProfiles(t *testing.T) {
	for _, name := range policies.Names() {
		doc, _, _, err := written.Profile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range lint.Check(doc, lint.Known{Tasks: task.Names(), Calibrated: []string{"smollm2-135m"}}) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestThresholdOfTheOthers(t *testing.T) {
	k := known
	k.Targets = append([]string{"local/odd"}, k.Targets...)
	got := lint.Check(document(t, ""), k)
	if len(got) != 1 || got[0].Path != "check.confidence.default" || !strings.Contains(got[0].Message, "serves for odd too") || lint.Worst(got) != lint.Warning {
		t.Errorf("got %+v", got)
	}
	if got := lint.Check(document(t, "", `"small":0.25`, `"odd":0.9`), lint.Known{}); got != nil || lint.Worst(got) != "" {
		t.Errorf("where nothing is known: %+v", got)
	}
}

// TestPatience: rules that are made to take long end with a word about it.
func TestPatience(t *testing.T) {
	d := document(t, "")
	for i := range 300 {
		var all []policy.Condition
		for k, field := range []string{"cpu_pct", "battery_pct", "pressure_pct", "temperature_c", "disk_free_mb", "mem_available_mb"} {
			low, high := float64(i%50), float64(i%50+k+1)
			all = append(all, policy.Condition{Any: []policy.Condition{{Field: field, LT: &low}, {Field: field, GT: &high}}})
		}
		d.Rules = append(d.Rules, policy.Rule{Name: fmt.Sprintf("r%d", i), When: policy.Condition{All: all}, Then: policy.Effect{Deny: []string{"local"}}})
	}
	if got := findings(d); !strings.Contains(got, "warning rules: are too many to compare all of them") {
		t.Errorf("got %.300s", got)
	}
}

func BenchmarkCheckThousandRules(b *testing.B) {
	d := &policy.Document{}
	if err := json.Unmarshal([]byte(sound), d); err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		limit := float64(i) / 10
		d.Rules = append(d.Rules, policy.Rule{
			Name: fmt.Sprintf("r%d", i), When: policy.Condition{Field: "battery_pct", LT: &limit}, Then: policy.Effect{Deny: []string{"local"}},
		})
	}
	for b.Loop() {
		lint.Check(d, known)
	}
}
