package judge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"nearside/agent/config/written"
	"nearside/agent/task"
	"nearside/cmd/nearside/judge"
	"nearside/policy"
	"nearside/policy/cases"
	"nearside/policy/decide"
	"nearside/policy/lint"
	"nearside/policy/seal"
)

func ptr[T any](x T) *T { return &x }

// fleet is a small model on the device, two usual cloud APIs, one that costs a
// hundred times more, one that takes nine seconds and one that cannot be asked.
func fleet() []policy.Target {
	all := cases.Fleet()
	for _, t := range []policy.Target{
		{Name: "cloud/dear", Usable: true, P50MS: ptr(900.0), P95MS: ptr(2500.0), Price: &policy.Price{Input: 40, Output: 160}},
		{Name: "cloud/slow", Usable: true, P50MS: ptr(9000.0), P95MS: ptr(20000.0), Price: &policy.Price{Input: 0.4, Output: 1.6}},
		{Name: "cloud/dead", Why: "its breaker is open", P50MS: ptr(900.0), Price: &policy.Price{Input: 0.4, Output: 1.6}},
	} {
		t.Services, t.ErrorRate = []string{"chat"}, ptr(0.0)
		all = append(all, t)
	}
	return all
}

var now = time.Date(2026, 6, 3, 12, 0, 0, 0, time.UTC)

// device is a device with the built-in policy.
func device(tb testing.TB) judge.Basis {
	own, _, _ := written.DefaultPolicy()
	b := judge.Basis{Own: own, Present: own, Signals: policy.Signals{Time: now, Network: "online", Targets: fleet()}, Known: lint.Known{Tasks: task.Names()}}
	for _, t := range b.Signals.Targets {
		b.Known.Targets = append(b.Known.Targets, t.Name)
	}
	return b
}

// past is what a device remembers, the latest first.
type past struct {
	records [][]byte
	places  map[string]int
	err     error
	read    int
}

func (p *past) Decisions(_ context.Context, limit int, before string) ([][]byte, error) {
	at := 0
	if before != "" {
		at = p.places[before] + 1
	}
	page := p.records[at:min(len(p.records), at+limit)]
	p.read += len(page)
	return page, p.err
}

// lately makes records of n asks, of every task in turn, as the daemon does; one
// a minute, so sure was the device of its answers.
func lately(tb testing.TB, b *judge.Basis, n int, sure float64) *past {
	p := &past{places: map[string]int{}}
	for i := range n {
		r := struct {
			ID   string    `json:"id"`
			Time time.Time `json:"time"`
			policy.Ask
			Signals policy.Signals `json:"signals"`
			policy.Plan
			Outcome map[string]any `json:"outcome"`
		}{ID: fmt.Sprintf("id%06d", n-i), Time: now.Add(-time.Duration(i) * time.Minute), Signals: b.Signals, Outcome: map[string]any{"route": "local", "total_ms": 400}}
		r.Ask = policy.Ask{
			Service: "chat", Model: "auto", Mode: "auto", Privacy: "normal", Task: task.Names()[i%4], DeadlineMS: 60_000,
			Size: policy.Size{Bytes: 300, TokensEst: 50, TokensOut: 512},
		}
		if sure > 0 {
			r.Outcome["confidence"] = sure
		}
		r.Plan = decide.Plan(b.Present, &r.Ask, &r.Signals)
		text, err := json.Marshal(r)
		if err != nil {
			tb.Fatal(err)
		}
		p.places[r.ID] = i
		p.records = append(p.records, text)
	}
	return p
}

// changed is the built-in policy with other text in some places and rules before
// its own.
func changed(rules string, swaps ...string) string {
	_, _, text := written.DefaultPolicy()
	text = strings.Replace(text, "version: 0", "version: 7", 1)
	text = strings.Replace(text, "\nrules:\n", "\nrules:\n"+rules, 1)
	for i := 0; i < len(swaps); i += 2 {
		if !strings.Contains(text, swaps[i]) {
			panic("no " + swaps[i] + " in the built-in policy")
		}
		text = strings.Replace(text, swaps[i], swaps[i+1], 1)
	}
	return text
}

func rule(fields string) string { return "  - {" + fields + "}\n" }

// TestPolicies: what may be wanted is taken, harm is not; with the asks of the
// last days and without.
func TestPolicies(t *testing.T) {
	const ladder, thresholds = "ladder: [cache, local, cloud, stale, refuse]", "confidence: {default: 0.25, smollm2-135m: 0.25}"
	for _, tt := range []struct {
		name   string
		body   string
		reason string // "" is taken
		detail string // of the refusal, a part; of one that is taken, of a warning
	}{
		{"the built-in one", changed(""), "", ""},
		{"the cloud first", changed("", "near: 0.4", "near: 0"), "", ""},
		{"the device first", changed("", "near: 0.4", "near: 1"), "", ""},
		{"no cloud", changed(rule("name: stay, then: {deny: [cloud]}")), "", ""},
		{"private at night", changed(rule(`name: night, when: {time: {from: "22:00", to: "06:00"}}, then: {privacy: private}`)), "", ""},
		{"a cap", changed(rule("name: cheap, then: {limit: {max_cost_usd: 0.0001}}")), "", ""},
		{"nothing where bytes cost", changed(rule("name: plan, when: {field: network, in: [metered]}, then: {deny: [local, cloud]}")), "", "would get nothing"},
		{"a stranger", changed(rule("name: other, then: {prefer: [cloud/elsewhere]}")), "", "policy:47:35: rules[0].then.prefer[0]: rule other names cloud/elsewhere, which this device does not have"},
		{"the second cloud", changed(rule("name: second, then: {prefer: [cloud/second]}")), "", ""},

		{"everything denied", changed(rule("name: none, then: {deny: [local, cloud]}")), judge.AnswersNothing, "rule_none"},
		{"everything denied in two rules", changed(rule("name: one, then: {deny: [local]}") + rule("name: two, when: {field: mode, in: [auto]}, then: {deny: [cloud]}")), judge.AnswersNothing, "rule_one"},
		{"no ladder", changed("", ladder, "ladder: [cache, stale, refuse]"), judge.AnswersNothing, "online"},
		{"a target elsewhere", changed(rule("name: away, then: {force: [cloud/elsewhere]}")), judge.AnswersNothing, "rule_away"},
		{"a dead target", changed(rule("name: dead, then: {force: [cloud/dead]}")), judge.AnswersNothing, "cloud/dead: its breaker is open"},
		{"the cloud alone", changed(rule("name: far, then: {force: [cloud]}")), judge.AnswersNothing, "offline"},
		{"no time", changed(rule("name: quick, then: {limit: {budget_ms: 1}}")), judge.Harmful, "unanswered"},
		{"a word", changed(rule("name: short, then: {limit: {tokens_out: 1}}")), judge.AnswersNothing, "answers of 1 tokens"},
		{"a hundred times as dear", changed(rule("name: dear, when: {field: network, in: [online]}, then: {force: [cloud/dear]}")), judge.Harmful, "cost 0.0"},
		{"slow", changed(rule("name: slow, when: {field: network, in: [online]}, then: {force: [cloud/slow]}")), judge.Harmful, "time "},
		{"a poor answer", changed(rule("name: near, then: {force: [local]}")), judge.Harmful, "poor local answers"},
		{"a poor answer taken as good", changed(rule("name: near, then: {prefer: [local]}"), thresholds, "confidence: {default: 0}"), judge.Harmful, "taken as good"},
		{"poor behind a pretext", changed(rule("name: stay, then: {deny: [cloud]}"), thresholds, "confidence: {default: 0}"), judge.Harmful, "taken as good"},
		{"poor, and praised", changed(rule("name: near, then: {force: [local]}"), "local: {default: 0.66, code: 0.1, math: 0.2, open: 0.4, long: 0.2, tools: 0.1, schema: 0.3}", "local: {default: 1}"), judge.Harmful, "poor local answers"},
	} {
		for _, recent := range []int{0, 300} {
			b := device(t)
			b.Recent = lately(t, &b, recent, 0)
			t.Run(fmt.Sprintf("%s, %d recent", tt.name, recent), func(t *testing.T) { check(t, tt.body, b, tt.reason, tt.detail) })
		}
	}
}

// check judges, and wants it refused for the reason, or taken, with the detail.
func check(t *testing.T, body string, b judge.Basis, reason, detail string) *judge.Judgement {
	t.Helper()
	j, err := judge.Check(t.Context(), body, b)
	if got := seal.Reason(err); got != reason || (err == nil) != (reason == "") {
		t.Fatalf("got %v, want %q", err, reason)
	}
	said := fmt.Sprint(err)
	if err == nil {
		said = strings.Join(j.Warnings, "\n")
	}
	if !strings.Contains(said, detail) {
		t.Errorf("got %s, want %q in it", said, detail)
	}
	if len(said) > 2000 && err != nil {
		t.Errorf("the detail has %d bytes", len(said))
	}
	return j
}
