package server_test

import (
	"fmt"
	"strings"
	"testing"
)

// turn is a body with a good question and whatever else a test wants in it.
func turn(more string) string {
	return `{"messages":[{"role":"user","content":"hello"}],` + more + `}`
}

// message is a body with one message.
func message(m string) string { return `{"messages":[` + m + `]}` }

// TestBadBody checks that every fault of a body is named: which field, and
// what would be right.
func TestBadBody(t *testing.T) {
	f := world{local: says("local/small", "Hi."), cloud: says("cloud/first", "Hi.")}.open(t)
	for body, want := range map[string]struct{ param, says string }{
		``:                     {"", "JSON"},
		`{`:                    {"", "JSON"},
		`{"a":1,`:              {"", "JSON"},
		hello + `x`:            {"", "byte"},
		`[]`:                   {"", "object"},
		`null`:                 {"", "object"},
		`"hello"`:              {"", "object"},
		"{\"model\":\"\xff\"}": {"", "UTF-8"},

		`{}`:                                      {"messages", "missing"},
		`{"messages":[]}`:                         {"messages", "empty"},
		`{"messages":null}`:                       {"messages", "missing"},
		`{"messages":"hello"}`:                    {"messages", "list"},
		`{"messages":["hello"]}`:                  {"messages", "list"},
		`{"messages":[{}]}`:                       {"messages[0].role", "user"},
		message(`{"role":"boss","content":"x"}`):  {"messages[0].role", "assistant"},
		message(`{"role":"user"}`):                {"messages[0].content", "string"},
		message(`{"role":"user","content":5}`):    {"messages[0].content", "string"},
		message(`{"role":"user","content":null}`): {"messages[0].content", "string"},
		message(`{"role":"user","content":"x"},{"role":"tool"}`):        {"messages[1].content", "string"},
		message(`{"role":"user","content":[{"text":"x"}]}`):             {"messages[0].content", "type"},
		message(`{"role":"user","content":[{"type":"text","text":5}]}`): {"messages[0].content", "text"},
		turn(`"model":""`): {"model", "auto"},
		turn(`"model":5`):  {"model", "auto"},
		turn(`"model":"` + strings.Repeat("m", 257) + `"`):   {"model", "256"},
		turn(`"temperature":-0.1`):                           {"temperature", "from 0 to 2"},
		turn(`"temperature":2.1`):                            {"temperature", "from 0 to 2"},
		turn(`"temperature":"hot"`):                          {"temperature", "number"},
		turn(`"temperature":1e999`):                          {"temperature", "number"},
		turn(`"temperature":NaN`):                            {"temperature", "finite number"},
		turn(`"top_p":-1`):                                   {"top_p", "from 0 to 1"},
		turn(`"top_p":1.5`):                                  {"top_p", "from 0 to 1"},
		turn(`"presence_penalty":-3`):                        {"presence_penalty", "from -2 to 2"},
		turn(`"frequency_penalty":3`):                        {"frequency_penalty", "from -2 to 2"},
		turn(`"max_tokens":0`):                               {"max_tokens", "from 1"},
		turn(`"max_tokens":-5`):                              {"max_tokens", "from 1"},
		turn(`"max_tokens":1.5`):                             {"max_tokens", "whole"},
		turn(`"max_tokens":1e12`):                            {"max_tokens", "to 16777216"},
		turn(`"max_completion_tokens":99999999999999999999`): {"max_completion_tokens", "to 16777216"},
		turn(`"n":2`):                                        {"n", "1"},
		turn(`"seed":"x"`):                                   {"seed", "number"},
		turn(`"logprobs":"yes"`):                             {"logprobs", "true"},
		turn(`"top_logprobs":3`):                             {"top_logprobs", "logprobs: true"},
		turn(`"logprobs":true,"top_logprobs":21`):            {"top_logprobs", "to 20"},
		turn(`"stop":5`):                                     {"stop", "string"},
		turn(`"stop":["1","2","3","4","5"]`):                 {"stop", "4"},
		turn(`"stream":"yes"`):                               {"stream", "true"},
		turn(`"stream":true,"stream_options":3`):             {"stream_options", "object"},
		turn(`"stream_options":{"include_usage":true}`):      {"stream_options", "stream: true"},
		turn(`"tools":{}`):                                   {"tools", "list"},
		turn(`"tools":[{}]`):                                 {"tools[0].type", "function"},
		turn(`"tools":[{"type":"function"}]`):                {"tools[0].function.name", "missing"},
		turn(`"tool_choice":5`):                              {"tool_choice", "auto"},
		turn(`"response_format":"json"`):                     {"response_format", "object"},
		turn(`"response_format":{"type":"xml"}`):             {"response_format.type", "json_object"},
		turn(`"response_format":{"type":"json_schema"}`):     {"response_format.json_schema", "schema"},
	} {
		got := f.chat(body)
		got.refused(t, fmt.Sprintf("%.60s", body), 400, "invalid_request_error", "", want.param, want.says)
	}
}

func TestBadHeaders(t *testing.T) {
	f := world{local: says("local/small", "Hi."), cloud: says("cloud/first", "Hi.")}.open(t)
	for _, c := range []struct{ name, value, says string }{
		{"x-nearside-mode", "banana", "auto, local, cloud"},
		{"x-nearside-privacy", "yes", "normal, private"},
		{"x-nearside-deadline-ms", "soon", "whole number"},
		{"x-nearside-deadline-ms", "0", "from 1"},
		{"x-nearside-deadline-ms", "-5", "from 1"},
		{"x-nearside-deadline-ms", "1.5", "whole number"},
		{"x-nearside-deadline-ms", "99999999999999999999", "to 3600000"},
		{"x-nearside-max-cost", "cheap", "USD"},
		{"x-nearside-max-cost", "-1", "USD"},
		{"x-nearside-max-cost", "NaN", "USD"},
		{"x-nearside-max-cost", "Inf", "USD"},
		{"x-nearside-defer", "later", "auto, never, only"},
		{"Cache-Control", "max-age=soon", "seconds"},
		{"Cache-Control", "no-cache, max-age=-1", "seconds"},
		{"Cache-Control", "max-stale=x", "seconds"},
	} {
		got := f.chat(hello, c.name, c.value)
		got.refused(t, c.name+" "+c.value, 400, "invalid_request_error", "", c.name, c.says)
	}
}

// TestPacked: bodies are not unpacked, and whoever sends one is told so.
func TestPacked(t *testing.T) {
	f := world{local: says("local/small", "Hi.")}.open(t)
	for _, value := range []string{"gzip", "br", "identity, gzip"} {
		got := f.chat("\x1f\x8b\b", "Content-Encoding", value)
		got.refused(t, value, 415, "invalid_request_error", "unsupported_encoding", "content-encoding", "without that header")
	}
	if got := f.chat(hello, "Content-Encoding", "Identity"); got.status != 200 {
		t.Errorf("a body that is as it is: %d %s", got.status, got.body)
	}
}

// TestHeaderTwice: of two values the laxer one must not win.
func TestHeaderTwice(t *testing.T) {
	f := world{local: says("local/small", "Hi."), cloud: says("cloud/first", "Hi.")}.open(t)
	for _, c := range [][3]string{
		{"x-nearside-privacy", "normal", "private"}, {"x-nearside-mode", "cloud", "local"},
		{"x-nearside-max-cost", "1", "0"}, {"x-nearside-deadline-ms", "5000", "1"},
	} {
		got := f.chat(hello, c[0], c[1], c[0], c[2])
		got.refused(t, c[0], 400, "invalid_request_error", "", c[0], c[1]+","+c[2])
	}
}

func TestTooLarge(t *testing.T) {
	f := world{local: says("local/small", "Hi.")}.open(t)
	for name, body := range map[string]string{
		"a body of 17 MiB": turn(`"user":"` + strings.Repeat("x", 17<<20) + `"`),
		"100,001 messages": `{"messages":[` + strings.Repeat(`{"role":"user","content":""},`, 100_000) + `{"role":"user","content":""}]}`,
	} {
		f.blurt("tcp", "/v1/chat/completions", body).refused(t, name, 413, "request_too_large", "", "-", "")
	}
}

// refused checks that a reply is the refusal it should be. A param of "-" may
// be any.
func (r reply) refused(t *testing.T, what string, status int, kind, code, param, says string) {
	t.Helper()
	if r.status != status || r.fault.Type != kind || r.fault.Code != code || param != "-" && r.fault.Param != param {
		t.Errorf("%s: %d %s, code %q, param %q: %s\nwant %d %s, code %q, param %q", what,
			r.status, r.fault.Type, r.fault.Code, r.fault.Param, r.fault.Message, status, kind, code, param)
		return
	}
	if !strings.Contains(r.fault.Message, says) || r.fault.Message == "" {
		t.Errorf("%s: %q does not say %q", what, r.fault.Message, says)
	}
	for name, want := range map[string]string{"x-nearside-route": "none", "Content-Type": "application/json"} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %s is %q, want %q", what, name, got, want)
		}
	}
	if r.header.Get("x-request-id") == "" {
		t.Errorf("%s: no x-request-id", what)
	}
	if got := r.header.Get("x-should-retry"); status != 429 && got != "false" {
		t.Errorf("%s: x-should-retry is %q: every client would ask again", what, got)
	}
}
