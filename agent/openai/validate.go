package openai

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"nearside/agent/openai/inplace"
)

// maxEntries bounds every list and object of a request that is taken apart, such
// as its messages, and the fields of its body.
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
	if err := tooMany(name, raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return Invalid(name, "%s must be %s.", name, want)
	}
	return nil
}

// tooMany refuses a list or an object that is too long.
func tooMany(name string, raw json.RawMessage) error {
	n := entries(raw)
	if n <= maxEntries {
		return nil
	}
	e := Invalid(name, "%s has %d entries; at most %d are taken.", name, n, maxEntries)
	e.Status, e.Type = http.StatusRequestEntityTooLarge, "request_too_large"
	return e
}

// flag reads true or false into v; an absent field leaves it as it is.
func (r *Request) flag(name string, v *bool) error {
	switch string(r.Field(name)) {
	case "":
	case "true":
		*v = true
	case "false":
		*v = false
	default:
		return Invalid(name, "%s must be true or false.", name)
	}
	return nil
}

func (r *Request) readModel() error {
	raw := r.Field("model")
	switch first(raw) {
	case 0:
		r.Model = "auto"
	case '"':
		r.Model = quoted(raw)
	default:
		return Invalid("model", "model must be a string such as \"auto\".")
	}
	if r.Model == "" || len(r.Model) > 256 {
		return Invalid("model", "model must be a name of 1 to 256 bytes, such as \"auto\".")
	}
	return nil
}

func (r *Request) readMessages() error {
	const want = "a list of objects like {\"role\":\"user\",\"content\":\"...\"}"
	raw := r.Field("messages")
	if err := tooMany("messages", raw); err != nil {
		return err
	}
	if c := first(raw); c != '[' && c != 0 {
		return Invalid("messages", "messages must be %s.", want)
	}
	for one := range inplace.Elements(raw) {
		m, ok := readTurn(one)
		if !ok {
			return Invalid("messages", "messages must be %s.", want)
		}
		r.Messages = append(r.Messages, m)
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

// readTurn reads one message; ok is false when it, or a name in it, is not of
// the right kind.
func readTurn(raw json.RawMessage) (m Message, ok bool) {
	ok = first(raw) == '{' || first(raw) == 'n' // null says nothing, which is found out later
	for name, v := range inplace.Members(raw) {
		switch string(name) {
		case "content":
			m.Content = v
		case "tool_calls":
			m.Calls = v
		case "role":
			m.Role, ok = quoted(v), ok && nameable(v)
		case "name":
			m.Name, ok = quoted(v), ok && nameable(v)
		case "tool_call_id":
			m.CallID, ok = quoted(v), ok && nameable(v)
		}
	}
	return m, ok
}

// nameable tells whether a value may stand where a name does: null is none.
func nameable(raw json.RawMessage) bool { return first(raw) == '"' || first(raw) == 'n' }

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
		v, err := r.number(b.name)
		if err != nil {
			return err
		}
		if v != nil && (*v < b.min || *v > b.max || b.whole && *v != math.Trunc(*v)) {
			return Invalid(b.name, "%s is %v; it must be %s.", b.name, *v, span(b.min, b.max, b.whole))
		}
	}
	if err := r.readStop(); err != nil {
		return err
	}
	r.Temperature, _ = r.number("temperature")
	for _, name := range []string{"max_tokens", "max_completion_tokens"} { // the newer name wins
		if v, _ := r.number(name); v != nil {
			r.MaxTokens = int(*v)
		}
	}
	return r.readLogprobs()
}

// number is a numeric field, nil when absent. A whole number may be written as
// 5.0 or 5e0.
func (r *Request) number(name string) (*float64, error) {
	raw := r.Field(name)
	if raw == nil {
		return nil, nil
	}
	if c := first(raw); c == '-' || c >= '0' && c <= '9' {
		if v, err := strconv.ParseFloat(string(raw), 64); err == nil {
			return &v, nil
		}
	}
	return nil, Invalid(name, "%s must be a number.", name)
}

func (r *Request) readLogprobs() error {
	if err := r.flag("logprobs", &r.Logprobs); err != nil {
		return err
	}
	v, _ := r.number("top_logprobs")
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
	if err := r.flag("stream", &r.Stream); err != nil {
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
