package local_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nearside/agent/openai"
	"nearside/local"
)

// TestRebuilds looks at what the engine is sent: nothing that is not on the
// allow-list, and the model's own prompt and sampling where there is room.
func TestRebuilds(t *testing.T) {
	l := run(t, options(t, "echo"))
	sent := func(body string) (out map[string]any, reply *openai.Reply) {
		reply, _, err := ask(t, l, body, patience)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(reply.Answer.Text()), &out); err != nil {
			t.Fatal(err)
		}
		return out, reply
	}
	got, reply := sent(`{"messages":[{"role":"user","content":"a","evil":1}],"grammar":"x","id_slot":3,"lora":[],"n_discard":5,"chat_parser":"y","post_sampling_probs":true,"seed":7,"top_p":0.9,"max_completion_tokens":9,"user":"me"}`)
	for _, name := range []string{"grammar", "id_slot", "lora", "n_discard", "chat_parser", "post_sampling_probs", "user"} {
		if _, there := got[name]; there {
			t.Errorf("%s reached the engine", name)
		}
	}
	if want := "chat_parser grammar id_slot lora n_discard post_sampling_probs"; strings.Join(reply.Ignored, " ") != want {
		t.Errorf("got ignored %v, want %s", reply.Ignored, want)
	}
	for name, want := range map[string]any{"seed": 7.0, "top_p": 0.9, "temperature": 0.0, "max_tokens": 9.0, "n_probs": 1.0, "model": "tiny"} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	first := got["messages"].([]any)[0].(map[string]any)
	if first["role"] != "system" || first["content"] != "Be brief." {
		t.Errorf("got first turn %v", first)
	}
	if text, _ := json.Marshal(got["messages"]); strings.Contains(string(text), "evil") {
		t.Errorf("a field inside a message got through: %s", text)
	}
	got, _ = sent(question)
	if turns := got["messages"].([]any); len(turns) != 2 || turns[0].(map[string]any)["role"] != "system" {
		t.Errorf("a prompt of the caller's own: got %v", turns)
	}
}

// TestRebuildsMessages sends messages in which something hides: only what was
// read goes to the engine, and names in another case are other names.
func TestRebuildsMessages(t *testing.T) {
	l := run(t, options(t, "echo"))
	reply, _, err := ask(t, l, `{"messages":[
		{"role":"user","content":[{"type":"image_url","Type":"text","text":"an image","image_url":{"url":"http://10.0.0.1/"}},
			{"type":"text","Type":"image_url","text":"seen","Text":"not seen","image_url":{"url":"http://10.0.0.1/"}}]},
		{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","evil":1,"function":{"name":"f","arguments":"{}","evil":1}}]},
		{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}`, patience)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Messages json.RawMessage }
	if err := json.Unmarshal([]byte(reply.Answer.Text()), &got); err != nil {
		t.Fatal(err)
	}
	const want = `[{"role":"system","content":"Be brief."},{"role":"user","content":"seen"},` +
		`{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
		`{"role":"tool","content":"a\nb","tool_call_id":"1"}]`
	if string(got.Messages) != want {
		t.Errorf("got  %s\nwant %s", got.Messages, want)
	}
}

func TestIgnoredNamesAreBounded(t *testing.T) {
	l := run(t, options(t, "ok"))
	var many strings.Builder
	for i := range 30 {
		fmt.Fprintf(&many, `"x%02d":1,`, i)
	}
	long := strings.Repeat("n", 70)
	reply, _, err := ask(t, l, `{"a\r\n\u00e9":1,"`+long+`":1,`+many.String()+question[1:], patience)
	if err != nil {
		t.Fatal(err)
	}
	got := reply.Ignored
	if len(got) != 21 || got[0] != "a???" || got[1] != long[:64]+"..." || got[20] != "..." {
		t.Errorf("got %d: %q", len(got), got)
	}
}

// TestEmptyAnswerIsGiven hands on an answer that says nothing: it is for the
// agent to find it poor, and no fault of the engine.
func TestEmptyAnswerIsGiven(t *testing.T) {
	l := run(t, options(t, "empty"))
	reply, tried, err := ask(t, l, question, patience)
	if err != nil || reply.Answer.Text() != "" || len(reply.Body) == 0 || strings.Join(tried, " ") != "ok" {
		t.Fatalf("got %+v, %v, %v", reply, tried, err)
	}
	if s := l.Status()[0]; s.ErrorRate == nil || *s.ErrorRate != 0 {
		t.Errorf("got error rate %v", s.ErrorRate)
	}
}

func TestSalt(t *testing.T) {
	o := options(t, "ok")
	before := local.New(o).Salt()
	o.Models[0].Sampling = map[string]float64{"temperature": 1}
	if local.New(o).Salt() == before {
		t.Error("other sampling, same salt")
	}
}
