package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"nearside/cmd/fakecloud/fake"
)

// missing tells which protections the daemon says it could not give.
func (h *house) missing() string {
	var all []string
	for _, c := range h.status().Health {
		if c.Name == "sandbox" {
			all = append(all, c.Message)
		}
	}
	return strings.Join(all, "\n")
}

// TestRealEngineIsClosedIn has the real engine answer from where it reaches
// nobody, and looks at it from outside.
func TestRealEngineIsClosedIn(t *testing.T) {
	h := newHouse(t)
	h.answers(t)
	proc := fmt.Sprintf("/proc/%d/", h.engine())
	missing := h.missing()
	f := func(inForce bool, gap string) {
		t.Helper()
		if inForce == strings.Contains(missing, gap) {
			t.Errorf("%q: in force %v, and health says %q", gap, inForce, missing)
		}
	}
	read := func(name string) string { text, _ := os.ReadFile(proc + name); return string(text) }
	theirs, _ := os.Readlink(proc + "ns/net")
	ours, _ := os.Readlink("/proc/self/ns/net")
	links := strings.Count(read("net/dev"), ":") // loopback alone, and that is down
	f(theirs != ours && links == 1 && strings.Count(read("net/route"), "\n") <= 1, "could reach the network")
	f(strings.Contains(read("status"), "NoNewPrivs:\t1"), "keeps powers of root")
	f(read("oom_score_adj") == "800\n", "may outlive others")
	if strings.Contains(read("limits"), "Max data size             unlimited") {
		t.Error("its memory is not bounded")
	}
}

// TestEngineBeyondItsMemory gives the real engine less than it takes: it fails
// by itself, the reason names the setting, and the cloud answers.
func TestEngineBeyondItsMemory(t *testing.T) {
	cloud := newCloud(t, fake.Options{})
	h := newHouse(t, "local: {engine: {memory: 64MiB}}", clouds(cloud))
	r := h.ask(ask{text: "What is the capital of France?"})
	if r.status != http.StatusOK || r.route() != "cloud" {
		t.Errorf("got %v, want the cloud's answer", r)
	}
	s := h.status()
	if s.Engine.Why == nil || !strings.Contains(*s.Engine.Why, "it may have 64 MiB of memory: see local.engine.memory") {
		t.Errorf("got engine %+v: %s", s.Engine, *s.Engine.Why)
	}
}

func TestEngineLeftOpen(t *testing.T) {
	h := newHouse(t, "local: {engine: {sandbox: false}}")
	h.answers(t)
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", h.engine()))
	if ours, _ := os.Readlink("/proc/self/ns/net"); err != nil || theirs != ours || !strings.Contains(h.missing(), "local.engine.sandbox") {
		t.Errorf("got %s and %q, %v", theirs, h.missing(), err)
	}
}

// TestEngineThatDoesNotFit has the host app say that memory is short before
// the engine has started.
func TestEngineThatDoesNotFit(t *testing.T) {
	h := newHouse(t)
	h.wish(`{"mem_available_mb":{"value":100,"ttl_s":3600}}`)
	r := h.ask(near("What is the capital of France?"))
	s := h.status()
	if r.status == http.StatusOK || s.Engine.State != "short" || s.Engine.Why == nil || !strings.HasPrefix(*s.Engine.Why, "memory: 100 MiB are available") || s.Engine.Crashes != 0 || s.Engine.Starts != 0 {
		t.Errorf("got %v and engine %+v", r, s.Engine)
	}
	if text := string(h.get("/v1/status")); !strings.Contains(text, `"name":"engine","severity":"warn"`) {
		t.Errorf("health says nothing of it: %s", text)
	}
}
