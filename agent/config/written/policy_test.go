package written_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/agent/config/written"
	"nearside/policy"
	"nearside/policy/valid"
)

func writePolicy(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultPolicy(t *testing.T) {
	doc, digest, text := written.DefaultPolicy()
	if problems := valid.Check(doc); problems != nil {
		t.Error(problems)
	}
	same, sameDigest, err := written.LoadPolicy(writePolicy(t, text))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	if digest != hex.EncodeToString(sum[:]) || digest != sameDigest {
		t.Errorf("digests %s and %s", digest, sameDigest)
	}
	if same.Threshold("smollm2-135m") != doc.Threshold("smollm2-135m") {
		t.Error("the same text is another document")
	}
}

func TestPolicyRules(t *testing.T) {
	text := strings.Replace(goodPolicy, "rules: []", `rules:
  - name: low_battery
    when: {all: [{field: battery_pct, lt: 20}, {not: {field: charging, is: true}}, {field: stream, is: false}, {field: service, in: [chat]}]}
    then: {deny: [local], prefer: [cloud/first]}
`, 1)
	doc, _, err := written.LoadPolicy(writePolicy(t, text))
	if err != nil {
		t.Fatal(err)
	}
	all := doc.Rules[0].When.All
	if len(all) != 4 || *all[0].LT != 20 || !*all[1].Not.Is || *all[2].Is || all[3].In[0] != "chat" {
		t.Errorf("got %+v", all)
	}
}

const goodPolicy = `version: 0
services:
  chat:
    ladder: [local, cloud, refuse]
    fresh: repeatable
    commit: {local: after_8_tokens, cloud: first_token}
weights:
  near: 0.4
quality: {local: {default: 0.6}, cloud: {default: 0.9}}
check:
  confidence: {default: 0.2}
limits:
  deadline_ms: 60000
  attempt_ms: 10000
  silence_ms: 30000
rules: []
`

func TestPolicyFaults(t *testing.T) {
	if _, _, err := written.LoadPolicy(writePolicy(t, goodPolicy)); err != nil {
		t.Fatal(err)
	}
	f := func(old, now string, want ...string) {
		t.Helper()
		path := writePolicy(t, strings.Replace(goodPolicy, old, now, 1))
		_, _, err := written.LoadPolicy(path)
		if got := faultsOf(err, path); got != strings.Join(want, "\n") {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", now, got, strings.Join(want, "\n"))
		}
	}
	f("fresh: repeatable", "fresh: often", `5:5: services.chat.fresh: "often" must be repeatable, always or never`)
	f("    fresh: repeatable\n", "", `3:3: services.chat.fresh: "" must be repeatable, always or never`)
	f("near: 0.4", "nera: 0.4", "8:3: weights.nera: unknown key; did you mean near?")
	f("near: 0.4", "near: -1", "8:3: weights.near: -1 must be a number from 0 to 1000")
	f("near: 0.4", "near: .nan", "8:3: weights.near: must be a number, not infinity or nan")
	f("deadline_ms: 60000", "deadline_ms: 1", "13:3: limits.deadline_ms: 1 must be from 1000 (one second) to 3600000 (one hour)")
	f("{default: 0.2}", "{qwen2.5: 2}",
		"11:3: check.confidence.default: is missing; it must be a number from 0 to 1",
		"11:16: check.confidence.qwen2.5: 2 must be a number from 0 to 1")
	f("rules: []", "rules:\n- name: a\n  when: {field: battery, lt: 1}\n  then: {}",
		`18:10: rules[0].when.field: "battery" is not a field; known are `+strings.Join(policy.Fields(), ", "),
		"19:3: rules[0].then: is empty; it needs deny, force, prefer, limit, require, commit or privacy")
	f(goodPolicy, "services: {}",
		"1:1: check.confidence.default: is missing; it must be a number from 0 to 1",
		"1:1: limits.attempt_ms: 0 must be from 1000 (one second) to 3600000 (one hour)",
		"1:1: limits.deadline_ms: 0 must be from 1000 (one second) to 3600000 (one hour)",
		"1:1: limits.silence_ms: 0 must be from 1000 (one second) to 3600000 (one hour)",
		"1:1: quality.cloud.default: is missing; it must be a number from 0 to 1",
		"1:1: quality.local.default: is missing; it must be a number from 0 to 1",
		"1:1: services: needs at least chat")
}

// TestTestsInside: a policy may carry cases of its own, which have lines too.
func TestTestsInside(t *testing.T) {
	with := func(cases string) *written.Draft {
		return written.Read("p", []byte(goodPolicy+"tests:\n  cases:\n"+cases))
	}
	d := with("    - {name: near, want: {route: local}}\n    - {name: far, signals: {network: offline}, want: {route: cloud}}\n")
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	results := d.Tests.Run(d.Doc)
	if len(results) != 2 || !results[0].OK || results[1].OK {
		t.Errorf("got %+v, want the first to hold and the second not", results)
	}
	for _, tt := range []struct{ cases, want string }{
		{"    - {name: near, want: {route: locl}}", `p:19:27: tests.cases[0].want.route: "locl" must be one of`},
		{"    - {name: near, want: {}}", "p:19:20: tests.cases[0].want: is empty"},
		{"    - {name: near, wants: {}}", "p:19:20: tests.cases[0].wants: unknown key; did you mean want?"},
	} {
		if err := with(tt.cases + "\n").Check(); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.cases, err, tt.want)
		}
	}
}
