package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nearside/policy/deferral"
)

// privateWord is in every private question of these tests.
const privateWord = "canary-private-4715"

// twoMinds is a local server, below /near, that is sure of what it says, and a
// cloud beside it. It keeps what the cloud was asked.
type twoMinds struct {
	*httptest.Server
	mu    sync.Mutex // guards cloud
	cloud []string
}

func newTwoMinds(t *testing.T) *twoMinds {
	m := &twoMinds{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.HasSuffix(r.URL.Path, "/chat/completions") {
			io.WriteString(w, `{"object":"list","data":[{"id":"small"}],"status":"ok"}`)
			return
		}
		if !strings.HasPrefix(r.URL.Path, "/near/") {
			m.mu.Lock()
			m.cloud = append(m.cloud, string(body))
			m.mu.Unlock()
		}
		fmt.Fprintf(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",
			"logprobs":{"content":[{"token":%q,"logprob":-0.01}]},"message":{"role":"assistant","content":%q}}]}`, answeredWord, answeredWord)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *twoMinds) asked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string{}, m.cloud...)
}

// TestLearningTellsNothing: a daemon that audits and is told what its answers
// were worth asks the cloud nothing private, and neither its files nor what it
// tells have a word of a question, an answer or a correction; what is private
// leaves no sketch either.
func TestLearningTellsNothing(t *testing.T) {
	t.Parallel()
	minds := newTwoMinds(t)
	h := unstarted(t, "local: {engine: {url: "+minds.URL+"/near/v1}, models: [{name: small, sha256: "+strings.Repeat("ab", 32)+"}]}",
		"cloud: {targets: [{name: first, kind: openai, base_url: "+minds.URL+"/v1, models: {chat: m}, price: {input: 0, output: 0}}]}",
		"learn: {audit_pct: 10, audit_calls: 3}", "cache: {stale: 0s, fresh: 0s}", "log: {level: debug}")
	h.start()
	h.wish(`{"cpu_pct":{"value":5,"ttl_s":3600},"charging":{"value":true,"ttl_s":3600},"metered":{"value":false,"ttl_s":3600},
		"network":{"value":"online","ttl_s":3600},"temperature_c":{"value":50,"ttl_s":3600},"mem_available_mb":{"value":4000,"ttl_s":3600}}`)
	ids := []string{}
	until(t, "three answers are audited", patience, func() bool {
		for _, a := range []ask{{text: "What is " + askedWord + "?"}, ask{text: "What is " + privateWord + "?"}.headed("x-nearside-privacy", "private")} {
			r := h.ask(a)
			if r.route() != "local" {
				t.Fatalf("got %v, want a local answer", r)
			}
			ids = append(ids, r.header.Get("x-nearside-decision"))
		}
		return h.status().Calibration.Audits.Done == 3
	})
	for _, id := range ids[:2] {
		if taken, code, notes := h.judge(t, id, "bad", "--correct", askedWord+privateWord); code != 0 || !taken.Kept {
			t.Errorf("feedback: got %+v, exit %d, %s", taken, code, notes)
		}
	}
	until(t, "all is found out", patience, func() bool {
		labels := h.status().Calibration.Labels
		return labels["audit"] == 3 && labels["feedback"] == 2
	})
	for _, asked := range minds.asked() {
		if strings.Contains(asked, privateWord) || !strings.Contains(asked, askedWord) {
			t.Errorf("the cloud was asked %s", asked)
		}
	}
	if n := len(minds.asked()); n != 3 {
		t.Errorf("the cloud was asked %d times, want the 3 audits that a day has", n)
	}
	told := h.log.String()
	for _, path := range []string{"/v1/logs", "/metrics", "/v1/status", "/v1/decisions?limit=1000"} {
		told += string(h.get(path))
	}
	for _, line := range []string{`nearside_audits_total{result="done"} 3`, `nearside_labels{source="feedback"} 2`, `nearside_calibration{state="unmeasured",target="local/small"} 1`} {
		if !strings.Contains(told, line) {
			t.Errorf("the metrics have no %s", line)
		}
	}
	var report struct{ Labels map[string]int }
	if out, err := h.command("calibrate", "labels", "--json").Output(); err != nil || json.Unmarshal(out, &report) != nil || report.Labels["audit"] != 3 {
		t.Errorf("calibrate labels: %v: %s", err, out)
	}
	h.kill()
	for _, word := range []string{askedWord, answeredWord, privateWord} {
		if strings.Contains(told, word) {
			t.Errorf("%s is told", word)
		}
		if found := h.find(t, word); len(found) > 0 {
			t.Errorf("%s is in %v", word, found)
		}
	}
	for word, kept := range map[string]bool{askedWord: true, privateWord: false} {
		if found := h.find(t, string(deferral.SketchOf("What is "+word+"?"))); kept != (len(found) > 0) {
			t.Errorf("the sketch of a question with %s is in %v", word, found)
		}
	}
	if found := h.find(t, ids[0]); len(found) == 0 {
		t.Errorf("not even a decision is found in %s: this test is blind", filepath.Join(h.dir, "state"))
	}
	h.start()
	for range 100 {
		h.ask(ask{text: "What is " + askedWord + "?"})
	}
	if n := len(minds.asked()); n != 3 {
		t.Errorf("after a kill the cloud was asked %d times, want still 3", n)
	}
}
