package openai_test

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
)

// hi is a body that is right, with more fields added.
func hi(more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"messages":[{"role":"user","content":"hi"}]` + more + `}`
}

// msg is a body with one message.
func msg(m string) string { return `{"messages":[` + m + `]}` }

func TestDecodeRefuses(t *testing.T) {
	tests := []struct{ name, body, param, says string }{
		{"nothing", ``, "", "not valid JSON"},
		{"cut short", "{\n\"model\":\n", "", "line 3"},
		{"wrong JSON", "{\n\"messages\":\n[,]}", "", "line 3"},
		{"two objects", hi("") + `{}`, "", "after top-level value"},
		{"a list", `[]`, "", "must be a JSON object"},
		{"a string", `"hi"`, "", "must be a JSON object"},
		{"null", `null`, "", "must be a JSON object"},
		{"NaN", hi(`"temperature":NaN`), "temperature", "temperature is NaN, which is no number"},
		{"Infinity", hi(`"temperature":-Infinity`), "temperature", "it must be a finite number"},
		{"invalid UTF-8", hi("\"user\":\"\xff\""), "", "not valid UTF-8"},
		{"deep nesting", strings.Repeat("[", 100_000), "", "max depth"},
		{"deep field", hi(`"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)), "", "max depth"},

		{"empty model", hi(`"model":""`), "model", "1 to 256 bytes"},
		{"long model", hi(`"model":"` + strings.Repeat("m", 257) + `"`), "model", "1 to 256 bytes"},
		{"model of a wrong type", hi(`"model":5`), "model", "must be a string"},

		{"no messages", `{}`, "messages", "missing or empty"},
		{"null messages", `{"messages":null}`, "messages", "missing or empty"},
		{"empty messages", `{"messages":[]}`, "messages", "missing or empty"},
		{"messages as text", `{"messages":"hi"}`, "messages", "must be a list of objects"},
		{"a message as text", msg(`"hi"`), "messages", "must be a list of objects"},
		{"a null message", msg(`null`), "messages[0].role", "must be one of developer, system, user"},
		{"no role", msg(`{"content":"hi"}`), "messages[0].role", "must be one of"},
		{"wrong role", msg(`{"role":"user","content":"a"},{"role":"boss","content":"b"}`), "messages[1].role", `"boss"`},
		{"no content", msg(`{"role":"user"}`), "messages[0].content", "string or a list of parts"},
		{"null content", msg(`{"role":"tool","content":null}`), "messages[0].content", "string or a list of parts"},
		{"content as number", msg(`{"role":"user","content":5}`), "messages[0].content", "string or a list of parts"},
		{"content as object", msg(`{"role":"user","content":{}}`), "messages[0].content", "string or a list of parts"},
		{"parts as text", msg(`{"role":"user","content":["hi"]}`), "messages[0].content", "objects with a type"},
		{"part without type", msg(`{"role":"user","content":[{"text":"hi"}]}`), "messages[0].content", "without a type"},
		{"null part", msg(`{"role":"user","content":[null]}`), "messages[0].content", "without a type"},
		{"text part without text", msg(`{"role":"user","content":[{"type":"text"}]}`), "messages[0].content", "not a string"},

		{"temperature below", hi(`"temperature":-1`), "temperature", "a number from 0 to 2"},
		{"temperature absurd", hi(`"temperature":1e300`), "temperature", "a number from 0 to 2"},
		{"temperature beyond floats", hi(`"temperature":1e999`), "temperature", "must be a number"},
		{"temperature as text", hi(`"temperature":"hot"`), "temperature", "must be a number"},
		{"top_p", hi(`"top_p":1.1`), "top_p", "from 0 to 1"},
		{"penalty", hi(`"presence_penalty":-2.5`), "presence_penalty", "from -2 to 2"},
		{"max_tokens none", hi(`"max_tokens":0`), "max_tokens", "a whole number from 1"},
		{"max_tokens broken", hi(`"max_completion_tokens":1.5`), "max_completion_tokens", "a whole number"},
		{"n", hi(`"n":2`), "n", "must be 1"},
		{"seed", hi(`"seed":1e30`), "seed", "64 bits"},
		{"stop of five", hi(`"stop":["a","b","c","d","e"]`), "stop", "at most 4"},
		{"stop as number", hi(`"stop":5`), "stop", "a string or a list"},
		{"logprobs as number", hi(`"logprobs":3`), "logprobs", "true or false"},
		{"top_logprobs alone", hi(`"top_logprobs":3`), "top_logprobs", "needs logprobs"},
		{"top_logprobs absurd", hi(`"logprobs":true,"top_logprobs":21`), "top_logprobs", "from 0 to 20"},

		{"stream as text", hi(`"stream":"yes"`), "stream", "true or false"},
		{"stream_options alone", hi(`"stream_options":{"include_usage":true}`), "stream_options", "needs stream"},
		{"stream_options as list", hi(`"stream":true,"stream_options":[]`), "stream_options", "must be an object"},

		{"tools as object", hi(`"tools":{}`), "tools", "must be a list"},
		{"tool without type", hi(`"tools":[{}]`), "tools[0].type", "must be \"function\""},
		{"tool without name", hi(`"tools":[{"type":"function","function":{}}]`), "tools[0].function.name", "is missing"},
		{"tool_choice", hi(`"tool_choice":5`), "tool_choice", "\"none\", \"auto\", \"required\""},
		{"response_format as text", hi(`"response_format":"json"`), "response_format", "must be an object"},
		{"response_format type", hi(`"response_format":{"type":"yaml"}`), "response_format.type", "json_schema"},
		{"response_format schema", hi(`"response_format":{"type":"json_schema"}`), "response_format.json_schema", "name and schema"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := openai.Decode([]byte(tt.body))
			e := asError(t, err)
			if e.Status != http.StatusBadRequest || e.Type != "invalid_request_error" {
				t.Errorf("got %d %s, want 400 invalid_request_error", e.Status, e.Type)
			}
			if e.Param != tt.param || !strings.Contains(e.Message, tt.says) {
				t.Errorf("got param %q, message %q; want %q, ...%s...", e.Param, e.Message, tt.param, tt.says)
			}
			if len(e.Message) > 500 {
				t.Errorf("message of %d bytes", len(e.Message))
			}
		})
	}
}

// asError is err as the *Error it must be.
func asError(t *testing.T, err error) *fault.Error {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *fault.Error", err)
	}
	return e
}

func TestDecodeBoundsLists(t *testing.T) {
	many := func(one string) string { return "[" + strings.Repeat(one+",", 999_999) + one + "]" }
	tests := []struct{ name, body, param string }{
		{"messages", `{"messages":` + many(`{}`) + `}`, "messages"},
		{"commas in text do not count", `{"messages":` + many(`{"a":"\",["}`) + `}`, "messages"},
		{"tools", hi(`"tools":` + many(`0`)), "tools"},
		{"parts", msg(`{"role":"user","content":` + many(`0`) + `}`), "messages[0].content"},
	}
	names := []byte("{")
	for i := range 1_000_000 {
		names = fmt.Appendf(names, `"%x":1,`, i)
	}
	object := string(names[:len(names)-1]) + "}"
	tests = append(tests, []struct{ name, body, param string }{
		{"fields", object, "body"}, {"options", hi(`"stream":true,"stream_options":` + object), "stream_options"},
	}...)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := openai.Decode([]byte(tt.body))
			if e := asError(t, err); e.Status != http.StatusRequestEntityTooLarge || e.Param != tt.param || !strings.Contains(e.Message, "1000000 entries") {
				t.Errorf("got %d %q %q", e.Status, e.Param, e.Message)
			}
		})
	}
	long := hi(`"stop":"` + strings.Repeat(",", 300_000) + `"`)
	if _, err := openai.Decode([]byte(long)); err != nil {
		t.Errorf("long text: %v", err)
	}
}

func TestDecodeTakes(t *testing.T) {
	zero, warm := 0.0, 0.5
	plain := openai.Request{Model: "auto"}
	with := func(f func(*openai.Request)) openai.Request { r := plain; f(&r); return r }
	tests := []struct {
		name, body string
		want       openai.Request
	}{
		{"least", hi(""), plain},
		{"null is absent", hi(`"model":null,"temperature":null,"stop":null,"stream":null,"stream_options":null,"tools":null,"top_logprobs":null,"response_format":null,"max_tokens":null`), plain},
		{"model", hi(`"model":"cloud/first"`), with(func(r *openai.Request) { r.Model = "cloud/first" })},
		{"the last of two counts", hi(`"model":"a","model":"b"`), with(func(r *openai.Request) { r.Model = "b" })},
		{"temperature 0", hi(`"temperature":0`), with(func(r *openai.Request) { r.Temperature = &zero })},
		{"sampling", hi(`"temperature":0.5,"top_p":1,"n":1,"seed":-5,"stop":["a","b"],"frequency_penalty":-2`), with(func(r *openai.Request) { r.Temperature = &warm })},
		{"max_tokens", hi(`"max_tokens":1e2`), with(func(r *openai.Request) { r.MaxTokens = 100 })},
		{"max_completion_tokens wins", hi(`"max_tokens":5,"max_completion_tokens":7.0`), with(func(r *openai.Request) { r.MaxTokens = 7 })},
		{"logprobs", hi(`"logprobs":true,"top_logprobs":5.0`), with(func(r *openai.Request) { r.Logprobs, r.TopLogprobs = true, 5 })},
		{"stream", hi(`"stream":true,"stream_options":{"include_usage":true,"other":1}`), with(func(r *openai.Request) { r.Stream, r.IncludeUsage = true, true })},
		{"official tools", hi(`"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false`),
			with(func(r *openai.Request) { r.Tools = true })},
		{"hosted tool", hi(`"tools":[{"type":"web_search"}],"tool_choice":"auto"`), with(func(r *openai.Request) { r.Tools = true })},
		{"no tools", hi(`"tools":[]`), plain},
		{"official json_schema", hi(`"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{"type":"object"}}}`), with(func(r *openai.Request) { r.Schema = true })},
		{"json_object", hi(`"response_format":{"type":"json_object"}`), with(func(r *openai.Request) { r.Schema = true })},
		{"text format", hi(`"response_format":{"type":"text"}`), plain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := openai.Decode([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Messages, tt.want.Size = got.Messages, len(tt.body)
			bare := openai.Request{
				Model: got.Model, Messages: got.Messages, Stream: got.Stream, IncludeUsage: got.IncludeUsage, Temperature: got.Temperature,
				MaxTokens: got.MaxTokens, Logprobs: got.Logprobs, TopLogprobs: got.TopLogprobs, Tools: got.Tools, Schema: got.Schema, Size: got.Size,
			}
			if !reflect.DeepEqual(bare, tt.want) {
				t.Errorf("got  %+v\nwant %+v", bare, tt.want)
			}
		})
	}
}

func TestMessages(t *testing.T) {
	body := msg(`{"role":"developer","content":"be brief"},
		{"role":"user","content":[{"type":"text","text":"one"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}},{"type":"text","text":"two"}]},
		{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"c1","content":"42"},
		{"role":"assistant","tool_calls":[]}`)
	r, err := openai.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.LastUser(); got != "one\ntwo" {
		t.Errorf("last user text %q", got)
	}
	if !r.HasParts() || !r.HasRole("tool") || r.HasRole("system", "function") {
		t.Error("parts or roles are wrong")
	}
	plain, err := openai.Decode([]byte(msg(`{"role":"system","content":[{"type":"text","text":"x"}]}`)))
	if err != nil || plain.HasParts() || plain.LastUser() != "" {
		t.Errorf("got %v, parts %v, last user %q", err, plain.HasParts(), plain.LastUser())
	}
}

// streamed is a request for a stream with further fields.
func streamed(t testing.TB, fields string) *openai.Request {
	t.Helper()
	r, err := openai.Decode([]byte(hi(`"stream":true` + fields)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// BenchmarkBody is the request for a stream as a target gets it.
func BenchmarkBody(b *testing.B) {
	r := streamed(b, "")
	b.ReportAllocs()
	for b.Loop() {
		r.Body("some-model")
	}
}

func TestBodyAndOnly(t *testing.T) {
	r, err := openai.Decode([]byte(hi(`"model":"auto","stream":true,"stream_options":{"x":1},"seed":9007199254740993,"exotic":{"big":123456789012345678901234567890,"f":1.10},"user":null`)))
	if err != nil {
		t.Fatal(err)
	}
	odd, err := openai.Decode([]byte(hi(`"a\"<é\n\\":1`)))
	if err != nil {
		t.Fatal(err)
	}
	silent, asked, refused := streamed(t, ""), streamed(t, `,"stream_options":{"include_usage":true}`), streamed(t, `,"stream_options":{"include_usage":false}`)
	const messages = `"messages":[{"role":"user","content":"hi"}]`
	tests := []struct{ name, got, want string }{
		{"body keeps what it does not know", string(r.Body("some-model")),
			`{"model":"some-model","stream_options":{"include_usage":true,"x":1},` + messages + `,"stream":true,"seed":9007199254740993,"exotic":{"big":123456789012345678901234567890,"f":1.10}}`},
		{"body escapes names", string(odd.Body("m\"\x7f<é")), `{"model":"m\"` + "\x7f" + `<é",` + messages + `,"a\"<é\n\\":1}`},
		{"only what is allowed", string(r.Only([]string{"messages", "seed", "absent"}, nil)), `{` + messages + `,"seed":9007199254740993}`},
		{"what is set wins", string(r.Only([]string{"messages", "model"}, map[string]any{"model": "m", "top_k": 1})), `{` + messages + `,"model":"m","top_k":1}`},
		{"usage is asked for once", string(asked.Body("m")), `{"model":"m","stream_options":{"include_usage":true},` + messages + `,"stream":true}`},
		{"usage is asked for", string(silent.Body("m")), `{"model":"m","stream_options":{"include_usage":true},` + messages + `,"stream":true}`},
		{"usage is asked for where the caller would not", string(refused.Body("m")), `{"model":"m","stream_options":{"include_usage":true},` + messages + `,"stream":true}`},
		{"names", strings.Join(r.Names(), " "), "exotic messages model seed stream stream_options"},
		{"field", string(r.Field("seed")) + string(r.Field("user")), "9007199254740993"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, tt.got, tt.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{hi(""), hi(`"stream":true,"stream_options":{}`), hi(`"tools":[{"type":"x"}]`), msg(`{"role":"user","content":[{"type":"text","text":"a"}]}`), `{"messages":[null]}`, `[`, "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := openai.Decode(body)
		if err != nil {
			if e := asError(t, err); e.Status < 400 || e.Status > 413 || e.Message == "" {
				t.Fatalf("got %+v", e)
			}
			return
		}
		r.HasParts()
		r.LastUser()
		again, err := openai.Decode(r.Body("m"))
		if err != nil || again.Model != "m" || again.Stream != r.Stream || len(again.Messages) != len(r.Messages) {
			t.Fatalf("its body decodes to %+v, %v", again, err)
		}
		if _, err := openai.Decode(r.Only([]string{"messages"}, nil)); err != nil {
			t.Fatalf("its messages alone: %v", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	turn := `{"role":"user","content":"` + strings.Repeat("a few words of text ", 12) + `"},`
	body := []byte(`{"model":"auto","temperature":0,"stream":true,"messages":[` + strings.Repeat(turn, 7) + `{"role":"user","content":"hi"}]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := openai.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}

func TestWithMaxTokens(t *testing.T) {
	r, err := openai.Decode([]byte(`{"messages":[{"role":"user","content":"?"}],"max_tokens":9,"exotic":1}`))
	if err != nil {
		t.Fatal(err)
	}
	c := r.WithMaxTokens(5)
	if got := string(c.Body("m")); c.MaxTokens != 5 || got != `{"model":"m","messages":[{"role":"user","content":"?"}],"exotic":1,"max_completion_tokens":5}` {
		t.Errorf("got %d, %s", c.MaxTokens, got)
	}
	if got := string(r.Body("m")); r.MaxTokens != 9 || !strings.Contains(got, `"max_tokens":9`) || strings.Contains(got, "completion") {
		t.Errorf("the original became %d, %s", r.MaxTokens, got)
	}
}
