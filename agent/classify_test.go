package agent_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"nearside/agent"
	"nearside/agent/openai"
	"nearside/agent/task"
)

func TestTask(t *testing.T) {
	w := newWorld()
	f := func(text, want string) {
		t.Helper()
		content, _ := json.Marshal(text)
		req, err := openai.Decode([]byte(`{"messages":[{"role":"user","content":` + string(content) + `}]}`))
		if err != nil {
			t.Fatal(err)
		}
		e, err := w.agent().Explain(agent.Input{Request: req})
		if err != nil || e.Ask.Task != want {
			t.Errorf("%.60q: got %s, %v, want %s", text, e.Ask.Task, err, want)
		}
		if !slices.Contains(task.Names(), want) {
			t.Errorf("%s is not among the tasks there are", want)
		}
	}
	f("What is the capital of France?", "chat")
	f("What is 4 + 4?", "chat")
	f("What is 638 times 417?", "math")
	f("What's the Square Root of 5041?", "math")
	f("Solve for x: 7x - 13 = 64.", "math")
	f("Write a Python function.", "code")
	f("Write a regular expression for IPv4.", "code")
	f("Why does this fail?\n```\nx\n```", "code")
	f("Explain tides.", "open")
	f("In which year was the Peace of Nystad signed, 1721 or later?", "chat")
	f(strings.Repeat("word ", 1000), "long")
	f(strings.Repeat("word ", 1000)+" regex", "long")
	f("", "chat")
}

func BenchmarkExplainLongText(b *testing.B) {
	w := newWorld()
	content, _ := json.Marshal(strings.Repeat("a word of a very long text 12 ", 8<<20/30))
	req, err := openai.Decode([]byte(`{"messages":[{"role":"user","content":` + string(content) + `}]}`))
	if err != nil {
		b.Fatal(err)
	}
	a := w.agent()
	for b.Loop() {
		if _, err := a.Explain(agent.Input{Request: req}); err != nil {
			b.Fatal(err)
		}
	}
}
