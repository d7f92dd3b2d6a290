package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"nearside/agent/learn"
	"nearside/cmd/fakecloud/fake"
	"nearside/cmd/nearside/shell"
)

// judge says by the command line what an answer was; it gives what became of
// it, and the exit code with what was said of a verdict that was not taken.
func (h *house) judge(t *testing.T, args ...string) (taken learn.Taken, code int, notes string) {
	t.Helper()
	cmd := h.command(append([]string{"feedback", "--json"}, args...)...)
	var told strings.Builder
	cmd.Stderr = &told
	out, err := cmd.Output()
	if err == nil {
		must(t, "read what became of it", json.Unmarshal(out, &taken))
	}
	return taken, cmd.ProcessState.ExitCode(), told.String()
}

// TestFeedbackOutlastsAKill: a verdict that was acknowledged is there after a
// kill, and what would have been right is nowhere, private or not.
func TestFeedbackOutlastsAKill(t *testing.T) {
	t.Parallel()
	near := newCloud(t, fake.Options{})
	h := unstarted(t, "local: {engine: {url: "+near.URL()+"/v1}, models: [{name: fake-model}]}", "policy: policy.yaml")
	h.write("policy.yaml", trusting(t))
	h.start()
	h.storeOpens()
	ids := map[string]string{}
	for privacy := range map[string]bool{"normal": true, "private": true} {
		r := h.ask(ask{text: "What is the capital of France?"}.headed("x-nearside-privacy", privacy))
		id := r.header.Get("x-nearside-decision")
		taken, code, notes := h.judge(t, id, "bad", "--correct", marker)
		if want := (learn.Taken{Decision: id, Verdict: "bad", Target: "local/fake-model", Kept: true}); taken != want || code != 0 {
			t.Errorf("%s: got %+v, exit %d, %s; want %+v", privacy, taken, code, notes, want)
		}
		ids[privacy] = id
	}
	until(t, "the records are written", patience, func() bool { return h.status().Store.Queue.Rows == 2 })
	h.kill()
	h.start()
	h.storeOpens()
	for privacy, id := range ids {
		if taken, code, notes := h.judge(t, id, "good"); code != 0 || !taken.Replaced || taken.Verdict != "good" {
			t.Errorf("%s, after the kill: got %+v, exit %d, %s", privacy, taken, code, notes)
		}
	}
	if _, code, notes := h.judge(t, "d-unknown", "good"); code != shell.ExitUsage || !strings.Contains(notes, "no decision with this id") {
		t.Errorf("an unknown decision: exit %d, %s", code, notes)
	}
	if _, code, notes := h.judge(t, ids["normal"], "fine"); code != shell.ExitUsage || !strings.Contains(notes, "good or bad") {
		t.Errorf("another verdict: exit %d, %s", code, notes)
	}
	if told := string(h.get("/v1/decisions")) + string(h.get("/v1/logs")); strings.Contains(told, marker) || !strings.Contains(told, ids["private"]) {
		t.Errorf("what would have been right is told, or nothing is: %s", told)
	}
	h.stop()
	h.searchFiles(t, []string{marker}, "after a stop")
}

// TestLearningOff: by the switch nothing is kept, from the next reload on.
func TestLearningOff(t *testing.T) {
	t.Parallel()
	config := noLocal + "\n" + clouds(newCloud(t, fake.Options{}))
	h := newHouse(t, config, "learn: {disabled: true}")
	h.storeOpens()
	id := h.ask(ask{text: "hello"}).header.Get("x-nearside-decision")
	if taken, code, notes := h.judge(t, id, "bad"); code != 0 || taken.Kept || taken.Target != "cloud/first" {
		t.Errorf("off: got %+v, exit %d, %s", taken, code, notes)
	}
	h.write("nearside.yaml", config)
	if out, err := h.command("config", "reload").CombinedOutput(); err != nil || !strings.Contains(string(out), "learn.disabled") {
		t.Errorf("reload: %v: %s", err, out)
	}
	if taken, code, notes := h.judge(t, id, "bad"); code != 0 || !taken.Kept || taken.Replaced {
		t.Errorf("on again: got %+v, exit %d, %s", taken, code, notes)
	}
	resp, err := h.http.Post("http://localhost/v1/feedback", "application/json", strings.NewReader(`{"decision":"`+id+`"}`))
	must(t, "post", err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("no verdict: status %d", resp.StatusCode)
	}
}
