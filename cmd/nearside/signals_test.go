package main

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"nearside/agent"
	"nearside/agent/config/written"
	"nearside/agent/decision"
	"nearside/agent/server/status"
	"nearside/cmd/fakecloud/fake"
	"nearside/cmd/nearside/shell"
	"nearside/policy"
	"nearside/policy/decide"
)

// push has the host app say something of the device.
func (h *house) push(body string) (status int, reply string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPut, "http://localhost/v1/device/signals", strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := h.http.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// wellPushed is a device that lacks nothing, whatever this machine is like.
const wellPushed = `{"temperature_c":{"value":50,"ttl_s":3600},"battery_pct":{"value":80,"ttl_s":3600},` +
	`"charging":{"value":false,"ttl_s":3600},"mem_available_mb":{"value":4000,"ttl_s":3600}}`

// needyHouse is a daemon with a local server and the cloud, on a device that
// lacks nothing yet.
func needyHouse(t *testing.T, cloud string) *house {
	near := newCloud(t, fake.Options{})
	h := unstarted(t, "local: {engine: {url: "+near.URL()+"/v1}, models: [{name: fake-model}]}", "policy: policy.yaml", cloud)
	h.write("policy.yaml", trusting(t))
	h.start()
	h.storeOpens()
	h.wish(wellPushed)
	return h
}

// trusting is the built-in policy, but for taking every local answer as good:
// the fake says nothing that a model would be sure of.
func trusting(t *testing.T) string {
	t.Helper()
	_, _, text := written.DefaultPolicy()
	trust := strings.Replace(text, "confidence: {default: 0.25", "confidence: {default: 0", 1)
	if trust == text {
		t.Fatal("the built-in policy states no confidence of 0.25")
	}
	return trust
}

// wish pushes what must be taken.
func (h *house) wish(body string) {
	h.t.Helper()
	if status, reply := h.push(body); status != http.StatusOK {
		h.t.Fatalf("PUT %s: %d %s", body, status, reply)
	}
}

// goes asks and checks who answered and why.
func (h *house) goes(when, target, reason string) *reply {
	h.t.Helper()
	r := h.ask(ask{text: "What is the capital of France?"})
	if r.target() != target || r.header.Get("x-nearside-reason") != reason {
		h.t.Errorf("%s: got %s for %s, want %s for %s", when, r.target(), r.header.Get("x-nearside-reason"), target, reason)
	}
	return r
}

// TestNeeds has a device get hot, low and short of memory, and well again.
func TestNeeds(t *testing.T) {
	t.Parallel()
	h := needyHouse(t, clouds(newCloud(t, fake.Options{})))
	h.goes("well", "local/fake-model", "local_first")
	h.wish(`{"temperature_c":{"value":86,"ttl_s":3600}}`)
	h.goes("hot", "cloud/first", "rule_hot")
	h.wish(`{"temperature_c":{"value":80,"ttl_s":3600}}`)
	r := h.goes("cooler, not cool", "cloud/first", "rule_hot")
	h.replays(r.header.Get("x-nearside-decision"), "hot")
	h.wish(`{"temperature_c":{"value":74,"ttl_s":3600}}`)
	h.goes("cool", "local/fake-model", "local_first")
	h.wish(`{"battery_pct":{"value":12,"ttl_s":3600}}`)
	h.goes("low", "cloud/first", "rule_low_battery")
	h.wish(`{"charging":{"value":true,"ttl_s":3600}}`)
	h.goes("charging", "local/fake-model", "local_first")
	h.wish(`{"mem_available_mb":{"value":200,"ttl_s":3600}}`)
	out, err := h.command("status").Output()
	if err != nil || !strings.Contains(string(out), "rules in force: memory_short\n") || !strings.Contains(string(out), "mem_available_mb 200 MB (host, for 3") {
		t.Errorf("status: %s, %v", out, err)
	}
	h.goes("short of memory", "cloud/first", "rule_memory_short")
	h.wish(wellPushed)
	h.goes("well again", "local/fake-model", "local_first")
}

// replays checks that the recorded plan can be computed again from the record,
// with the rule in force.
func (h *house) replays(id, rule string) {
	h.t.Helper()
	var rec decision.Record
	until(h.t, "the decision is recorded", patience, func() bool {
		return json.Unmarshal(h.get("/v1/decisions/"+id), &rec) == nil && rec.ID == id
	})
	if !reflect.DeepEqual(rec.Signals.Held, []string{rule}) || *rec.Signals.Device.TemperatureC != 80 || *rec.Signals.Device.Charging {
		h.t.Errorf("recorded %+v", rec.Signals)
	}
	doc, _, err := written.LoadPolicy(filepath.Join(h.dir, "policy.yaml"))
	if err != nil {
		h.t.Fatal(err)
	}
	if p := decide.Plan(doc, &rec.Ask, &rec.Signals); !reflect.DeepEqual(p, rec.Plan) {
		h.t.Errorf("replayed\n%+v\nrecorded\n%+v", p, rec.Plan)
	}
}

// faraway is a target that no link of a machine leads to directly.
const faraway = "cloud: {targets: [{name: first, kind: openai, base_url: \"https://api.nearside.example/v1\", models: {chat: fake-model}}]}"

// TestNeedsOffline: a hot device without a way out still answers; one at its
// end does not, and says why.
func TestNeedsOffline(t *testing.T) {
	t.Parallel()
	h := needyHouse(t, faraway)
	h.wish(`{"network":{"value":"offline","ttl_s":3600},"temperature_c":{"value":90,"ttl_s":3600}}`)
	h.goes("hot and offline", "local/fake-model", "offline")
	if c := h.status().Connectivity; c.State != "offline" || c.Source != "host" {
		t.Errorf("connectivity %+v", c)
	}
	h.wish(`{"temperature_c":{"value":96,"ttl_s":3600}}`)
	if r := h.goes("what it last knew", "local/fake-model", "rule_hot_critical"); r.route() != "stale" {
		t.Errorf("got %v", r)
	}
	r := h.ask(ask{text: "And of Peru?"})
	if r.header.Get("x-nearside-reason") != "rule_hot_critical" || r.status != http.StatusServiceUnavailable || r.kind != "offline_no_route" {
		t.Errorf("got %v", r)
	}
	r = h.ask(ask{text: "hello"}.headed("x-nearside-privacy", "private"))
	if r.kind != "policy_blocked" || r.header.Get("x-nearside-reason") != "rule_hot_critical" {
		t.Errorf("private: got %v", r)
	}
	h.wish(`{"temperature_c":{"value":80,"ttl_s":3600}}`)
	h.goes("hot and offline again", "local/fake-model", "offline")
}

// TestCritical: with a way out, the cloud answers for a device at its end.
func TestCritical(t *testing.T) {
	t.Parallel()
	h := needyHouse(t, clouds(newCloud(t, fake.Options{})))
	h.wish(`{"battery_pct":{"value":3,"ttl_s":3600}}`)
	h.goes("critical", "cloud/first", "rule_battery_critical")
	h.wish(`{"battery_pct":{"value":9,"ttl_s":3600}}`)
	h.goes("low", "cloud/first", "rule_low_battery")
}

// TestPushedPrice: whether bytes cost money is for the host app to say.
func TestPushedPrice(t *testing.T) {
	t.Parallel()
	h := newHouse(t, noLocal, faraway)
	price := func(want string, value any) {
		t.Helper()
		var e agent.Explanation
		out, err := h.command("explain", "--json", "hello").Output()
		if err != nil || json.Unmarshal(out, &e) != nil {
			t.Fatalf("explain: %s, %v", out, err)
		}
		if m := e.Signals.Device.Metered; (m == nil) != (value == nil) || m != nil && *m != value {
			t.Errorf("%s: metered is %v", want, m)
		}
		if s := h.signal("metered"); s.Value != value {
			t.Errorf("%s: signal %+v", want, s)
		}
	}
	h.wish(`{"metered":{"value":true,"ttl_s":3600}}`)
	price("pushed", true)
	h.wish(`{"metered":{"value":false,"ttl_s":3600}}`)
	price("corrected", false)
	h.wish(`{"network":{"value":"metered","ttl_s":3600},"metered":null}`)
	price("by the network", true)
}

// TestPushExpires: what the host app said counts as long as it said.
func TestPushExpires(t *testing.T) {
	t.Parallel()
	h := needyHouse(t, clouds(newCloud(t, fake.Options{})))
	h.wish(`{"battery_pct":{"value":10,"ttl_s":1}}`)
	until(t, "the push expired", patience, func() bool {
		source := h.signal("battery_pct").Source
		return source == nil || *source != "host"
	})
	h.wish(`{"charging":null}`)
	h.wish(`{"battery_pct":{"value":80,"ttl_s":60}}`)
	h.goes("expired", "local/fake-model", "local_first")
}

func (h *house) signal(name string) status.Signal {
	h.t.Helper()
	var all map[string]status.Signal
	if err := json.Unmarshal(h.get("/v1/device/signals"), &all); err != nil {
		h.t.Fatal(err)
	}
	return all[name]
}

// TestSensed: a daemon senses what every Linux machine has, and says nothing of
// what it does not know.
func TestSensed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, noLocal)
	until(t, "memory, disk and processor are sensed", patience, func() bool {
		s := h.status().Signals
		return s["mem_available_mb"].Value != nil && s["disk_free_mb"].Value != nil && s["cpu_pct"].Value != nil
	})
	for name, s := range h.status().Signals {
		known := s.Value != nil
		if known != (s.AgeS != nil) || known != (s.Source != nil) || s.TTLS != nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if n := len(h.status().Signals); n != len(policy.SignalNames())+1 {
		t.Errorf("%d signals", n)
	}
}

// TestExplainSet: the command makes a plan as if, and nothing else sees it.
func TestExplainSet(t *testing.T) {
	t.Parallel()
	h := needyHouse(t, clouds(newCloud(t, fake.Options{})))
	out, err := h.command("explain", "--json", "--set", "battery_pct=8", "--set", "charging=false", "hello").Output()
	var e agent.Explanation
	if err != nil || json.Unmarshal(out, &e) != nil || e.Reason != "rule_low_battery" || *e.Signals.Device.BatteryPct != 8 {
		t.Errorf("got %s, %v", out, err)
	}
	if !reflect.DeepEqual(e.Signals.Held, []string{"low_battery"}) || *e.Signals.Device.TemperatureC != 50 {
		t.Errorf("signals %+v", e.Signals)
	}
	h.goes("after an explanation", "local/fake-model", "local_first")
	for _, bad := range []string{"battery_pct", "battery_pct=NaN", "battery_pct=low", "moon=1", "charging=1", "network=up", "cpu_pct=", "=1"} {
		cmd := h.command("explain", "--set", bad, "hello")
		var notes strings.Builder
		cmd.Stderr = &notes
		if err := cmd.Run(); codeOfProcess(err) != shell.ExitUsage || !strings.Contains(notes.String(), " must be ") && !strings.Contains(notes.String(), "known are") {
			t.Errorf("--set %s: got %v, %s", bad, err, &notes)
		}
	}
}
