package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/config/written"
	"nearside/cmd/fakecloud/fake"
)

// gateOnly is a device without models, whose gate is the one given.
func gateOnly(gate string) string { return "local: {models: [], gate: " + gate + "}" }

// knowing is the config of a JSON API that tells intents, behind the gate.
func knowing(s *fake.Server) string {
	return fmt.Sprintf("cloud:\n  targets:\n    - {name: first, kind: http, base_url: %q, services: {intent: {path: %s}}}\n", s.URL(), itemsPath)
}

const (
	clear = `{"text":"roll down my window please"}`
	vague = `{"text":"what is the capital of france","article":"the fake asks for one"}`
)

// TestIntent asks the gate through the daemon: what it is sure of stays, the
// rest goes to the cloud, and where there is none the caller is told.
func TestIntent(t *testing.T) {
	t.Parallel()
	far := newCloud(t, fake.Options{Name: "far"})
	h := newHouse(t, gateOnly("{profile: car}"), knowing(far))
	f := func(body, road, want string, head ...string) {
		t.Helper()
		r := h.call("intent", body, head...)
		if r.status != http.StatusOK || r.road() != road || !strings.Contains(r.body, want) {
			t.Errorf("%s %v: got %d %q %s, want %q %s", body, head, r.status, r.road(), r.body, road, want)
		}
	}
	f(clear, "local local/gate-car local_first", `"intent":"window_open"`)
	f(clear, "local local/gate-car private", `"intent":"window_open"`, "x-nearside-privacy", "private")
	f(vague, "cloud cloud/first cloud_first", `"from":"far"`)
	f(vague, "local local/gate-car forced_mode degraded", `"confidence":0.`, "x-nearside-mode", "local")
	set(t, far, fake.Fault{Kind: fake.Status, Status: 503})
	f(`{"text":"who wrote hamlet"}`, "local local/gate-car unverified degraded", `"confidence":0.`)
	f(clear, "local local/gate-car local_first", `"intent":"window_open"`)
	for _, body := range []string{`{}`, `{"text":7}`, `[]`, `{"text":""}`, `{"text":" \n"}`} {
		if r := h.call("intent", body); r.status != http.StatusBadRequest || !strings.Contains(r.body, "text: must be a string") {
			t.Errorf("%s: got %d %s", body, r.status, r.body)
		}
	}
	if s := h.target("local/gate-car"); s.Kind != "gate" || !s.Usable || s.Calls == 0 {
		t.Errorf("status of the gate: %+v", s)
	}
}

// TestIntentInPlans: what the gate makes of a question is there for policies.
func TestIntentInPlans(t *testing.T) {
	t.Parallel()
	far := newCloud(t, fake.Options{})
	h := unstarted(t, gateOnly("{profile: car}"), clouds(far), "policy: policy.yaml")
	_, _, text := written.DefaultPolicy()
	h.write("policy.yaml", text+`
  - name: not_for_the_cloud
    when: {all: [{field: intent, in: [window_open]}, {field: p_in_scope, ge: 0.5}]}
    then: {deny: [cloud]}
`)
	h.start()
	for question, denied := range map[string]bool{"roll down my window please": true, "what is the capital of france": false} {
		r := h.post("/v1/explain", fmt.Sprintf(`{"model":"auto","messages":[{"role":"user","content":%q}]}`, question))
		var e agent.Explanation
		if err := json.Unmarshal([]byte(r.body), &e); err != nil {
			t.Fatalf("%v: %s", err, r.body)
		}
		if e.Ask.Scope == nil || (*e.Ask.Scope >= 0.5) != denied || strings.Contains(r.body, "denied by rule not_for_the_cloud") != denied {
			t.Errorf("%s: got %s", question, r.body)
		}
	}
}

// TestGateFiles has the daemon meet a gate that cannot be used, a good one, and
// one that broke since.
func TestGateFiles(t *testing.T) {
	t.Parallel()
	g := config.Gate{Profile: "car"}
	whole, err := g.Read()
	if err != nil {
		t.Fatal(err)
	}
	h := unstarted(t, gateOnly("{file: mine.gate, threshold: 0.5}"))
	f := func(data []byte, usable bool, why string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(h.dir, "mine.gate"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if h.cmd == nil {
			h.start()
		} else {
			h.reload()
		}
		if s := h.target("local/gate-mine"); s.Usable != usable {
			t.Errorf("after %q the target is %+v", why, s)
		}
		if c, ok := h.finds("gate", why); ok != (why != "") {
			t.Errorf("health says %+v, want %q", c, why)
		}
		if r := h.call("intent", clear); (r.status == http.StatusOK) != usable {
			t.Errorf("after %q: got %d %s", why, r.status, r.body)
		}
	}
	f(whole[:len(whole)/2], false, "is cut")
	f([]byte(strings.Replace(string(whole), "NSGATE\x00\x01", "NSGATE\x00\x02", 1)), false, "has version 2")
	f(whole, true, "")
	f(append(whole[:len(whole)-1:len(whole)-1], whole[len(whole)-1]^1), true, "was altered: its checksum does not fit; the one read before is used")
	f(whole, true, "")
	h.write("nearside.yaml", noLocal)
	h.reload()
	if r := h.call("intent", clear); r.status != http.StatusNotFound {
		t.Errorf("without a gate: got %d %s", r.status, r.body)
	}
}

// BenchmarkIntent is one intent over the socket, decided, answered and recorded.
func BenchmarkIntent(b *testing.B) {
	h := newHouse(b, gateOnly("{profile: car}"))
	for b.Loop() {
		if r := h.call("intent", clear); r.status != http.StatusOK {
			b.Fatal(r.body)
		}
	}
}
