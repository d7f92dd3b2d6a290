package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"nearside/cmd/fakecloud/fake"
)

// ruled is the built-in policy with rules before its own.
func ruled(t *testing.T, rules string) string {
	t.Helper()
	text := quick(t)
	if !strings.Contains(text, "\nrules:\n") {
		t.Fatal("the built-in policy has no rules")
	}
	return strings.Replace(text, "\nrules:\n", "\nrules:\n"+rules, 1)
}

// TestRulesOfAPolicy: what rules say of an ask is so, from the file to the wire.
func TestRulesOfAPolicy(t *testing.T) {
	t.Parallel()
	one, two := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	h := unstarted(t, noLocal, clouds(one, two), "policy: policy.yaml")
	h.write("policy.yaml", ruled(t, `  - name: secret
    when: {field: size.bytes, ge: 2000}
    then: {privacy: private}
  - name: brief
    when: {field: deadline_ms, lt: 20000}
    then: {limit: {tokens_out: 7, attempts: 1}}
`))
	h.start()

	long := ask{text: strings.Repeat("word ", 500)}
	r := h.ask(long)
	if r.status != http.StatusUnprocessableEntity || r.header.Get("x-nearside-reason") != "rule_secret" {
		t.Errorf("made private: got %v, want it refused", r)
	}
	if n := one.State().Calls[chatPath] + two.State().Calls[chatPath]; n != 0 {
		t.Errorf("%d calls were made with a private ask", n)
	}

	set(t, one, fake.Fault{Kind: fake.Status, Status: 503})
	r = h.ask(ask{text: "in a hurry"}.headed("x-nearside-deadline-ms", "15000"))
	if r.status != http.StatusBadGateway || r.header.Get("x-nearside-attempts") != "1" {
		t.Errorf("one attempt: got %v", r)
	}
	set(t, one, fake.Fault{Kind: fake.None})
	if r = h.ask(ask{text: "patient"}); r.status != http.StatusOK {
		t.Errorf("no rule: got %v", r)
	}
}

// TestTurnsOfAPool: with round_robin equal targets answer in turn.
func TestTurnsOfAPool(t *testing.T) {
	t.Parallel()
	one, two := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	h := unstarted(t, noLocal, clouds(one, two), "policy: policy.yaml")
	h.write("policy.yaml", strings.Replace(quick(t), "    fresh: repeatable\n", "    fresh: repeatable\n    balance: round_robin\n", 1))
	h.start()
	got := map[string]int{}
	for i := range 6 {
		got[h.ask(ask{text: fmt.Sprint("question ", i)}).target()]++
	}
	if got["cloud/first"] != 3 || got["cloud/second"] != 3 {
		t.Errorf("answered by %v, want 3 each", got)
	}
}

// TestTooLongByName: what fits no context is refused as clients know it.
func TestTooLongByName(t *testing.T) {
	t.Parallel()
	one := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, strings.Replace(clouds(one), "{name", "{context: 100, name", 1))
	r := h.post(chatPath, `{"messages":[{"role":"user","content":"`+strings.Repeat("word ", 200)+`"}]}`)
	if r.status != http.StatusBadRequest || !strings.Contains(r.body, `"code":"context_length_exceeded"`) || one.State().Calls[chatPath] != 0 {
		t.Errorf("got %d %s", r.status, r.body)
	}
	if r = h.post(chatPath, `{"messages":[{"role":"user","content":"Hi."}]}`); r.status != http.StatusOK {
		t.Errorf("a short one: got %d %s", r.status, r.body)
	}
}
