package judge_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"nearside/agent/config/remote"
	"nearside/cmd/nearside/judge"
	"nearside/policy"
	"nearside/policy/bind"
	"nearside/policy/seal"
)

// TestFaults: what cannot be read or meant is refused with line and field.
func TestFaults(t *testing.T) {
	with := func(tests string) string { return changed("") + "tests: {cases: [" + tests + "]}\n" }
	for _, tt := range []struct{ name, body, reason, detail string }{
		{"empty", "", judge.Invalid, "policy:1:1: "},
		{"no YAML", "version: [", judge.Invalid, "policy:1:10: "},
		{"a key twice", changed("", "version: 7", "version: 7\nversion: 8"), judge.Invalid, "policy:4:1: version: is there twice, first in line 3"},
		{"an unknown key", changed("", "version: 7", "verison: 7"), judge.Invalid, "policy:3:1: verison: unknown key; did you mean version?"},
		{"an alias", changed("", "version: 7", "version: &v 7\nx: *v"), judge.Invalid, "anchors (&), aliases (*)"},
		{"a second document", changed("") + "---\nversion: 1\n", judge.Invalid, "second document"},
		{"too deep", "version: " + strings.Repeat("[", 100), judge.Invalid, "nested too deep"},
		{"not UTF-8", "version: \xff", judge.Invalid, "is not UTF-8 text"},
		{"too long", "# " + strings.Repeat("x", seal.MaxBytes), judge.Invalid, "at most 65536 are taken"},
		{"out of bounds", changed("", "near: 0.4", "near: 4000"), judge.Invalid, "weights.near: 4000 must be a number from 0 to 1000"},
		{"never", changed(rule("name: x, when: {field: battery_pct, lt: 5, gt: 9}, then: {deny: [cloud]}")), judge.Invalid, "policy:47:15: rules[0].when: rule x can never match"},
		{"against itself", changed(rule("name: x, then: {force: [cloud], deny: [cloud]}")), judge.Invalid, "rules[0].then: rule x forces cloud and denies the same"},
		{"tests that hold", with("{name: near, want: {route: local}}, {name: far, ask: {mode: cloud}, want: {route: cloud}}"), "", ""},
		{"a test that fails", with("{name: near, want: {route: local}}, {name: far, want: {route: cloud}}"), judge.FailsOwnTests, "tests.cases[1]: far: route: got local, want cloud"},
		{"a test that tests nothing", with("{name: near, want: {}}"), judge.Invalid, "tests.cases[0].want: is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if j := check(t, tt.body, device(t), tt.reason, tt.detail); j != nil && j.Tests != 2 {
				t.Errorf("%d tests hold, want 2", j.Tests)
			}
		})
	}
}

// TestBound: what the judge gives back is bound by the device's own policy, and
// was judged as that.
func TestBound(t *testing.T) {
	b := device(t)
	own := *b.Own
	own.Rules = append([]policy.Rule{{Name: "cap", Then: policy.Effect{Limit: &policy.Limit{MaxCost: ptr(0.01)}}}}, own.Rules...)
	b.Own, b.Present = &own, &own
	dear := changed(rule("name: dear, then: {prefer: [cloud/dear]}"))
	j := check(t, dear, b, "", "")
	if j.Doc.Rules[0].Name != "cap" || j.Written.Rules[0].Name != "dear" {
		t.Errorf("rules begin with %s and %s, want cap and dear", j.Doc.Rules[0].Name, j.Written.Rules[0].Name)
	}
	b.Switches = bind.Switches{CloudOff: true}
	if j := check(t, dear, b, "", ""); j.Doc.Rules[0].Name != bind.CloudOff {
		t.Errorf("rules begin with %s, want the switch", j.Doc.Rules[0].Name)
	}
	many := strings.Builder{}
	for i := range 996 {
		fmt.Fprintf(&many, "  - {name: r%d, then: {prefer: [cloud]}}\n", i)
	}
	b = device(t)
	own.Rules = append([]policy.Rule(nil), b.Present.Rules...)
	for i := range 10 {
		own.Rules = append(own.Rules, policy.Rule{Name: fmt.Sprintf("own%d", i), Then: policy.Effect{Privacy: policy.Private}})
	}
	b.Own = &own
	body := changed("")
	body = body[:strings.Index(body, "\nrules:")] + "\nrules:\n" + many.String()
	check(t, body, b, judge.Invalid, "rules: 1006 with those of this device")
}

// TestLimits: the device sets how far a policy may go.
func TestLimits(t *testing.T) {
	dear := changed(rule("name: dear, then: {prefer: [cloud/dear]}"))
	near := changed("", "near: 0.4", "near: 5")
	for _, tt := range []struct {
		name, body string
		change     func(*remote.Limits)
		reason     string
		detail     string
	}{
		{"dear, as usual", dear, func(*remote.Limits) {}, judge.Harmful, "cost"},
		{"dear, by factor", dear, func(l *remote.Limits) { l.CostFactor = 1e6 }, "", ""},
		{"dear, by amount", dear, func(l *remote.Limits) { l.CostUSD = 1 }, "", ""},
		{"nearer, as usual", near, func(*remote.Limits) {}, "", ""},
		{"nearer, and that is to stay", near, func(l *remote.Limits) { l.LocalShare = 5 }, judge.Harmful, "local share"},
	} {
		b := device(t)
		l := remote.DefaultLimits()
		tt.change(&l)
		b.Limits = &l
		t.Run(tt.name, func(t *testing.T) { check(t, tt.body, b, tt.reason, tt.detail) })
	}
}

// TestRecent: what was asked lately tells more than ordinary asks.
func TestRecent(t *testing.T) {
	lower := changed("", "near: 0.4", "near: 5", "confidence: {default: 0.25, smollm2-135m: 0.25}", "confidence: {default: 0.2}")
	b := device(t)
	check(t, lower, b, "", "")
	for _, tt := range []struct {
		name   string
		recent *past
		reason string
		asks   int
	}{
		{"too few", lately(t, &b, 19, 0.22), "", 19},
		{"all were less sure than now demanded", lately(t, &b, 20, 0.22), judge.Harmful, 0},
		{"all were sure", lately(t, &b, 20, 0.9), "", 20},
		{"a sample of many", lately(t, &b, 2000, 0.9), "", 128},
		{"from long ago", &past{records: lately(t, &b, 10_200, 0.22).records[10_100:]}, "", 0},
		{"not to be read", &past{records: [][]byte{[]byte("{}"), []byte("[")}}, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := b
			b.Recent = tt.recent
			j := check(t, lower, b, tt.reason, "")
			past, err := judge.Remember(t.Context(), b.Recent, b.Signals.Time)
			if err != nil {
				t.Fatal(err)
			}
			ahead := b
			ahead.Past, ahead.Recent = past, nil
			if same := check(t, lower, ahead, tt.reason, ""); !reflect.DeepEqual(same, j) {
				t.Errorf("read ahead: got %+v, want %+v", same, j)
			}
			if j != nil && j.Recent != tt.asks {
				t.Errorf("%d asks were planned again, want %d", j.Recent, tt.asks)
			}
			if tt.recent.read > 2*128 {
				t.Errorf("%d records were read", tt.recent.read)
			}
		})
	}
	others := lately(t, &b, 100, 0.22)
	b.Signals.Targets = append(b.Signals.Targets, policy.Target{Name: "cloud/new", Services: []string{"chat"}, Usable: true, Price: &policy.Price{Input: 0.4, Output: 1.6}})
	b.Recent = others
	if j := check(t, changed(rule("name: new, then: {prefer: [cloud/new]}")), b, "", ""); j.Recent != 0 {
		t.Errorf("%d asks from before there was cloud/new count", j.Recent)
	}
	b.Recent = &past{err: errors.New("disk on fire")}
	if _, err := judge.Check(t.Context(), lower, b); err == nil || seal.Reason(err) != "" {
		t.Errorf("a past that cannot be read: got %v, want an error that is no refusal", err)
	}
}

// TestSameAgain: the same basis gives the same, and is left as it was.
func TestSameAgain(t *testing.T) {
	b := device(t)
	b.Recent = lately(t, &b, 60, 0.5)
	before := device(t)
	one, err := judge.Check(t.Context(), changed(""), b)
	two, again := judge.Check(t.Context(), changed(""), b)
	if err != nil || again != nil || !reflect.DeepEqual(one, two) {
		t.Errorf("got %+v, %v, then %+v, %v", one, err, two, again)
	}
	if !reflect.DeepEqual(b.Signals, before.Signals) || !reflect.DeepEqual(b.Present, before.Present) {
		t.Error("the basis was changed")
	}
	if len(one.Evidence) != 24 || one.Recent != 60 || one.Asks == 0 {
		t.Errorf("got %d lines of evidence of %d and %d asks, want 24 of ordinary and 60 recent ones", len(one.Evidence), one.Asks, one.Recent)
	}
	b.Signals.Time = now.Add(-time.Hour)
	if _, err := judge.Check(t.Context(), changed(""), b); err != nil {
		t.Errorf("an hour before the records: %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	for _, body := range []string{changed(""), changed(rule("name: x, then: {force: [local]}")), changed("") + "tests: {cases: [{name: a, want: {route: local}}]}\n", "version: 1", "{"} {
		f.Add(body)
	}
	b := device(f)
	b.Recent = lately(f, &b, 30, 0.3)
	f.Fuzz(func(t *testing.T, body string) {
		j, err := judge.Check(t.Context(), body, b)
		if (err == nil) == (j == nil) || err != nil && seal.Reason(err) == "" {
			t.Fatalf("got %+v, %v", j, err)
		}
		if err == nil && j.Doc.Rules == nil && j.Written.Rules != nil {
			t.Fatal("rules were lost")
		}
	})
}

// BenchmarkCheck judges a policy of 16 KiB with 70 rules where 2,000 asks are
// remembered.
func BenchmarkCheck(b *testing.B) {
	rules := strings.Builder{}
	for i := 0; rules.Len() < 13<<10; i++ {
		fmt.Fprintf(&rules, "  - name: r%d\n    when: {all: [{field: task, in: [math, code]}, {field: battery_pct, lt: %d}, {field: caller, in: [caller%d]}]}\n    then: {prefer: [cloud/second]}\n", i, i%90+1, i)
	}
	body := changed(rules.String())
	basis := device(b)
	basis.Recent = lately(b, &basis, 2000, 0.5)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := judge.Check(b.Context(), body, basis); err != nil {
			b.Fatal(err)
		}
	}
}

// TestCreep: no number of steps, each small enough, leads far from the device's
// own policy, and none can praise its own tables for the next one to be judged
// by. What is as far as it was may stay, and the way back is open.
func TestCreep(t *testing.T) {
	const tables, thresholds = "local: {default: 0.66, code: 0.1, math: 0.2, open: 0.4, long: 0.2, tools: 0.1, schema: 0.3}", "confidence: {default: 0.25, smollm2-135m: 0.25}"
	b := device(t)
	praised := check(t, changed("", tables, "local: {default: 0.95}", "near: 0.4", "near: 0"), b, "", "")
	b.Present = praised.Doc
	all := changed(rule("name: near, then: {force: [local]}"), tables, "local: {default: 0.95}", thresholds, "confidence: {default: 0}")
	check(t, all, b, judge.Harmful, "against this device's own policy")
	check(t, changed(rule("name: stay, then: {deny: [cloud]}")), b, "", "")
	check(t, changed(""), b, "", "")
	far, err := judge.Check(t.Context(), all, judge.Basis{Own: b.Present, Present: b.Present, Signals: b.Signals, Known: b.Known})
	if err != nil {
		t.Fatalf("by its own tables alone it is good: %v", err)
	}
	b.Present = far.Doc // as it was, however it came to be
	check(t, all, b, "", "")
	check(t, changed(""), b, "", "")
}
