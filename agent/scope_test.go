package agent_test

import (
	"strings"
	"testing"

	"nearside/agent"
	"nearside/agent/config/written"
	"nearside/agent/openai"
	"nearside/policy"
)

// wide is a gate that is sure of questions with a window in them.
type wide struct{}

func (wide) Scope(text string) (string, float64, float64, bool) {
	if text == "nothing" {
		return "", 0, 0, false
	}
	if strings.Contains(text, "window") {
		return "window_open", 0.9, 0.6, true
	}
	return "window_open", 0.1, 0.6, true
}

// TestGateTells: what a gate makes of a question is in the ask, and what is
// expected of the target that answers with it.
func TestGateTells(t *testing.T) {
	doc, digest, _ := written.DefaultPolicy()
	signals := policy.Signals{Targets: []policy.Target{
		{Name: "local/tiny", Services: []string{"chat"}, Usable: true},
		{Name: "local/gate-car", Services: []string{"intent"}, Usable: true},
		{Name: "cloud/big", Services: []string{"chat", "intent"}, Usable: true},
	}}
	chat := func(text string) *openai.Request {
		r, err := openai.Decode([]byte(`{"model":"auto","messages":[{"role":"user","content":"` + text + `"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		name    string
		request *openai.Request
		gate    agent.Gate
		scope   float64 // 0 is not known
		good    float64 // expected of the gate's target; 0 is nothing
		first   string
	}{
		{"a command", chat("open the window"), wide{}, 0.9, 0, "local/tiny"},
		{"a question", chat("who are you"), wide{}, 0.1, 0, "local/tiny"},
		{"a long text", chat(strings.Repeat("open the window ", 200)), wide{}, 0, 0, "cloud/big"},
		{"not known", chat("nothing"), wide{}, 0, 0, "local/tiny"},
		{"no gate", chat("open the window"), nil, 0, 0, "local/tiny"},
		{"an intent", openai.API("intent", []byte(`{"text":"open the window"}`)), wide{}, 0.9, 0.9, "local/gate-car"},
		{"an intent nobody is sure of", openai.API("intent", []byte(`{"text":"why"}`)), wide{}, 0.1, 0.1, "cloud/big"},
		{"an intent without text", openai.API("intent", []byte(`{}`)), wide{}, 0, 0, "local/gate-car"},
	} {
		a := agent.New(agent.Parts{Signals: func() policy.Signals { return signals }},
			agent.Settings{Policy: &agent.Policy{Doc: doc, Digest: digest}, Gate: c.gate})
		e, err := a.Explain(agent.Input{Request: c.request})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		scope := 0.0
		if e.Ask.Scope != nil {
			scope = *e.Ask.Scope
		}
		if scope != c.scope || (e.Ask.Intent != "") != (c.scope > 0) {
			t.Errorf("%s: intent %q with %v, want %v", c.name, e.Ask.Intent, scope, c.scope)
		}
		got := e.Ask.Estimate("local/gate-car")
		if (got != nil) != (c.good > 0) || got != nil && (got.Good != c.good || *got.Threshold != 0.6) {
			t.Errorf("%s: of the gate's target is expected %+v, want %v", c.name, got, c.good)
		}
		if e.Steps[0].Target != c.first {
			t.Errorf("%s: first comes %q, want %s", c.name, e.Steps[0].Target, c.first)
		}
	}
}
