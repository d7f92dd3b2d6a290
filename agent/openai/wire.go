package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// envelope is a completion or a chunk: they differ in message and delta. What
// servers write in odd shapes stays raw, to be read by text and count, so that
// a field nobody needs cannot spoil a good reply.
type envelope struct {
	ID      json.RawMessage `json:"id"`
	Object  json.RawMessage `json:"object"`
	Created json.RawMessage `json:"created"`
	Model   json.RawMessage `json:"model"`
	Choices []choice        `json:"choices"`
	Usage   json.RawMessage `json:"usage"`
	Error   json.RawMessage `json:"error"`
}

type choice struct {
	Index    json.RawMessage `json:"index"`
	Message  json.RawMessage `json:"message"`
	Delta    json.RawMessage `json:"delta"`
	Finish   json.RawMessage `json:"finish_reason"`
	Logprobs json.RawMessage `json:"logprobs"`

	message message // the delta, else the message
}

type message struct {
	Content json.RawMessage `json:"content"`
	Refusal json.RawMessage `json:"refusal"`
	Calls   []call          `json:"tool_calls"`
}

type call struct {
	Index    json.RawMessage `json:"index"`
	ID       json.RawMessage `json:"id"`
	Type     json.RawMessage `json:"type"`
	Function struct {
		Name      json.RawMessage `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`

	place          int  // among the calls of the answer
	newID, newName bool // not said before
}

// readEnvelope reads what fits of a completion or chunk. It is [ErrBroken]
// when that is nothing.
func readEnvelope(data []byte) (*envelope, error) {
	var e envelope
	var odd *json.UnmarshalTypeError
	if err := json.Unmarshal(data, &e); err != nil && (e.Choices == nil || !errors.As(err, &odd)) {
		return nil, fmt.Errorf("%w: %v", ErrBroken, err)
	}
	for i := range e.Choices {
		c := &e.Choices[i]
		if first(c.Delta) != '{' {
			c.Delta = c.Message
		}
		if c.Delta != nil {
			_ = json.Unmarshal(c.Delta, &c.message) // what fits of it
		}
	}
	return &e, nil
}

// failed tells whether it is an error instead.
func (e *envelope) failed() bool { return len(e.Error) > 0 && first(e.Error) != 'n' }

// reason reads why a choice ended, "" while it goes on.
func reason(raw json.RawMessage) string {
	switch first(raw) {
	case 0, 'n':
		return ""
	case '"':
		return quoted(raw)
	}
	return "stop"
}

// text reads a string: null is empty, a list of parts the text in them, and
// anything else what is written there.
func text(raw json.RawMessage) string {
	switch first(raw) {
	case 0, 'n':
		return ""
	case '"':
		return quoted(raw)
	case '[':
		var all strings.Builder
		for _, p := range (Message{Content: raw}).parts() {
			all.WriteString(p.Text)
		}
		return all.String()
	}
	return string(raw)
}

// quoted reads a string and nothing else.
func quoted(raw json.RawMessage) string {
	var s string
	if first(raw) == '"' {
		_ = json.Unmarshal(raw, &s)
	}
	return s
}

// count reads a whole number, even one written as 3.0 or "3"; else it is 0.
func count(raw json.RawMessage) int64 {
	n, err := strconv.ParseFloat(text(raw), 64)
	if err != nil || !(n >= 0 && n < 1<<53) {
		return 0
	}
	return int64(n)
}

// object reads the fields of an object; anything else has none.
func object(raw json.RawMessage) map[string]json.RawMessage {
	var o map[string]json.RawMessage
	if json.Unmarshal(raw, &o) != nil || o == nil {
		return map[string]json.RawMessage{}
	}
	return o
}

// list reads the entries of a list; anything else has none.
func list(raw json.RawMessage) []json.RawMessage {
	var l []json.RawMessage
	_ = json.Unmarshal(raw, &l)
	return l
}

// blank tells whether a value holds nothing.
func blank(raw json.RawMessage) bool {
	return slices.Contains([]string{"", "null", `""`, "[]", "{}", "false"}, string(raw))
}

// more tells what a message holds beside text, refusal and tool calls: a field
// that nothing here knows, or thoughts, which are not the answer yet.
func more(raw json.RawMessage) (other, thought bool) {
	for name, v := range object(raw) {
		switch {
		case name == "role", name == "refusal", name == "tool_calls", blank(v):
		case strings.HasPrefix(name, "reasoning"), strings.HasPrefix(name, "thinking"):
			thought = true
		case name == "content":
			thought = thought || first(v) == '[' // parts, such as thoughts
		default:
			other = true
		}
	}
	return other, thought
}
