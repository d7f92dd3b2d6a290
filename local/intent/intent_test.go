package intent_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
	"nearside/local/intent"
	"nearside/policy/gate"
)

// doors is a gate of two intents.
func doors(t testing.TB) *gate.Gate {
	t.Helper()
	var list []gate.Example
	for _, thing := range []string{"front", "back", "left", "right", "cellar"} {
		list = append(list, gate.Example{Text: "open the " + thing + " door", Label: "open"},
			gate.Example{Text: "shut the " + thing + " door", Label: "shut"})
	}
	g, _, err := gate.Train(list, gate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func call(body string, tried func(openai.Attempt)) openai.Call {
	return openai.Call{Request: openai.API(intent.Service, []byte(body)), Targets: []string{"local/gate-x"}, Tried: tried}
}

func TestChat(t *testing.T) {
	var target intent.Target
	tried := []string{}
	note := func(a openai.Attempt) { tried = append(tried, a.Target+" "+a.Result) }
	if _, err := target.Chat(t.Context(), call(`{"text":"open"}`, note)); !errors.Is(err, fault.ErrDown) {
		t.Errorf("without a gate: %v", err)
	}
	target.Hold(intent.Held{Name: "local/gate-x", Gate: doors(t), Threshold: 0.7})
	reply, err := target.Chat(t.Context(), call(`{"text":"open the garage door"}`, note))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Intent     string
		Confidence float64
	}
	if err := json.Unmarshal(reply.Body, &got); err != nil || got.Intent != "open" || reply.Target != "local/gate-x" || *reply.Sure != got.Confidence {
		t.Errorf("%v: %s by %s", err, reply.Body, reply.Target)
	}
	if name, p, least, ok := target.Scope("open the garage door"); !ok || name != "open" || p != got.Confidence || least != 0.7 {
		t.Errorf("scope is %s %v %v %v", name, p, least, ok)
	}
	for _, body := range []string{`{}`, `{"text":null}`, `{"text":["a"]}`, `7`, `{`} {
		if _, err := target.Chat(t.Context(), call(body, note)); err == nil || !strings.Contains(err.Error(), "text: must be a string") {
			t.Errorf("%s: %v", body, err)
		}
	}
	if want := "local/gate-x down,local/gate-x ok"; !strings.HasPrefix(strings.Join(tried, ","), want) || len(tried) != 7 {
		t.Errorf("attempts %q, want %q and five more", tried, want)
	}
}

func BenchmarkChat(b *testing.B) {
	var target intent.Target
	target.Hold(intent.Held{Name: "local/gate-x", Gate: doors(b), Threshold: 0.7})
	c := call(`{"text":"open the garage door please"}`, func(openai.Attempt) {})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := target.Chat(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
