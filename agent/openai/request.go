package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/agent/openai/inplace"
)

// Request is one request, of chat unless Service says another: the fields that
// deciding and checking need, typed, beside the whole body as the caller sent
// it. It is not changed after [Decode].
type Request struct {
	Service      string
	Model        string
	Messages     []Message
	Stream       bool
	IncludeUsage bool // stream_options.include_usage
	Temperature  *float64
	MaxTokens    int // max_completion_tokens, else max_tokens; 0 when absent
	Logprobs     bool
	TopLogprobs  int
	Tools        bool
	Schema       bool // response_format asks for JSON
	Size         int  // bytes of the body

	// Read checks the body of a reply that is not chat, and gives it as the
	// caller wants it. It is nil for chat.
	Read func(body []byte) (*completion.Answer, []byte, error)

	fields  []field // in the order they came, each name once, without null
	has     known   // which of them are read here, when it was decoded
	strange bool    // a message is no object, or a name in it no string
	heat    float64 // what Temperature points to

	room struct { // of the few that most have
		fields [6]field
		turns  [2]Message
	}
}

// Message is one turn. Content is a string, null, or a list of parts.
type Message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content,omitempty"`
	Name    string          `json:"name,omitempty"`
	Calls   json.RawMessage `json:"tool_calls,omitempty"`
	CallID  string          `json:"tool_call_id,omitempty"`
}

// Text is the message's text, its text parts joined by newlines.
func (m Message) Text() string {
	if inplace.First(m.Content) == '"' {
		return inplace.String(m.Content)
	}
	var texts []string
	for p := range completion.Parts(m.Content) {
		if p.IsText() {
			texts = append(texts, inplace.String(p.Text))
		}
	}
	return strings.Join(texts, "\n")
}

// Decode reads and checks a request body. What it returns as an error is an
// [*fault.Error] that names the field and what would be right: a 400, or a 413 for a
// list that is too long. Of two fields with one name the last counts.
func Decode(body []byte) (*Request, error) {
	r, err := newRequest(Chat, body)
	if err != nil {
		return nil, err
	}
	for _, read := range [...]func(*Request) error{
		(*Request).readModel, (*Request).readMessages, (*Request).readSampling, (*Request).readStream, (*Request).readTools, (*Request).readFormat,
	} {
		if err := read(r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func badJSON(body []byte, err error) *fault.Error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return fault.Invalid("", "The body must be a JSON object.")
	}
	before := body[:min(int(syntax.Offset), len(body))]
	line := 1 + bytes.Count(before, []byte("\n"))
	if m := notNumber.FindSubmatch(body[max(0, len(before)-maxTail):min(len(before)+8, len(body))]); m != nil {
		return fault.Invalid(string(m[1]), "%s is %s, which is no number in JSON (line %d); it must be a finite number.", m[1], m[2], line)
	}
	return fault.Invalid("", "The body is not valid JSON: %v at byte %d (line %d).", err, syntax.Offset, line)
}

// notNumber is a field with a value that some encoders write and JSON does not
// have, at the end of what was read; it is at most maxTail bytes back.
var notNumber = regexp.MustCompile(`"(\w{1,40})"\s*:\s*(-?(?:NaN|Infinity|nan|inf))`)

const maxTail = 64

// LastUser is the text of the last user message, "" when there is none.
func (r *Request) LastUser() string {
	for i := len(r.Messages) - 1; i >= 0; i-- {
		if m := &r.Messages[i]; m.Role == "user" {
			return m.Text()
		}
	}
	return ""
}

// HasRole tells whether some message has one of the roles.
func (r *Request) HasRole(roles ...string) bool {
	return slices.ContainsFunc(r.Messages, func(m Message) bool { return slices.Contains(roles, m.Role) })
}

// HasParts tells whether some message has a part that is not text, such as an
// image or sound.
func (r *Request) HasParts() bool {
	for i := range r.Messages {
		for p := range completion.Parts(r.Messages[i].Content) {
			if !p.IsText() {
				return true
			}
		}
	}
	return false
}

// Names lists the fields the caller sent, sorted; null counts as absent.
func (r *Request) Names() []string {
	names := make([]string, 0, len(r.fields))
	for i := range r.fields {
		names = append(names, r.fields[i].name)
	}
	slices.Sort(names)
	return names
}

// Member is a field and its value as the caller sent it.
type Member struct {
	Name  string
	Value json.RawMessage
}

// AppendMembers adds to an empty list the fields that Names lists, in that order.
func (r *Request) AppendMembers(to []Member) []Member {
	for i := range r.fields {
		to = append(to, Member{r.fields[i].name, r.fields[i].value})
	}
	slices.SortFunc(to, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return to
}

// Field is a field as the caller sent it, nil when absent.
func (r *Request) Field(name string) json.RawMessage {
	for i := range r.fields {
		if f := &r.fields[i]; f.name == name {
			return f.value
		}
	}
	return nil
}

// Body is the request with every field the caller sent, known or not, for the
// given model. A stream asks for its usage, so that cost is known.
func (r *Request) Body(model string) []byte {
	out := make([]byte, 0, r.Size+len(model)+64)
	out = inplace.AppendString(append(out, `{"model":`...), model)
	if r.Stream {
		out = append(append(out, `,"stream_options":`...), withUsage(r.Field("stream_options"))...)
	}
	for i := range r.fields {
		f := &r.fields[i]
		switch {
		case f.known&(knownModel|knownStreamOptions) != 0:
			continue
		case f.known != 0:
			out = append(append(append(out, `,"`...), f.name...), `":`...)
		default:
			out = append(inplace.AppendString(append(out, ','), f.name), ':')
		}
		out = append(out, f.value...)
	}
	return append(out, '}')
}

// WithMaxTokens is a copy of the request that asks for at most n tokens.
func (r *Request) WithMaxTokens(n int) *Request {
	c := *r
	c.fields = slices.DeleteFunc(slices.Clone(r.fields), func(f field) bool { return f.known&(knownMaxTokens|knownMaxCompletion) != 0 })
	c.fields = append(c.fields, field{"max_completion_tokens", knownMaxCompletion, inplace.Encode(n)})
	c.MaxTokens = n
	return &c
}

// Plain is a copy of the request that asks for a plain reply of at most n tokens.
func (r *Request) Plain(n int) *Request {
	c := r.WithMaxTokens(n)
	c.fields = slices.DeleteFunc(c.fields, func(f field) bool { return f.known&(knownStream|knownStreamOptions) != 0 })
	c.Stream, c.IncludeUsage = false, false
	return c
}

// Only is the request with the given fields of the caller and those of set,
// which win. It is how a request is rebuilt for the local engine.
func (r *Request) Only(allowed []string, set map[string]any) []byte {
	out := make(map[string]any, len(allowed)+len(set))
	for _, name := range allowed {
		if v := r.Field(name); v != nil {
			out[name] = v
		}
	}
	maps.Copy(out, set)
	return inplace.Encode(out)
}

// withUsage are stream_options that ask for usage, beside what the caller asks for.
func withUsage(options json.RawMessage) json.RawMessage {
	const alone = `{"include_usage":true}`
	if len(options) == 0 || string(options) == alone { // as most are
		return json.RawMessage(alone)
	}
	return inplace.Close(inplace.AppendRest([]byte(`{"include_usage":true,`), options, "include_usage"), '}')
}
