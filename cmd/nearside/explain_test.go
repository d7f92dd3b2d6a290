package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"nearside/agent"
)

// TestExplain: the command names the rule, its tests and what would change the
// route, and explains what was decided again.
func TestExplain(t *testing.T) {
	t.Parallel()
	h := needyHouse(t, `cloud: {targets: [{name: first, kind: openai, base_url: "https://api.example.invalid/v1", models: {chat: some-model}}]}`)
	f := func(code int, want []string, args ...string) string {
		t.Helper()
		out, err := h.command(append([]string{"explain"}, args...)...).CombinedOutput()
		if codeOfProcess(err) != code {
			t.Errorf("%q: code %d, want %d: %s", args, codeOfProcess(err), code, out)
		}
		for _, w := range want {
			if !strings.Contains(string(out), w) {
				t.Errorf("%q: got\n%s\nwant %q", args, out, w)
			}
		}
		return string(out)
	}
	f(0, []string{
		"rule low_battery is in force: prefers cloud (cloud/first)", "battery_pct 8 < 20: holds", "charging",
		"local/fake-model goes first: ", "not cloud/first: the network is offline",
		"cloud/first would go first if the network were online or metered or degraded",
		"no target would be asked (rule_battery_critical) if battery_pct were below 5",
	}, "--set", "network=offline", "--set", "battery=8", "--set", "charging=false", "What is the capital of France?")
	f(0, []string{"utility           quality     near  latency", "  = sum", "cloud/first: utility 0.8", "below that of local/fake-model, most of all by near (0.400)"}, "hello")
	f(2, []string{`"batery" is not a signal; did you mean battery_pct? known are cpu_pct`}, "--set", "batery=8", "hello")
	f(2, []string{"battery and battery_pct are one signal"}, "--set", "battery=8", "--set", "battery_pct=9", "hello")

	r := h.goes("to be explained", "local/fake-model", "local_first")
	id := h.record(r).ID
	f(0, []string{"decision " + id, ": the plan is the same now"}, "--decision", id)
	h.write("record.json", string(h.get("/v1/decisions/"+id)))
	f(0, []string{"decision " + id, "rule hot_critical is in force"}, "--ask", filepath.Join(h.dir, "record.json"), "--set", "temperature=97")
	f(2, []string{"no decision with this id"}, "--decision", "none")
	f(2, []string{"beside --ask or --decision"}, "--decision", id, "hello")

	h.write("ask.json", `{"model":"cloud","messages":[{"role":"user","content":"hi"}]}`)
	f(0, []string{"1. cloud", "local/fake-model would go first if the mode were auto or local"}, "--ask", filepath.Join(h.dir, "ask.json"))
	h.write("other.yaml", strings.Replace(trusting(t), "near: 0.4", "near: 0.0", 1))
	f(0, []string{"1. cloud", "policy 0@"}, "--policy", filepath.Join(h.dir, "other.yaml"), "hello")
	f(0, []string{"policy 0@", "local/fake-model goes first"}, "--policy", "profile:car", "hello")
	f(2, []string{"there is no profile", "car"}, "--policy", "profile:boat", "hello")
	h.write("bad.yaml", "version: one")
	f(2, []string{"bad.yaml"}, "--policy", filepath.Join(h.dir, "bad.yaml"), "hello")
	f(0, []string{"battery_pct ", "network ", " math ", " % ", "class of the question"}, "--fields", "what is 12 * 12?")
	h.explainsInJSON(t, f(0, nil, "--json", "--set", "network=offline", "hello"))
}

func (h *house) explainsInJSON(t *testing.T, text string) {
	t.Helper()
	var e agent.Explanation
	if err := json.Unmarshal([]byte(text), &e); err != nil || len(e.Rules) < 6 || len(e.WouldChange) == 0 || e.Why == "" || len(e.Others) != 1 {
		t.Errorf("got %s, %v", text, err)
	}
	for _, key := range []string{`"why":`, `"rules":`, `"would_change":`, `"others":`, `"plan":`, `"not_chosen":`} {
		if !strings.Contains(text, key) {
			t.Errorf("%s is missing", key)
		}
	}
}
