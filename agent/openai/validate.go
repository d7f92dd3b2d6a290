package openai

import (
	"encoding/json"
	"math"
	"math/bits"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
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

// decode decodes the value called name into v; want says what it must be.
func decode(name string, raw json.RawMessage, v any, want string) error {
	if err := tooMany(name, raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fault.Invalid(name, "%s must be %s.", name, want)
	}
	return nil
}

// tooMany refuses a list or an object that is too long.
func tooMany(name string, raw json.RawMessage) error {
	if n := entries(raw); n > maxEntries {
		return tooManyOf(name, n)
	}
	return nil
}

// entries counts the entries of a JSON list or object that was found valid
// before, without making room for them. It is 0 for what is too short to have
// many.
func entries(raw json.RawMessage) int {
	if len(raw) < 2*maxEntries {
		return 0
	}
	n := 0
	for range inplace.Elements(raw) {
		n++
	}
	for range inplace.Members(raw) {
		n++
	}
	return n
}

func tooManyOf(name string, n int) error {
	e := fault.Invalid(name, "%s has %d entries; at most %d are taken.", name, n, maxEntries)
	e.Status, e.Type = http.StatusRequestEntityTooLarge, "request_too_large"
	return e
}

// flag reads true or false; an absent field is false.
func flag(name string, raw json.RawMessage) (bool, error) {
	switch string(raw) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fault.Invalid(name, "%s must be true or false.", name)
}

func (r *Request) readModel() error {
	raw := r.get(knownModel)
	switch inplace.First(raw) {
	case 0:
		r.Model = "auto"
	case '"':
		r.Model = inplace.String(raw)
	default:
		return fault.Invalid("model", "model must be a string such as \"auto\".")
	}
	if r.Model == "" || len(r.Model) > 256 {
		return fault.Invalid("model", "model must be a name of 1 to 256 bytes, such as \"auto\".")
	}
	return nil
}

func (r *Request) readMessages() error {
	const want = "a list of objects like {\"role\":\"user\",\"content\":\"...\"}"
	raw := r.get(knownMessages)
	if err := tooMany("messages", raw); err != nil {
		return err
	}
	if c := inplace.First(raw); c != '[' && c != 0 || c == '[' && r.strange {
		return fault.Invalid("messages", "messages must be %s.", want)
	}
	if len(r.Messages) == 0 {
		return fault.Invalid("messages", "messages is missing or empty; it must be %s.", want)
	}
	for i := range r.Messages {
		if err := r.Messages[i].check(i); err != nil {
			return err
		}
	}
	return nil
}

func (m *Message) check(i int) error {
	if !slices.Contains(roles, m.Role) {
		return fault.Invalid(at("messages", i, "role"), "messages[%d].role is %.40q; it must be one of %s.", i, m.Role, strings.Join(roles, ", "))
	}
	switch inplace.First(m.Content) {
	case '"':
		return nil
	case '[':
		return m.checkParts(i)
	case 0, 'n': // absent or null: it says something else, such as tool calls
		if m.Role == "assistant" {
			return nil
		}
	}
	return fault.Invalid(at("messages", i, "content"), "messages[%d].content must be a string or a list of parts.", i)
}

func (m *Message) checkParts(i int) error {
	name := at("messages", i, "content")
	if err := tooMany(name, m.Content); err != nil {
		return err
	}
	for p := range completion.Parts(m.Content) {
		switch kind := inplace.First(p.Type); {
		case p.Odd, kind != '"' && kind != 'n' && kind != 0:
			return fault.Invalid(name, "%s must be a string or a list of objects with a type.", name)
		case kind != '"':
			return fault.Invalid(name, "%s has a part without a type, such as \"text\".", name)
		case p.IsText() && inplace.First(p.Text) != '"':
			return fault.Invalid(name, "%s has a text part whose text is not a string.", name)
		}
	}
	return nil
}

func (r *Request) readSampling() error {
	if err := r.readNumbers(); err != nil {
		return err
	}
	if err := r.readStop(); err != nil {
		return err
	}
	return r.readLogprobs()
}

// readNumbers reads what bounds are for, in that order.
func (r *Request) readNumbers() error {
	for left := r.has & knownNumbers; left != 0; left &= left - 1 {
		b := &bounds[bits.TrailingZeros32(uint32(left))]
		v, err := number(b.name, r.get(left&-left))
		if err != nil {
			return err
		}
		if v < b.min || v > b.max || b.whole && v != math.Trunc(v) {
			return fault.Invalid(b.name, "%s is %v; it must be %s.", b.name, v, span(b.min, b.max, b.whole))
		}
		switch left & -left {
		case knownTemperature:
			r.heat = v
			r.Temperature = &r.heat
		case knownMaxTokens, knownMaxCompletion: // the newer name comes later, and wins
			r.MaxTokens = int(v)
		case knownTopLogprobs:
			r.TopLogprobs = int(v)
		}
	}
	return nil
}

// number reads a number. A whole one may be written as 5.0 or 5e0.
func number(name string, raw json.RawMessage) (float64, error) {
	if n, ok := inplace.Digits(raw); ok {
		return float64(n), nil
	}
	if c := inplace.First(raw); c == '-' || c >= '0' && c <= '9' {
		if v, err := strconv.ParseFloat(string(raw), 64); err == nil {
			return v, nil
		}
	}
	return 0, fault.Invalid(name, "%s must be a number.", name)
}

func (r *Request) readLogprobs() (err error) {
	if r.Logprobs, err = flag("logprobs", r.get(knownLogprobs)); err != nil {
		return err
	}
	if r.has&knownTopLogprobs != 0 && !r.Logprobs {
		return fault.Invalid("top_logprobs", "top_logprobs needs logprobs: true.")
	}
	return nil
}

func (r *Request) readStop() error {
	raw := r.get(knownStop)
	if c := inplace.First(raw); c == 0 || c == '"' {
		return nil
	}
	var many []string
	if err := decode("stop", raw, &many, "a string or a list of at most 4 strings"); err != nil {
		return err
	}
	if len(many) > 4 {
		return fault.Invalid("stop", "stop has %d entries; at most 4 are taken.", len(many))
	}
	return nil
}

func (r *Request) readStream() (err error) {
	if r.Stream, err = flag("stream", r.get(knownStream)); err != nil {
		return err
	}
	raw := r.get(knownStreamOptions)
	if raw == nil {
		return nil
	}
	var o struct {
		IncludeUsage bool `json:"include_usage"`
	}
	if err := decode("stream_options", raw, &o, "an object like {\"include_usage\":true}"); err != nil {
		return err
	}
	if !r.Stream {
		return fault.Invalid("stream_options", "stream_options needs stream: true.")
	}
	r.IncludeUsage = o.IncludeUsage
	return nil
}

func (r *Request) readTools() error {
	if raw := r.get(knownTools); raw != nil {
		if err := r.checkTools(raw); err != nil {
			return err
		}
	}
	if c := inplace.First(r.get(knownToolChoice)); c != 0 && c != '"' && c != '{' {
		return fault.Invalid("tool_choice", "tool_choice must be \"none\", \"auto\", \"required\" or an object.")
	}
	return nil
}

func (r *Request) checkTools(raw json.RawMessage) error {
	if err := tooMany("tools", raw); err != nil {
		return err
	}
	in, n := inplace.Read(raw), 0
	list := in.List()
	for ; list && in.Element(); n++ {
		t, ok := readTool(&in)
		switch {
		case !ok:
			list = false
		case unnamed(t.kind):
			return fault.Invalid(at("tools", n, "type"), "tools[%d].type is missing; it must be \"function\".", n)
		case inplace.Says(t.kind, "function") && unnamed(t.name):
			return fault.Invalid(at("tools", n, "function.name"), "tools[%d].function.name is missing.", n)
		}
	}
	if !list {
		return fault.Invalid("tools", "tools must be a list of {\"type\":\"function\",\"function\":{\"name\":...}}.")
	}
	r.Tools = n > 0
	return nil
}

// tool is what is read of a tool: its type, and the name of its function.
type tool struct{ kind, name json.RawMessage }

// readTool reads the tool that is next. It is not ok when it is no object, or what
// is read of it of the wrong kind; null is as good as absent.
func readTool(in *inplace.Reader) (t tool, ok bool) {
	if !in.Object() {
		return t, inplace.First(in.Value()) == 'n'
	}
	ok = true
	for in.Member() {
		switch string(in.Name) {
		case "type":
			t.kind = in.Value()
		case "function":
			if t.name = nil; !in.Object() {
				ok = inplace.First(in.Value()) == 'n'
				continue
			}
			for in.Member() {
				if string(in.Name) == "name" {
					t.name = in.Value()
				}
			}
		}
	}
	return t, ok && (unnamed(t.kind) || t.kind[0] == '"') && (unnamed(t.name) || t.name[0] == '"')
}

// unnamed tells whether a name is absent, null or empty.
func unnamed(raw json.RawMessage) bool {
	return len(raw) == 0 || raw[0] == 'n' || string(raw) == `""`
}

func (r *Request) readFormat() error {
	raw := r.get(knownFormat)
	if raw == nil {
		return nil
	}
	var f struct {
		Type   string          `json:"type"`
		Schema json.RawMessage `json:"json_schema"`
	}
	if err := decode("response_format", raw, &f, "an object like {\"type\":\"json_object\"}"); err != nil {
		return err
	}
	if !slices.Contains([]string{"text", "json_object", "json_schema"}, f.Type) {
		return fault.Invalid("response_format.type", "response_format.type is %.40q; it must be text, json_object or json_schema.", f.Type)
	}
	if f.Type == "json_schema" && inplace.First(f.Schema) != '{' {
		return fault.Invalid("response_format.json_schema", "response_format.json_schema is missing; it must be an object with name and schema.")
	}
	r.Schema = f.Type != "text"
	return nil
}
