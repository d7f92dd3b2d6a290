package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/agent/config/written"
)

// unsureMind is a local server, below /near, that is unsure of all it says and
// right about lamps alone, and a cloud beside it that is right.
func unsureMind(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.HasSuffix(r.URL.Path, "/chat/completions") {
			io.WriteString(w, `{"object":"list","data":[{"id":"small"}],"status":"ok"}`)
			return
		}
		said := "Paris"
		if strings.HasPrefix(r.URL.Path, "/near/") && !strings.Contains(string(body), "lamp") {
			said = "Lyon"
		}
		fmt.Fprintf(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",
			"logprobs":{"content":[{"token":%q,"logprob":-4}]},"message":{"role":"assistant","content":%q}}]}`, said, said)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// lampOrProof is the i-th question: of one kind the device can, of the other
// it cannot, each with a word of its own.
func lampOrProof(i int) string {
	word := string([]rune{rune('a' + i%23), 'o', rune('b' + i/23%23), 'a'})
	if i%2 == 0 {
		return "Which " + word + " lamp of the room is on?"
	}
	return "Who proved that " + word + " groups are solvable?"
}

// expects is what explain expects of the device with a question.
func (h *house) expects(t *testing.T, question string) (good float64, from string) {
	t.Helper()
	out, bad, code := h.run("explain", "--json", question)
	var e struct {
		Ask struct {
			Expected []struct {
				Good float64
				From string
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != 0 || len(e.Ask.Expected) != 1 {
		t.Fatalf("explain: exit %d, %v: %s%s", code, err, out, bad)
	}
	return e.Ask.Expected[0].Good, e.Ask.Expected[0].From
}

// TestTextIsLearned: from what the cloud answered in its place, a daemon learns
// which questions its model can answer, and knows it after a kill.
func TestTextIsLearned(t *testing.T) {
	t.Parallel()
	url := unsureMind(t)
	h := unstarted(t, "local: {engine: {url: "+url+"/near/v1}, models: [{name: small, sha256: "+strings.Repeat("ab", 32)+"}]}",
		"cloud: {targets: [{name: first, kind: openai, base_url: "+url+"/v1, models: {chat: m}}]}",
		"cache: {stale: 0s, fresh: 0s}", "learn: {audit_pct: 0}", "policy: policy.yaml")
	_, _, text := written.DefaultPolicy()
	h.write("policy.yaml", strings.Replace(text, "\ncheck:", "\ncheck:\n  skip: 0.02", 1))
	h.start()
	for i := range 250 {
		if r := h.ask(ask{text: lampOrProof(i)}); r.route() != "cloud" {
			t.Fatalf("got %v, want an answer of the cloud", r)
		}
	}
	learned := func() bool {
		known := h.status().Calibration.Targets
		return len(known) == 1 && known[0].Text != nil && known[0].Text.InForce
	}
	until(t, "text is in force", patience, learned)
	h.kill()
	h.start()
	until(t, "text is in force again", patience, learned)
	lamp, from := h.expects(t, "Which new lamp of the room is on?")
	proof, _ := h.expects(t, "Who proved that new groups are solvable?")
	if lamp < proof+0.3 || !strings.HasSuffix(from, " with text") {
		t.Errorf("expected %.2f with a lamp and %.2f with a proof, %s", lamp, proof, from)
	}
	if out, bad, code := h.run("calibrate", "labels"); code != 0 || !strings.Contains(out, "; text: in force, ") {
		t.Errorf("calibrate labels: exit %d: %s%s", code, out, bad)
	}
}

// TestUnusableImport: a calibration that was imported and is cut is told by
// status, until another takes its place or it is gone.
func TestUnusableImport(t *testing.T) {
	t.Parallel()
	h := unstarted(t, "local: {engine: {url: "+unsureMind(t)+"/near/v1}, models: [{name: small, sha256: "+strings.Repeat("ab", 32)+"}]}")
	folder := filepath.Join(h.dir, "state", "calibration")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	h.write(filepath.Join("state", "calibration", "abababababababab.json"), `{"format":`)
	if err := os.Chmod(filepath.Dir(folder), 0o700); err != nil {
		t.Fatal(err)
	}
	h.start()
	told := func() bool { _, ok := h.finds("calibration", "is not used"); return ok }
	until(t, "it is told", patience, told)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	h.reload()
	until(t, "it is told no more", patience, func() bool { return !told() })
}
