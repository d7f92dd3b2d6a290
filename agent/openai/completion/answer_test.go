package completion_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
)

// toolCall is a delta of one tool call.
func toolCall(rest string) string { return piece(`{"tool_calls":[{`+rest+`}]}`, "null", "") }

const plain = `{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},` +
	`"logprobs":{"content":[{"token":"Hello","logprob":-0.1}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2},"timings":{"x":1},"exotic":1}`

func TestCompletionOfStream(t *testing.T) {
	const head = `{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant",`
	const tail = `}`
	const a, b = `{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}`, `{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}`
	both := head + `"content":null,"tool_calls":[` + a + `,` + b + `]},"finish_reason":"tool_calls"}]` + tail
	done := piece(`{}`, `"tool_calls"`, "")
	tests := []struct{ name, body, want string }{
		{"text and usage", sse(hel, lo, end, usage), head + `"content":"Hello"},"finish_reason":"stop"}],` +
			`"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"more":{"cached":1}}}`},
		{"refusal", sse(piece(`{"refusal":"n"}`, "null", ""), piece(`{"refusal":"o"}`, `"stop"`, "")), head + `"content":null,"refusal":"no"},"finish_reason":"stop"}]` + tail},
		{"calls by index", sse(
			toolCall(`"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}`),
			toolCall(`"index":0,"function":{"arguments":"{\"x\":"}`),
			toolCall(`"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{}"}`),
			toolCall(`"index":0,"function":{"arguments":"1}"}`), done), both},
		{"index from one", sse(
			toolCall(`"index":1,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}`),
			toolCall(`"index":2,"id":"b","type":"function","function":{"name":"g","arguments":"{}"}`), done), both},
		{"one index, two ids", sse(
			toolCall(`"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}`),
			toolCall(`"index":0,"id":"b","type":"function","function":{"name":"g","arguments":"{}"}`), done), both},
		{"id on every part, no index", sse(
			toolCall(`"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":"}`),
			toolCall(`"id":"a","function":{"arguments":"1}"}`),
			toolCall(`"id":"b","type":"function","function":{"name":"g","arguments":"{}"}`), done), both},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, tt.body, completion.Shape{})
			if _, err := drain(t, s); err != io.EOF {
				t.Fatal(err)
			}
			if got := string(s.Answer.Completion()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			kept, err := completion.Parse(s.Answer.Completion())
			if err != nil || string(kept.Completion()) != tt.want || kept.HasCalls() != s.Answer.HasCalls() || kept.Refused != s.Answer.Refused {
				t.Errorf("kept and read again: %s, %v", kept.Completion(), err)
			}
		})
	}
}

func TestReplay(t *testing.T) {
	kept := func(body string) []byte {
		s := open(t, body, completion.Shape{})
		_, _ = drain(t, s)
		return s.Answer.Completion()
	}
	const head, tail = `{"choices":[{"delta":`, `,"index":0}],"created":7,"id":"c1","model":"m","object":"chat.completion.chunk"`
	call := `{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}`
	tests := []struct {
		name  string
		kept  []byte
		usage bool
		want  []string
	}{
		{"text", kept(sse(hel, lo, end, usage)), false, []string{head + `{"content":"Hello","role":"assistant"},"finish_reason":null` + tail + `}`, head + `{},"finish_reason":"stop"` + tail + `}`}},
		{"usage", kept(sse(hel, lo, end, usage)), true, []string{
			head + `{"content":"Hello","role":"assistant"},"finish_reason":null` + tail + `,"usage":null}`, head + `{},"finish_reason":"stop"` + tail + `,"usage":null}`,
			`{"choices":[],"created":7,"id":"c1","model":"m","object":"chat.completion.chunk","usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"more":{"cached":1}}}`}},
		{"usage that was never counted", kept(sse(hel, piece(`{}`, `"length"`, ""))), true, []string{
			head + `{"content":"Hel","role":"assistant"},"finish_reason":null` + tail + `,"usage":null}`, head + `{},"finish_reason":"length"` + tail + `,"usage":null}`}},
		{"calls", kept(sse(piece(`{"tool_calls":[`+call+`]}`, "null", ""), piece(`{}`, `"tool_calls"`, ""))), false, []string{
			head + `{"role":"assistant","tool_calls":[` + call + `]},"finish_reason":null` + tail + `}`, head + `{},"finish_reason":"tool_calls"` + tail + `}`}},
		{"no finish", []byte(strings.Replace(plain, `"stop"`, `null`, 1)), false, []string{head + `{"content":"Hello","role":"assistant"},"finish_reason":null` + tail + `}`, head + `{},"finish_reason":"stop"` + tail + `}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := completion.Replay(tt.kept, tt.usage)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Prime(-1); err != nil || !s.Ended() {
				t.Errorf("primed: %v", err)
			}
			got, err := drain(t, s)
			if err != io.EOF || strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("%v, got\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			checkShape(t, got, tt.usage)
		})
	}
	for body, want := range map[string]error{`{`: fault.ErrBroken, `{}`: fault.ErrBroken, `{"choices":[{"message":{}}]}`: fault.ErrEmpty} {
		if _, err := completion.Replay([]byte(body), false); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", body, err, want)
		}
	}
}

func TestUsageOfOurOwn(t *testing.T) {
	a := completion.Answer{Usage: &completion.Usage{In: 3, Out: 2}}
	if got := string(a.Completion()); !strings.Contains(got, `"usage":{"completion_tokens":2,"prompt_tokens":3,"total_tokens":5}`) {
		t.Errorf("got %s", got)
	}
}

// BenchmarkCompletion is the kept form of a stream.
func BenchmarkCompletion(b *testing.B) {
	s := open(b, sse(hel, lo, end, usage), completion.Shape{})
	if _, err := drain(b, s); err == nil {
		b.Fatal("the stream did not end")
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Answer.Completion()
	}
}

// TestOddShapes asks for answers that are good but for a field or two.
func TestOddShapes(t *testing.T) {
	const call = `{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":{"x":1}}}]}`
	message := strings.NewReplacer(`{"role":"assistant","content":"Hello"}`, call)
	tests := []struct{ name, body, text, finish string }{
		{"created", strings.Replace(plain, ":7,", `:1.5,`, 1), "Hello", "stop"},
		{"created as text", strings.Replace(plain, ":7,", `:"7",`, 1), "Hello", "stop"},
		{"usage", strings.Replace(plain, ":3,", `:3.0,`, 1), "Hello", "stop"},
		{"usage as text", strings.Replace(plain, `:3,`, `:"3",`, 1), "Hello", "stop"},
		{"id", strings.Replace(plain, `"c1"`, `7`, 1), "Hello", "stop"},
		{"index", strings.Replace(plain, `"index":0`, `"index":"0"`, 1), "Hello", "stop"},
		{"index from one", strings.Replace(plain, `"index":0`, `"index":1`, 1), "Hello", "stop"},
		{"finish", strings.Replace(plain, `"stop"`, `1`, 1), "Hello", "stop"},
		{"no finish", strings.Replace(plain, `"stop"`, `null`, 1), "Hello", "stop"},
		{"logprobs", strings.Replace(plain, `-0.1`, `"-inf"`, 1), "Hello", "stop"},
		{"content in parts", strings.Replace(plain, `"Hello"}`, `[{"type":"text","text":"Hel"},{"type":"text","text":"lo"}]}`, 1), "Hello", "stop"},
		{"not UTF-8", strings.Replace(plain, "Hello", "H\xffllo", 1), "H\uFFFDllo", "stop"},
		{"sound", strings.Replace(plain, `"content":"Hello"`, `"content":null,"audio":{"data":"AA"}`, 1), "", "stop"},
		{"old calls", strings.Replace(plain, `"content":"Hello"`, `"content":null,"function_call":{"name":"f"}`, 1), "", "stop"},
		{"calls that stop", message.Replace(plain), "", "tool_calls"},
	}
	for _, tt := range tests {
		a, body, err := completion.Read([]byte(tt.body), false)
		if err != nil || a.Text() != tt.text || a.Finish != tt.finish || a.Usage.In != 3 || a.Usage.Out != 2 {
			t.Errorf("%s: got %+v, %v", tt.name, a, err)
		}
		if !utf8.Valid(body) || !strings.Contains(string(body), `"finish_reason":"`+tt.finish) && tt.name != "finish" || !strings.Contains(string(body), `"exotic":1`) {
			t.Errorf("%s: body %q", tt.name, body)
		}
	}
}

func TestEmpty(t *testing.T) {
	for _, words := range []string{`""`, `" \n\t"`, `null`, `"","reasoning_content":"hm"`, `"","audio":null,"annotations":[]`} {
		a, body, err := completion.Read([]byte(strings.Replace(plain, `"Hello"}`, words+"}", 1)), true)
		if !errors.Is(err, fault.ErrEmpty) || a == nil || a.Finish != "stop" || !strings.Contains(string(body), `"exotic":1`) || strings.Contains(string(body), "logprobs") {
			t.Errorf("%s: got %v, %s, %v", words, a, body, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{plain, `{"choices":[{"message":{"tool_calls":[{}]}},null]}`, `{"Choices":[{"message":{}}]}`, `[]`, "{\xff"} {
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, strip bool) {
		a, text, err := completion.Read(body, strip)
		if (a == nil) != (err != nil && !errors.Is(err, fault.ErrEmpty)) {
			t.Fatalf("answer %v with %v", a, err)
		}
		if a != nil && (!json.Valid(text) || !utf8.Valid(text) || a.Finish == "") {
			t.Fatalf("reply %q", text)
		}
	})
}

// TestContentShape: what is no text and no list of parts is no answer that a
// caller could read.
func TestContentShape(t *testing.T) {
	const call = `,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]`
	broken, fine := fault.ErrBroken, error(nil)
	for message, want := range map[string]error{
		`42`: broken, `{"a":1}`: broken, `{}`: broken, `true`: broken, `false`: broken, `7` + call: broken,
		`"a"`: fine, `null` + call: fine, `"","refusal":"no"`: fine, `null,"refusal":"no","exotic":7`: fine, `[{"type":"text","text":"a"}]`: fine,
	} {
		body := strings.Replace(plain, `"Hello"}`, message+"}", 1)
		if _, _, err := completion.Read([]byte(body), false); !errors.Is(err, want) {
			t.Errorf("plain, content %s: got %v, want %v", message, err, want)
		}
		if err := open(t, sse(piece(`{"content":`+message+`}`, "null", ""), end), completion.Shape{}).Prime(-1); !errors.Is(err, want) {
			t.Errorf("streamed, content %s: got %v, want %v", message, err, want)
		}
	}
}
