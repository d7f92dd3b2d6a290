package task_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"nearside/agent/openai"
	"nearside/agent/task"
)

// asks is a chat request with this question.
func asks(t testing.TB, question, rest string) *openai.Request {
	t.Helper()
	content, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	r, err := openai.Decode([]byte(`{"messages":[{"role":"user","content":` + string(content) + `}]` + rest + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestOf: what a request wants of the form counts before its words; words count
// where they stand for themselves.
func TestOf(t *testing.T) {
	f := func(question, rest, want string) {
		t.Helper()
		if got := task.Of(asks(t, question, rest)); got != want {
			t.Errorf("%.60q: got %s, want %s", question, got, want)
		}
	}
	f("What is 12 * 12?", "", "math")
	f("What is 1 * 2?", "", "chat")
	f("What is in flight 12?", "", "chat")
	f("Codeine is what?", "", "chat")
	f("What is the regular\nexpression?", "", "code")
	f("Describe the regular bus.", "", "open")
	f("What is 12 * 12?", `,"tools":[{"type":"function","function":{"name":"f"}}]`, "tools")
	f("What is 12 * 12?", `,"response_format":{"type":"json_object"}`, "schema")
	f(strings.Repeat("a", task.Long+1), "", "long")
	f(strings.Repeat("a ", task.Long)+"sql", "", "long")
}

// FuzzOf: every question is of one of the classes, whatever bytes it is made
// of.
func FuzzOf(f *testing.F) {
	f.Add("What is 638 times 417?")
	f.Add("```\nx\n```")
	f.Add("Write É\xff 12^12")
	f.Fuzz(func(t *testing.T, question string) {
		if got := task.Of(asks(t, question, "")); !slices.Contains(task.Names(), got) {
			t.Errorf("%q is of class %q", question, got)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	r := asks(b, strings.Repeat("a word of a long text 12 ", 70), "")
	for b.Loop() {
		task.Of(r)
	}
}
