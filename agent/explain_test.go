package agent_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"nearside/agent"
	"nearside/agent/openai"
	"nearside/agent/openai/fault"
)

// recorded is the record of a decision, in JSON.
func recorded(tb testing.TB, w *world) []byte {
	tb.Helper()
	req, _ := openai.Decode([]byte(plain))
	result, err := w.agent().Handle(tb.Context(), agent.Input{Request: req})
	if err != nil {
		tb.Fatal(err)
	}
	result.Close(agent.Finish{Status: 200})
	text, err := json.Marshal(w.mem.last())
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// TestExplainRecord: a record is explained as it was, whatever the device is
// like now, and one that no daemon wrote is refused by field.
func TestExplainRecord(t *testing.T) {
	w := newWorld()
	text := recorded(t, w)
	w.network = "offline"
	e, err := w.agent().ExplainRecord(text, nil)
	if err != nil || e.Recorded == nil || !e.Recorded.Same || e.Signals.Network == "offline" || e.Recorded.Policy != e.Policy {
		t.Errorf("got %+v, %v", e, err)
	}
	e, err = w.agent().ExplainRecord(text, map[string]any{"network": "offline", "battery": 2.0})
	if err != nil || e.Recorded.Same || e.Signals.Held[0] != "battery_critical" {
		t.Errorf("assumed: %+v, %v", e, err)
	}
	for edit, param := range map[string]string{
		`"service":"chat"`: "service", `"mode":"auto"`: "mode", `"privacy":"normal"`: "privacy", `"name":"local/tiny"`: "signals.targets",
		`"network":"online"`: "signals",
	} {
		key, _, _ := strings.Cut(edit, ":")
		bad := strings.Replace(string(text), edit, key+`:""`, 1)
		_, err := w.agent().ExplainRecord([]byte(bad), nil)
		var refused *fault.Error
		if bad == string(text) || !errors.As(err, &refused) || refused.Param != param || refused.Status != 400 {
			t.Errorf("%s: got %v", edit, err)
		}
	}
	for _, bad := range []string{"", "[]", "{}", `{"signals":{"targets":7}}`} {
		if _, err := w.agent().ExplainRecord([]byte(bad), nil); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// FuzzExplainRecord: what is taken is explained, with a plan that ends.
func FuzzExplainRecord(f *testing.F) {
	w := newWorld()
	f.Add(recorded(f, w))
	f.Add([]byte(`{"service":"chat","mode":"cloud","privacy":"private","deadline_ms":9,"signals":{"network":"portal","targets":[{"name":"cloud/x","services":["chat"],"usable":true}]}}`))
	f.Add([]byte(`{"service":"","mode":7}`))
	a := w.agent()
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := a.ExplainRecord(text, nil)
		if err != nil {
			return
		}
		if out, err := json.Marshal(e); err != nil || len(e.Steps) == 0 || e.Why == "" {
			t.Errorf("%s: %s, %v", text, out, err)
		}
	})
}
