package main

import (
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"nearside/cmd/fakecloud/fake"
)

// scrape reads the daemon's metrics: series and value.
func (h *house) scrape() map[string]float64 {
	h.t.Helper()
	all := map[string]float64{}
	for line := range strings.Lines(string(h.get("/metrics"))) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			all[series] = v
		}
	}
	return all
}

// TestMetrics has a daemon answer by every route and has Prometheus' own tool
// judge what it tells of it.
func TestMetrics(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, fake.Options{})
	h := newHouse(t, clouds(cloud))
	again := inCloud("What is the largest planet?").with("temperature", 0)
	for name, step := range map[string]struct {
		ask   ask
		route string
	}{
		"a local answer":   {ask{text: "What is the capital of France?"}.with("model", "local").with("max_tokens", 8), "local"},
		"a refusal":        {inCloud("What is the moon?").headed("x-nearside-privacy", "private"), "none"},
		"a local stream":   {ask{text: "Count to three."}.with("model", "local").with("stream", true).with("max_tokens", 8), "local"},
		"a stream of both": {inCloud("Name three rivers.").with("stream", true), "cloud"},
	} {
		if r := h.soon(step.ask); r.route() != step.route {
			t.Errorf("%s: got %v, want route %s", name, r, step.route)
		}
	}
	resp, err := h.http.Post("http://localhost/v1/call/no-such-canary", "application/json", strings.NewReader("{}"))
	must(t, "call a service there is not", err)
	resp.Body.Close()
	h.ask(again)
	until(t, "the answer is kept", patience, func() bool { return h.ask(again).route() == "cache" })
	set(t, cloud, fake.Fault{Kind: fake.Status, Status: 503})
	if r := h.ask(again.headed("Cache-Control", "no-cache")); r.route() != "stale" {
		t.Errorf("got %v, want a stale answer", r)
	}
	got := h.scrape()
	for _, series := range []string{
		`nearside_requests_total{reason="forced_mode",route="cloud",service="chat",status="2xx"}`,
		`nearside_requests_total{reason="private",route="none",service="chat",status="4xx"}`,
		`nearside_request_duration_seconds_count{route="local"}`,
		`nearside_time_to_first_token_seconds_count{route="cloud"}`,
		`nearside_cache_lookups_total{result="hit"}`,
		`nearside_cache_lookups_total{result="stale"}`,
		`nearside_degraded_answers_total{reason="forced_mode"}`,
		`nearside_attempts_total{result="ok",target="cloud/first"}`,
		`nearside_attempts_total{result="status_503",target="cloud/first"}`,
		`nearside_tokens_total{direction="out",target="cloud/first"}`,
		`nearside_caller_requests_total{caller="other",status="2xx"}`,
		`nearside_engine_starts_total`,
		`nearside_engine{state="ready"}`,
		`nearside_device_memory_available_bytes`,
		`process_resident_memory_bytes`,
		`process_open_fds`,
		`go_goroutines`,
	} {
		if got[series] < 1 {
			t.Errorf("%s is %v, want 1 or more", series, got[series])
		}
	}
	if v := got["nearside_requests_in_flight"]; v != 0 {
		t.Errorf("%v requests in flight, want none", v)
	}
	text := h.get("/metrics")
	if bytes.Contains(text, []byte("canary")) {
		t.Errorf("a caller's own word is a label:\n%s", text)
	}
	judge(t, text)
}

// judge has promtool look at the metrics.
func judge(t *testing.T, text []byte) {
	t.Helper()
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool, of Debian's prometheus (make system installs it): %v\n%s", err, out)
	}
}
