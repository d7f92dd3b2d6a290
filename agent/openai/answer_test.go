package openai_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
)

// toolCall is a delta of one tool call.
func toolCall(rest string) string { return piece(`{"tool_calls":[{`+rest+`}]}`, "null", "") }

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
			s := open(t, tt.body, openai.Shape{})
			if _, err := drain(t, s); err != io.EOF {
				t.Fatal(err)
			}
			if got := string(s.Answer.Completion()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			kept, err := openai.ParseCompletion(s.Answer.Completion())
			if err != nil || string(kept.Completion()) != tt.want || kept.HasCalls() != s.Answer.HasCalls() || kept.Refused != s.Answer.Refused {
				t.Errorf("kept and read again: %s, %v", kept.Completion(), err)
			}
		})
	}
}

func TestReplay(t *testing.T) {
	kept := func(body string) []byte {
		s := open(t, body, openai.Shape{})
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
			s, err := openai.Replay(tt.kept, &openai.Request{Stream: true, IncludeUsage: tt.usage})
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
		if _, err := openai.Replay([]byte(body), &openai.Request{}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", body, err, want)
		}
	}
}

func TestUsageOfOurOwn(t *testing.T) {
	a := openai.Answer{Usage: &openai.Usage{In: 3, Out: 2}}
	if got := string(a.Completion()); !strings.Contains(got, `"usage":{"completion_tokens":2,"prompt_tokens":3,"total_tokens":5}`) {
		t.Errorf("got %s", got)
	}
}

// BenchmarkCompletion is the kept form of a stream.
func BenchmarkCompletion(b *testing.B) {
	s := open(b, sse(hel, lo, end, usage), openai.Shape{})
	if _, err := drain(b, s); err == nil {
		b.Fatal("the stream did not end")
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Answer.Completion()
	}
}
