package chat_test

import (
	"encoding/json"
	"strings"
	"testing"

	"nearside/cmd/fakecloud/fake/chat"
)

// voice answers in all tests.
func voice() chat.Voice { return chat.Voice{Name: "blue", Words: 5} }

func parse(t *testing.T, body string) chat.Request {
	t.Helper()
	q, bad := chat.Parse([]byte(body))
	if bad != nil {
		t.Fatalf("refused %s: %+v", body, *bad)
	}
	return q
}

// onWire answers body and returns the plain answer as a client reads it.
func onWire(t *testing.T, body string) (message map[string]any, choice, whole map[string]any) {
	t.Helper()
	q := parse(t, body)
	raw, err := json.Marshal(chat.Whole(chat.Envelope{}, q, chat.Compose(voice(), q)))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &whole); err != nil {
		t.Fatal(err)
	}
	choice = whole["choices"].([]any)[0].(map[string]any)
	return choice["message"].(map[string]any), choice, whole
}

// streamed answers body in chunks, as a client reads them.
func streamed(t *testing.T, body string) []map[string]any {
	t.Helper()
	q := parse(t, body)
	list, _ := chat.Chunks(chat.Envelope{}, q, chat.Compose(voice(), q))
	raw, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRefusals(t *testing.T) {
	f := func(body, param, code string) {
		t.Helper()
		_, bad := chat.Parse([]byte(body))
		if bad == nil {
			t.Errorf("accepted %s", body)
			return
		}
		if bad.Status != 400 || bad.Type != "invalid_request_error" || string(bad.Param) != param || string(bad.Code) != code || bad.Message == "" {
			t.Errorf("%s: got %+v, want param %q, code %q", body, *bad, param, code)
		}
	}
	ask := func(more string) string {
		return `{"model":"m","messages":[{"role":"user","content":"hi"}],` + more + `}`
	}
	say := func(messages string) string { return `{"model":"m","messages":[` + messages + `]}` }

	f(`{"model":`, "", "")
	f(`[]`, "", "")
	f(`null`, "", "")
	f(`{"messages":[{"role":"user","content":"hi"}]}`, "", "")
	f(`{"model":7,"messages":[]}`, "model", "invalid_type")
	f(`{"model":"m"}`, "messages", "missing_required_parameter")
	f(`{"model":"m","messages":null}`, "messages", "invalid_type")
	f(`{"model":"m","messages":[]}`, "messages", "empty_array")
	f(`{"model":"m","messages":["hi"]}`, "messages", "invalid_type")
	f(ask(`"frobnicate":1`), "frobnicate", "unknown_parameter")
	f(ask(`"Stream":true`), "Stream", "unknown_parameter")
	f(ask(`"stream":"yes"`), "stream", "invalid_type")
	f(ask(`"stop":3`), "stop", "invalid_type")
	f(ask(`"temperature":2.5`), "temperature", "decimal_above_max_value")
	f(ask(`"temperature":-1`), "temperature", "decimal_below_min_value")
	f(ask(`"n":2`), "n", "integer_above_max_value")
	f(ask(`"max_tokens":0`), "max_tokens", "integer_below_min_value")
	f(ask(`"max_tokens":1.5`), "max_tokens", "invalid_type")
	f(ask(`"seed":1e999`), "seed", "invalid_type")
	f(ask(`"stream_options":{"include_usage":true}`), "stream_options", "")
	f(ask(`"stream_options":{"include_usage":1}`), "stream_options.include_usage", "invalid_type")
	f(ask(`"top_logprobs":2`), "top_logprobs", "")
	f(ask(`"response_format":{"type":"xml"}`), "response_format.type", "invalid_value")
	f(ask(`"response_format":{"type":"json_object"}`), "messages", "")
	f(ask(`"response_format":{"type":"json_schema"}`), "response_format.json_schema", "missing_required_parameter")
	f(ask(`"tool_choice":"auto"`), "tool_choice", "")
	f(ask(`"tools":[{"type":"function"}]`), "tools[0]", "invalid_value")
	f(ask(`"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":"maybe"`), "tool_choice", "invalid_value")
	f(ask(`"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":{"type":"function","function":{"name":"b"}}`), "tool_choice", "")
	f(say(`{"role":"robot","content":"hi"}`), "messages[0].role", "invalid_value")
	f(say(`{"role":"user","content":null}`), "messages.[0].content", "")
	f(say(`{"role":"user","content":5}`), "messages[0].content", "invalid_type")
	f(say(`{"role":"user","content":[]}`), "messages[0].content", "invalid_type")
	f(say(`{"role":"user","content":[{"type":"smell"}]}`), "messages[0].content[0].type", "invalid_value")
	f(say(`{"role":"tool","content":"x"}`), "messages[0].tool_call_id", "missing_required_parameter")
	f(say(`{"role":"tool","content":"x","tool_call_id":"c"}`), "messages.[0].role", "")
}

func TestFailureWire(t *testing.T) {
	raw, err := json.Marshal(chat.Rejected(404, "", "gone"))
	if got, want := string(raw), `{"message":"gone","type":"invalid_request_error","param":null,"code":null}`; got != want || err != nil {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	for status := 400; status < 600; status++ {
		if bad := chat.FailureFor(status); bad.Status != status || bad.Type == "" || bad.Message == "" {
			t.Errorf("status %d: got %+v", status, *bad)
		}
	}
}

func TestText(t *testing.T) {
	f := func(question, more, want string) {
		t.Helper()
		body := `{"model":"m","messages":[{"role":"system","content":"be brief"},{"role":"user","content":` + question + `}]` + more + `}`
		message, choice, _ := onWire(t, body)
		if message["content"] != want || message["role"] != "assistant" {
			t.Errorf("%s: got %v, want %q", question, message, want)
		}
		finish := "stop"
		if strings.Contains(more, "max") {
			finish = "length"
		}
		if choice["finish_reason"] != finish || choice["logprobs"] != nil {
			t.Errorf("%s: got %v, want finish %s", question, choice, finish)
		}
	}
	f(`"What is the capital of France?"`, ``, "blue answers: The capital of France is Paris.")
	f(`[{"type":"text","text":"Hi."},{"type":"text","text":"Capital of Japan?"}]`, ``, "blue answers: The capital of Japan is Tokyo.")
	f(`"What is 2 + 2?"`, `,"max_tokens":4`, "blue answers: 2 + ")
	f(`"What is 2 + 2?"`, `,"max_completion_tokens":1,"max_tokens":9`, "blue ")
	f(`"hello"`, `,"temperature":null,"stop":["x"],"seed":7`, "blue answers: stone window letter copper garden.")
}

func TestUsage(t *testing.T) {
	_, _, whole := onWire(t, `{"model":"m","messages":[{"role":"user","content":"one two three"}]}`)
	usage := whole["usage"].(map[string]any)
	if usage["prompt_tokens"] != 6.0 || usage["completion_tokens"] != 7.0 || usage["total_tokens"] != 13.0 {
		t.Errorf("got %v, want 6 + 7 = 13", usage)
	}
}

func TestLogprobs(t *testing.T) {
	_, choice, _ := onWire(t, `{"model":"m","messages":[{"role":"user","content":"hi"}],"logprobs":true,"top_logprobs":2}`)
	content := choice["logprobs"].(map[string]any)["content"].([]any)
	if len(content) != 7 {
		t.Fatalf("got %d tokens, want 7", len(content))
	}
	for _, entry := range content {
		token := entry.(map[string]any)
		top := token["top_logprobs"].([]any)
		first := top[0].(map[string]any)
		if p := token["logprob"].(float64); p > 0 || len(top) != 2 || first["logprob"] != p || first["token"] != token["token"] {
			t.Errorf("got %v, want two rivals, itself first", token)
		}
	}
	chunks := streamed(t, `{"model":"m","messages":[{"role":"user","content":"hi"}],"logprobs":true,"stream":true}`)
	delta := chunks[1]["choices"].([]any)[0].(map[string]any)
	if delta["logprobs"] == nil {
		t.Errorf("got %v, want logprobs with the word", delta)
	}
}

const tools = `"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{
	"city":{"type":"string"},"days":{"type":"integer","minimum":2},"unit":{"enum":["C","F"]}}}}},
	{"type":"function","function":{"name":"time"}}]`

func TestToolCalls(t *testing.T) {
	f := func(question, more, want string) {
		t.Helper()
		body := `{"model":"m","messages":[{"role":"user","content":"` + question + `"}],` + tools + more + `}`
		message, choice, _ := onWire(t, body)
		var names []string
		calls, _ := message["tool_calls"].([]any)
		for _, c := range calls {
			names = append(names, c.(map[string]any)["function"].(map[string]any)["name"].(string))
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s %s: called %q, want %q", question, more, got, want)
		}
		if (choice["finish_reason"] == "tool_calls") != (want != "") || (message["content"] == nil) != (want != "") {
			t.Errorf("%s %s: got %v", question, more, choice)
		}
	}
	f("hello", ``, "")
	f("please call weather", ``, "weather")
	f("please call weathers", ``, "")
	f("call time and call weather.", ``, "weather time")
	f("call time and call weather", `,"parallel_tool_calls":false`, "weather")
	f("call time", `,"tool_choice":"none"`, "")
	f("call time", `,"tool_choice":"required"`, "time")
	f("hello", `,"tool_choice":"required"`, "weather")
	f("hello", `,"tool_choice":{"type":"function","function":{"name":"time"}}`, "time")
}

func TestToolResultIsAnswered(t *testing.T) {
	message, _, _ := onWire(t, `{"model":"m",`+tools+`,"messages":[{"role":"user","content":"call time"},
		{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"time","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"c","content":"noon"}]}`)
	if message["tool_calls"] != nil || message["content"] == nil {
		t.Errorf("got %v, want text", message)
	}
}

func TestToolArgumentsFit(t *testing.T) {
	message, _, _ := onWire(t, `{"model":"m","messages":[{"role":"user","content":"call weather"}],`+tools+`}`)
	call := message["tool_calls"].([]any)[0].(map[string]any)
	var arguments struct {
		City, Unit string
		Days       int
	}
	if err := json.Unmarshal([]byte(call["function"].(map[string]any)["arguments"].(string)), &arguments); err != nil {
		t.Fatal(err)
	}
	if arguments.City == "" || arguments.Unit != "C" || arguments.Days != 2 || call["id"] == "" || call["type"] != "function" {
		t.Errorf("got %+v in %v", arguments, call)
	}
}

func TestStreamedToolCalls(t *testing.T) {
	list := streamed(t, `{"model":"m","stream":true,"messages":[{"role":"user","content":"call weather and call time"}],`+tools+`}`)
	arguments := map[float64]string{}
	introduced := map[float64]int{}
	for _, c := range list[:len(list)-1] {
		delta := c["choices"].([]any)[0].(map[string]any)["delta"].(map[string]any)
		call := delta["tool_calls"].([]any)[0].(map[string]any)
		function := call["function"].(map[string]any)
		index := call["index"].(float64)
		if call["id"] != nil && function["name"] != nil {
			introduced[index]++
		}
		if (call["id"] == nil) != (function["name"] == nil) {
			t.Errorf("got %v, want id and name together", call)
		}
		arguments[index] += function["arguments"].(string)
	}
	if introduced[0] != 1 || introduced[1] != 1 || !json.Valid([]byte(arguments[0])) || arguments[1] != "{}" {
		t.Errorf("got introductions %v, arguments %v", introduced, arguments)
	}
	if last := list[len(list)-1]["choices"].([]any)[0].(map[string]any); last["finish_reason"] != "tool_calls" {
		t.Errorf("got %v, want finish tool_calls", last)
	}
}

func TestJSONFormats(t *testing.T) {
	f := func(format, want string) {
		t.Helper()
		message, _, _ := onWire(t, `{"model":"m","messages":[{"role":"user","content":"2 + 2 as JSON"}],"response_format":`+format+`}`)
		if got := message["content"]; got != want {
			t.Errorf("%s: got %s, want %s", format, got, want)
		}
	}
	schema := func(s string) string { return `{"type":"json_schema","json_schema":{"name":"s","schema":` + s + `}}` }
	f(`{"type":"json_object"}`, `{"answer":"2 + 2 is 4.","name":"blue"}`)
	f(schema(`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number","maximum":0.5},"c":{"type":"boolean"}}}`),
		`{"a":"2 + 2 is 4.","b":0.5,"c":true}`)
	f(schema(`{"properties":{"l":{"type":"array","minItems":2,"items":{"type":"integer","minimum":3.5}},"n":{"type":["null","string"]}}}`),
		`{"l":[4,4],"n":null}`)
	f(schema(`{"type":"object","properties":{"k":{"const":"x"},"a":{"anyOf":[{"type":"integer"},{"type":"null"}]}}}`), `{"a":1,"k":"x"}`)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":"call weather"}],` + tools + `,"stream":true}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"json"}]}],"response_format":{"type":"json_object"},"logprobs":true,"top_logprobs":3}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"array","minItems":1e99,"items":{"type":"number","minimum":-1e300}}}}}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":null}],"tool_choice":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, bad := chat.Parse(body)
		if bad != nil {
			if bad.Status != 400 || bad.Message == "" {
				t.Fatalf("got %+v", *bad)
			}
			return
		}
		a := chat.Compose(voice(), q)
		if _, err := json.Marshal(chat.Whole(chat.Envelope{}, q, a)); err != nil {
			t.Fatal(err)
		}
		list, last := chat.Chunks(chat.Envelope{}, q, a)
		if _, err := json.Marshal(list); err != nil || last >= len(list) {
			t.Fatalf("%d chunks, last %d: %v", len(list), last, err)
		}
	})
}
