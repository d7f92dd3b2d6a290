package openai

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"
)

// maxEntries bounds every list of a request, such as its messages.
const maxEntries = 100_000

var roles = []string{"developer", "system", "user", "assistant", "tool", "function"}

// bounds are the numeric fields and their ranges, by the OpenAI reference.
var bounds = []struct {
	name     string
	min, max float64
	whole    bool
}{
	{"temperature", 0, 2, false},
	{"top_p", 0, 1, false},
	{"presence_penalty", -2, 2, false},
	{"frequency_penalty", -2, 2, false},
	{"max_tokens", 1, 1 << 24, true},
	{"max_completion_tokens", 1, 1 << 24, true},
	{"top_logprobs", 0, 20, true},
	{"n", 1, 1, true},
	{"seed", math.MinInt64, math.MaxInt64, true},
}

// read decodes a field into v; an absent field leaves v as it is.
func (r *Request) read(name string, v any, want string) error {
	raw := r.Field(name)
	if raw == nil {
		return nil
	}
	return decode(name, raw, v, want)
}

// decode decodes the value called name into v; want says what it must be.
func decode(name string, raw json.RawMessage, v any, want string) error {
	if n := entries(raw); n > maxEntries {
		e := Invalid(name, "%s has %d entries; at most %d are taken.", name, n, maxEntries)
		e.Status, e.Type = http.StatusRequestEntityTooLarge, "request_too_large"
		return e
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return Invalid(name, "%s must be %s.", name, want)
	}
	return nil
}

func (r *Request) readModel() error {
	r.Model = "auto"
	if err := r.read("model", &r.Model, "a string such as \"auto\""); err != nil {
		return err
	}
	if r.Model == "" || len(r.Model) > 256 {
		return Invalid("model", "model must be a name of 1 to 256 bytes, such as \"auto\".")
	}
	return nil
}

func (r *Request) readMessages() error {
	const want = "a list of objects like {\"role\":\"user\",\"content\":\"...\"}"
	if err := r.read("messages", &r.Messages, want); err != nil {
		return err
	}
	if len(r.Messages) == 0 {
		return Invalid("messages", "messages is missing or empty; it must be %s.", want)
	}
	for i, m := range r.Messages {
		if err := m.check(i); err != nil {
			return err
		}
	}
	return nil
}

func (m Message) check(i int) error {
	if !slices.Contains(roles, m.Role) {
		return Invalid(at("messages", i, "role"), "messages[%d].role is %.40q; it must be one of %s.", i, m.Role, strings.Join(roles, ", "))
	}
	switch first(m.Content) {
	case '"':
		return nil
	case '[':
		return m.checkParts(i)
	case 0, 'n': // absent or null: it says something else, such as tool calls
		if m.Role == "assistant" {
			return nil
		}
	}
	return Invalid(at("messages", i, "content"), "messages[%d].content must be a string or a list of parts.", i)
}

func (m Message) checkParts(i int) error {
	var parts []struct {
		Type *string         `json:"type"`
		Text json.RawMessage `json:"text"`
	}
	name := at("messages", i, "content")
	if err := decode(name, m.Content, &parts, "a string or a list of objects with a type"); err != nil {
		return err
	}
	for _, p := range parts {
		if p.Type == nil {
			return Invalid(name, "%s has a part without a type, such as \"text\".", name)
		}
		if *p.Type == "text" && first(p.Text) != '"' {
			return Invalid(name, "%s has a text part whose text is not a string.", name)
		}
	}
	return nil
}

func (r *Request) readSampling() error {
	for _, b := range bounds {
		var v *float64
		if err := r.read(b.name, &v, "a number"); err != nil {
			return err
		}
		if v == nil {
			continue
		}
		if *v < b.min || *v > b.max || b.whole && *v != math.Trunc(*v) {
			return Invalid(b.name, "%s is %v; it must be %s.", b.name, *v, span(b.min, b.max, b.whole))
		}
	}
	if err := r.readStop(); err != nil {
		return err
	}
	r.Temperature = r.number("temperature")
	if v := cmp.Or(r.number("max_completion_tokens"), r.number("max_tokens")); v != nil {
		r.MaxTokens = int(*v)
	}
	return r.readLogprobs()
}

// number is a numeric field that was checked, nil when absent. A whole number
// may be written as 5.0 or 5e0.
func (r *Request) number(name string) *float64 {
	var v *float64
	_ = r.read(name, &v, "")
	return v
}

func (r *Request) readLogprobs() error {
	if err := r.read("logprobs", &r.Logprobs, "true or false"); err != nil {
		return err
	}
	v := r.number("top_logprobs")
	if v == nil {
		return nil
	}
	if !r.Logprobs {
		return Invalid("top_logprobs", "top_logprobs needs logprobs: true.")
	}
	r.TopLogprobs = int(*v)
	return nil
}

func (r *Request) readStop() error {
	var one string
	if r.read("stop", &one, "") == nil {
		return nil
	}
	var many []string
	if err := r.read("stop", &many, "a string or a list of at most 4 strings"); err != nil {
		return err
	}
	if len(many) > 4 {
		return Invalid("stop", "stop has %d entries; at most 4 are taken.", len(many))
	}
	return nil
}

func (r *Request) readStream() error {
	if err := r.read("stream", &r.Stream, "true or false"); err != nil {
		return err
	}
	var o struct {
		IncludeUsage bool `json:"include_usage"`
	}
	if err := r.read("stream_options", &o, "an object like {\"include_usage\":true}"); err != nil {
		return err
	}
	if r.Field("stream_options") != nil && !r.Stream {
		return Invalid("stream_options", "stream_options needs stream: true.")
	}
	r.IncludeUsage = o.IncludeUsage
	return nil
}

func (r *Request) readTools() error {
	var tools []struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if err := r.read("tools", &tools, "a list of {\"type\":\"function\",\"function\":{\"name\":...}}"); err != nil {
		return err
	}
	for i, t := range tools {
		if t.Type == "" {
			return Invalid(at("tools", i, "type"), "tools[%d].type is missing; it must be \"function\".", i)
		}
		if t.Type == "function" && t.Function.Name == "" {
			return Invalid(at("tools", i, "function.name"), "tools[%d].function.name is missing.", i)
		}
	}
	r.Tools = len(tools) > 0
	if c := first(r.Field("tool_choice")); c != 0 && c != '"' && c != '{' {
		return Invalid("tool_choice", "tool_choice must be \"none\", \"auto\", \"required\" or an object.")
	}
	return nil
}

func (r *Request) readFormat() error {
	var f struct {
		Type   string          `json:"type"`
		Schema json.RawMessage `json:"json_schema"`
	}
	if err := r.read("response_format", &f, "an object like {\"type\":\"json_object\"}"); err != nil {
		return err
	}
	if r.Field("response_format") == nil {
		return nil
	}
	if !slices.Contains([]string{"text", "json_object", "json_schema"}, f.Type) {
		return Invalid("response_format.type", "response_format.type is %.40q; it must be text, json_object or json_schema.", f.Type)
	}
	if f.Type == "json_schema" && first(f.Schema) != '{' {
		return Invalid("response_format.json_schema", "response_format.json_schema is missing; it must be an object with name and schema.")
	}
	r.Schema = f.Type != "text"
	return nil
}
